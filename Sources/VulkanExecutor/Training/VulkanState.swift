internal import Compute
internal import Network
internal import Tensor

/// Memory that is bound to kernels in whole blocks, none larger than the device can bind or allocate at once.
struct BlockedMemory {
    let blocks: [DeviceBuffer]
    let blockElements: Int

    /// - Parameter elements: of 32 bits; at least one block is made.
    init(_ device: Device, elements: Int, blockElements: Int) throws(ComputeError) {
        self.blockElements = blockElements
        var blocks: [DeviceBuffer] = []
        var rest = max(1, elements)
        while rest > 0 {
            // Rounded up, so that kernels that read quads find whole ones.
            let count = (min(rest, blockElements) + 3) / 4 * 4
            blocks.append(try DeviceBuffer(device, bytes: count * 4))
            rest -= min(rest, blockElements)
        }
        self.blocks = blocks
    }

    var bytes: Int { blocks.reduce(0) { $0 + $1.bytes } }

    /// Elements of the largest block that the device can allocate and bind.
    static func largestBlock(_ executor: VulkanExecutor) -> Int {
        let bytes = min(executor.device.capabilities.maximumBufferBytes, executor.bindingLimit)
        return bytes / bindingAlignment * (bindingAlignment / 4)
    }

    func slice(_ offset: Int, _ count: Int) -> BufferSlice {
        // Shapes without elements have a place too.
        blocks[offset / blockElements].slice(offset: offset % blockElements * 4, bytes: max(1, count) * 4)
    }
}

/// The parameters of a training run, on the device. One thread at a time uses a state and its plans.
final class VulkanState: ParameterState {
    private let executor: VulkanExecutor
    let memory: BlockedMemory
    private var places: [String: (shape: Shape, offset: Int)] = [:]
    /// One tensor at a time goes through these.
    private let upload: HostBuffer
    private let readback: HostBuffer

    var bytes: Int { memory.bytes + upload.bytes + readback.bytes }
    var names: [String] { places.keys.sorted() }

    init(_ executor: VulkanExecutor, _ parameters: Parameters) throws {
        self.executor = executor
        let block = BlockedMemory.largestBlock(executor)
        let alignment = bindingAlignment / 4
        var end = 0
        for (name, tensor) in parameters.sorted(by: { $0.key < $1.key }) {
            let count = max(1, tensor.shape.count)
            try executor.checkBinding(count)
            if end / block != (end + count - 1) / block { end = (end / block + 1) * block }
            places[name] = (tensor.shape, end)
            end = (end + count + alignment - 1) / alignment * alignment
        }
        memory = try BlockedMemory(executor.device, elements: end, blockElements: block)
        let largest = max(1, parameters.values.map(\.shape.count).max() ?? 1) * 4
        upload = try HostBuffer(executor.device, bytes: largest, use: .upload)
        readback = try HostBuffer(executor.device, bytes: largest, use: .readback)
        for (name, tensor) in parameters { try set(name, tensor) }
    }

    /// Whether `executor` can bind its memory.
    func belongs(to executor: VulkanExecutor) -> Bool { self.executor.device === executor.device }

    func shape(_ name: String) -> Shape? { places[name]?.shape }
    func offset(_ name: String) -> Int { places[name]!.offset }

    func read(_ name: String) throws(ExecutionError) -> HostTensor {
        guard let (shape, offset) = places[name] else { throw .missingParameter(name: name) }
        var result = HostTensor(shape)
        if shape.count == 0 { return result }
        try executionErrors(device: executor.name) {
            try copy(memory.slice(offset, shape.count), to: readback.slice(bytes: shape.count * 4))
            try readback.read { source in
                result.withUnsafeMutableValues { values in
                    UnsafeMutableRawBufferPointer(values).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: source[..<(values.count * 4)]))
                }
            }
        }
        return result
    }

    func write(_ name: String, _ tensor: HostTensor) throws(ExecutionError) {
        guard let (shape, _) = places[name] else { throw .missingParameter(name: name) }
        guard shape == tensor.shape else {
            throw .parameterShape(name: name, found: tensor.shape, expected: shape)
        }
        try executionErrors(device: executor.name) { try set(name, tensor) }
    }

    private func set(_ name: String, _ tensor: HostTensor) throws {
        let (shape, offset) = places[name]!
        if shape.count == 0 { return }
        try upload.write { target in
            tensor.withUnsafeValues { values in target.copyMemory(from: UnsafeRawBufferPointer(values)) }
        }
        try copy(upload.slice(bytes: shape.count * 4), to: memory.slice(offset, shape.count))
    }

    private func copy(_ source: BufferSlice, to target: BufferSlice) throws(ComputeError) {
        try CommandRecorder.copy(source, to: target, executor.device)
    }
}

extension VulkanExecutor {
    /// - Throws: `ExecutionError.device` for a tensor that is larger than what a kernel can bind at once.
    func checkBinding(_ elements: Int) throws {
        let most = BlockedMemory.largestBlock(self)
        if elements > most {
            throw ExecutionError.device(
                device: name,
                message: "a tensor of \(elements >> 18) MiB is more than it can bind at once (\(most >> 18) MiB): "
                    + "train on smaller patches or batches")
        }
    }
}
