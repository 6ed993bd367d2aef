internal import CVulkan

/// A compute shader with its constants specialised, ready to be dispatched. Safe to share between threads.
///
/// The interface of every shader is the same: storage buffers at bindings 0 up to `bindings` of set 0, some of which may
/// be uniform texel buffers instead, and one block of push constants.
public final class Pipeline: Sendable {
    public let name: String
    public let bindings: Int
    /// The bindings that are uniform texel buffers.
    public let texelBuffers: Set<Int>
    public let pushConstantBytes: Int

    let device: Device
    nonisolated(unsafe) let handle: VkPipeline
    nonisolated(unsafe) let layout: VkPipelineLayout
    nonisolated(unsafe) let setLayout: VkDescriptorSetLayout

    /// Compiles. This can take from microseconds (cached) to seconds.
    ///
    /// - Parameters:
    ///   - code: SPIR-V with the entry point `main`.
    ///   - specialisation: 32-bit constants; the index is the constant's id.
    ///   - texelBuffers: the bindings that are uniform texel buffers of four channels.
    ///   - subgroupSize: run in full subgroups of this size; nil leaves it to the driver. Only where the device
    ///     `hasSubgroupSizeControl`.
    /// - Throws: `ComputeError.failed` when the driver refuses the shader.
    public init(
        _ device: Device, name: String, code: [UInt32], bindings: Int, pushConstantBytes: Int,
        specialisation: [UInt32] = [], subgroupSize: Int? = nil, cache: PipelineCache? = nil,
        texelBuffers: Set<Int> = []
    ) throws(ComputeError) {
        let (functions, scratch) = (device.functions, Scratch())
        var moduleInfo = VkShaderModuleCreateInfo()
        moduleInfo.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO
        moduleInfo.codeSize = code.count * 4
        moduleInfo.pCode = UnsafePointer(scratch.place(array: code))
        var module: VkShaderModule?
        try device.check(
            functions.createShaderModule(device.handle, &moduleInfo, nil, &module), "vkCreateShaderModule(\(name))")
        defer { functions.destroyShaderModule(device.handle, module, nil) }

        let slots = (0..<bindings).map { index in
            var binding = VkDescriptorSetLayoutBinding()
            binding.binding = UInt32(index)
            binding.descriptorType = Pipeline.descriptorType(isTexels: texelBuffers.contains(index))
            binding.descriptorCount = 1
            binding.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT.rawValue
            return binding
        }
        var setInfo = VkDescriptorSetLayoutCreateInfo()
        setInfo.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO
        setInfo.bindingCount = UInt32(bindings)
        setInfo.pBindings = UnsafePointer(scratch.place(array: slots))
        var setLayout: VkDescriptorSetLayout?
        try device.check(
            functions.createSetLayout(device.handle, &setInfo, nil, &setLayout), "vkCreateDescriptorSetLayout")

        var range = VkPushConstantRange()
        range.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT.rawValue
        range.size = UInt32(pushConstantBytes)
        var layoutInfo = VkPipelineLayoutCreateInfo()
        layoutInfo.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO
        layoutInfo.setLayoutCount = 1
        layoutInfo.pSetLayouts = UnsafePointer(scratch.place(setLayout))
        layoutInfo.pushConstantRangeCount = pushConstantBytes > 0 ? 1 : 0
        layoutInfo.pPushConstantRanges = UnsafePointer(scratch.place(range))
        var layout: VkPipelineLayout?
        var result = functions.createPipelineLayout(device.handle, &layoutInfo, nil, &layout)
        guard result == VK_SUCCESS else {
            functions.destroySetLayout(device.handle, setLayout, nil)
            throw .failed(device: device.name, call: "vkCreatePipelineLayout", result: result.name)
        }

        let entries = specialisation.indices.map {
            VkSpecializationMapEntry(constantID: UInt32($0), offset: UInt32($0 * 4), size: 4)
        }
        var constants = VkSpecializationInfo()
        constants.mapEntryCount = UInt32(entries.count)
        constants.pMapEntries = UnsafePointer(scratch.place(array: entries))
        constants.dataSize = specialisation.count * 4
        constants.pData = UnsafeRawPointer(scratch.place(array: specialisation))
        var info = VkComputePipelineCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO
        info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO
        info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT
        info.stage.module = module
        info.stage.pName = scratch.place("main")
        info.stage.pSpecializationInfo = UnsafePointer(scratch.place(constants))
        if let subgroupSize {
            precondition(
                device.capabilities.hasSubgroupSizeControl
                    && device.capabilities.subgroupSizes.contains(subgroupSize), "\(name): subgroups of \(subgroupSize)"
            )
            var size = VkPipelineShaderStageRequiredSubgroupSizeCreateInfo()
            size.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO
            size.requiredSubgroupSize = UInt32(subgroupSize)
            info.stage.pNext = UnsafeRawPointer(scratch.place(size))
            info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT.rawValue
        }
        info.layout = layout
        if device.pipelineFunctions != nil {
            info.flags |=
                VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR.rawValue
                | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR.rawValue
        }
        var pipeline: VkPipeline?
        result = functions.createPipelines(device.handle, cache?.handle, 1, &info, nil, &pipeline)
        guard result == VK_SUCCESS, let pipeline else {
            functions.destroyPipelineLayout(device.handle, layout, nil)
            functions.destroySetLayout(device.handle, setLayout, nil)
            try device.check(result, "vkCreateComputePipelines(\(name))")
            throw .failed(device: device.name, call: "vkCreateComputePipelines(\(name))", result: "no pipeline")
        }
        cache?.noteCompilation()
        device.counters.add(.pipeline)
        self.name = name
        self.bindings = bindings
        self.texelBuffers = texelBuffers
        self.pushConstantBytes = pushConstantBytes
        self.device = device
        handle = pipeline
        self.layout = layout!
        self.setLayout = setLayout!
    }

    static func descriptorType(isTexels: Bool) -> VkDescriptorType {
        isTexels ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
    }

    deinit {
        device.functions.destroyPipeline(device.handle, handle, nil)
        device.functions.destroyPipelineLayout(device.handle, layout, nil)
        device.functions.destroySetLayout(device.handle, setLayout, nil)
    }
}
