internal import CVulkan
internal import Synchronization

/// A timeline semaphore that counts a queue's submissions: submission n is done when the value has reached n. Safe to
/// share between threads.
public final class Timeline: Sendable {
    /// Nil where nothing is submitted.
    nonisolated(unsafe) let handle: VkSemaphore?
    private nonisolated(unsafe) let device: VkDevice
    private let functions: DeviceFunctions
    private let deviceName: String
    private let counters: Counters
    private let last = Atomic<UInt64>(0)
    /// Whether the driver has reported the loss of the device; nothing is submitted any more then.
    let isLost = Atomic(false)
    /// The last submission that somebody saw done.
    private let known = Atomic<UInt64>(0)

    init(
        _ functions: DeviceFunctions, _ device: VkDevice, deviceName: String, _ counters: Counters,
        isUsed: Bool
    ) throws(ComputeError) {
        self.counters = counters
        let scratch = Scratch()
        var type = VkSemaphoreTypeCreateInfo()
        type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
        type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
        var info = VkSemaphoreCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
        info.pNext = UnsafeRawPointer(scratch.place(type))
        var semaphore: VkSemaphore?
        if isUsed {
            try functions.createSemaphore(device, &info, nil, &semaphore).check("vkCreateSemaphore", device: deviceName)
        }
        handle = semaphore
        self.device = device
        self.functions = functions
        self.deviceName = deviceName
    }

    /// Called by the device, which owns this, before it goes.
    func destroy() { functions.destroySemaphore(device, handle, nil) }

    /// The number of the next submission. Called under the queue's lock.
    func next() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
    /// The submission that was to get the last number failed.
    func takeBack() { last.wrappingSubtract(1, ordering: .relaxed) }

    /// The last submission that is done.
    public func reached() throws(ComputeError) -> UInt64 {
        var value: UInt64 = 0
        try functions.getSemaphoreValue(device, handle, &value)
            .check("vkGetSemaphoreCounterValue", device: deviceName)
        known.max(value, ordering: .releasing)
        return value
    }

    /// Blocks until submission `value` is done.
    ///
    /// - Throws: `ComputeError.deviceLost`, and `.timeout` after `seconds`.
    public func wait(for value: UInt64, seconds: Double = 600) throws(ComputeError) {
        if known.load(ordering: .acquiring) >= value { return }
        counters.add(.wait)
        let result = withUnsafePointer(to: handle) { semaphore in
            withUnsafePointer(to: value) { value in
                var info = VkSemaphoreWaitInfo()
                info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
                info.semaphoreCount = 1
                info.pSemaphores = semaphore
                info.pValues = value
                return functions.waitSemaphores(device, &info, UInt64(seconds * 1e9))
            }
        }
        if result == VK_TIMEOUT { throw .timeout(device: deviceName, seconds: seconds) }
        if result == VK_ERROR_DEVICE_LOST { isLost.store(true, ordering: .relaxed) }
        try result.check("vkWaitSemaphores", device: deviceName)
        known.max(value, ordering: .releasing)
    }
}
