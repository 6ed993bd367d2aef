internal import CVulkan

/// A number that a driver's compiler says of a pipeline (VK_KHR_pipeline_executable_properties): registers, spills, shared
/// memory, estimated cycles. Names and meanings are the driver's own.
public struct PipelineStatistic: Sendable, Hashable {
    public let name: String
    public let value: Double
}

extension Pipeline {
    /// Statistics of the driver's compiler, in its order. Empty unless the device was opened with `describesPipelines`.
    public func statistics() throws(ComputeError) -> [PipelineStatistic] {
        guard let functions = device.pipelineFunctions else { return [] }
        var pipelineInfo = VkPipelineInfoKHR()
        pipelineInfo.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR
        pipelineInfo.pipeline = handle
        var properties = VkPipelineExecutablePropertiesKHR()
        properties.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR
        let executables = try listed("vkGetPipelineExecutablePropertiesKHR", of: properties) {
            functions.getExecutables(device.handle, &pipelineInfo, $0, $1)
        }
        var all: [PipelineStatistic] = []
        for index in executables.indices {
            var info = VkPipelineExecutableInfoKHR()
            info.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR
            info.pipeline = handle
            info.executableIndex = UInt32(index)
            var empty = VkPipelineExecutableStatisticKHR()
            empty.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR
            let found = try listed("vkGetPipelineExecutableStatisticsKHR", of: empty) {
                functions.getStatistics(device.handle, &info, $0, $1)
            }
            all += found.map { statistic in
                let value =
                    switch statistic.format {
                    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: Double(statistic.value.b32)
                    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: Double(statistic.value.i64)
                    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: Double(statistic.value.u64)
                    default: statistic.value.f64
                    }
                return PipelineStatistic(name: string(fromCharacters: statistic.name), value: value)
            }
        }
        return all
    }

    /// The compiler's own views of the pipeline as text, its machine code last; as `statistics`.
    public func code() throws(ComputeError) -> [String] {
        guard let functions = device.pipelineFunctions else { return [] }
        var info = VkPipelineExecutableInfoKHR()
        info.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR
        info.pipeline = handle
        var empty = VkPipelineExecutableInternalRepresentationKHR()
        empty.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR
        let call = "vkGetPipelineExecutableInternalRepresentationsKHR"
        var views = try listed(call, of: empty) { functions.getCode(device.handle, &info, $0, $1) }
        // The first call told the sizes.
        let memory = views.map { UnsafeMutableRawPointer.allocate(byteCount: max(1, $0.dataSize), alignment: 1) }
        defer { for memory in memory { memory.deallocate() } }
        for index in views.indices { views[index].pData = memory[index] }
        var count = UInt32(views.count)
        try functions.getCode(device.handle, &info, &count, &views).check(call, device: device.name)
        return views.prefix(Int(count)).filter { $0.isText == VkBool32(VK_TRUE) }.map { view in
            String(decoding: UnsafeRawBufferPointer(start: view.pData, count: max(0, view.dataSize - 1)), as: UTF8.self)
        }
    }

    private func listed<T>(
        _ call: String, of empty: T, _ body: (UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<T>?) -> VkResult
    ) throws(ComputeError) -> [T] {
        switch enumerate(of: empty, body) {
        case .success(let list): return list
        case .failure(let failure): throw .failed(device: device.name, call: call, result: failure.result.name)
        }
    }
}

/// The functions of VK_KHR_pipeline_executable_properties.
struct PipelineFunctions: Sendable {
    let getExecutables: PFN_vkGetPipelineExecutablePropertiesKHR
    let getStatistics: PFN_vkGetPipelineExecutableStatisticsKHR
    let getCode: PFN_vkGetPipelineExecutableInternalRepresentationsKHR

    /// Nil where the driver lacks them.
    init?(_ get: PFN_vkGetDeviceProcAddr, _ device: VkDevice) {
        guard let executables = get(device, "vkGetPipelineExecutablePropertiesKHR"),
            let statistics = get(device, "vkGetPipelineExecutableStatisticsKHR"),
            let code = get(device, "vkGetPipelineExecutableInternalRepresentationsKHR")
        else { return nil }
        getExecutables = unsafeBitCast(executables, to: PFN_vkGetPipelineExecutablePropertiesKHR.self)
        getStatistics = unsafeBitCast(statistics, to: PFN_vkGetPipelineExecutableStatisticsKHR.self)
        getCode = unsafeBitCast(code, to: PFN_vkGetPipelineExecutableInternalRepresentationsKHR.self)
    }
}
