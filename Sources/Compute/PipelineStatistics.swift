internal import CVulkan

/// A number that a driver's compiler says of a pipeline (VK_KHR_pipeline_executable_properties): registers, spills, shared
/// memory, estimated cycles. Names and meanings are the driver's own.
public struct PipelineStatistic: Sendable, Hashable {
    public let name: String
    public let value: Double
}

extension Pipeline {
    /// What the driver's compiler says of it. Empty unless the device was opened with `describesPipelines`.
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

    /// Nil where the driver lacks them.
    init?(_ get: PFN_vkGetDeviceProcAddr, _ device: VkDevice) {
        guard let executables = get(device, "vkGetPipelineExecutablePropertiesKHR"),
            let statistics = get(device, "vkGetPipelineExecutableStatisticsKHR")
        else { return nil }
        getExecutables = unsafeBitCast(executables, to: PFN_vkGetPipelineExecutablePropertiesKHR.self)
        getStatistics = unsafeBitCast(statistics, to: PFN_vkGetPipelineExecutableStatisticsKHR.self)
    }
}
