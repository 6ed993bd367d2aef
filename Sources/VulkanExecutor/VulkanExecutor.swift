// VulkanExecutor: graphs on any device that speaks Vulkan.
//
// A `VulkanPlan` is a program of `Planning` with memory and kernels: weights packed once, one arena for all values, and per
// frame in flight a `FrameSlot` with the caller's staging memory and commands recorded once. Running a frame is a copy in, one
// submission, one wait, a copy out; nothing is allocated.
//
// The parts: `VulkanExecutor` (the device, and what is shared by plans), `KernelLibrary` (shaders to pipelines), `PlanMemory`
// (a program's steps and where everything lies), `Lowering` (a step on views to `Launch`es: which kernel, with which
// constants, on which memory), `ConvolutionKernel` (tiles and weight packing), `Passes` (the dispatches of a launch: three for
// Winograd's method), `VulkanPlan`, `SelfTest`; for steps on tensors, and for training, `Training/`. Video frames
// (`VulkanFramePlan`) are read from a `FrameRing`, where decoders write them. The kernels are in Shaders/.
//
// Convolutions multiply in one of three ways: with cooperative matrices; with vectors and shared memory; or, on software
// drivers, whose invocations are the lanes of a processor's vectors, with what is fetched from texel buffers.
//
// Numbers that do not fit into their storage are never passed on: kernels report them, and the plan runs the frame again
// in single precision, or fails. A device that computes wrong results is refused by the self-test, by name. Nothing here
// knows pictures, files or models.
public import Compute
public import Network
internal import Planning
internal import Synchronization
internal import Tensor

/// Runs graphs on a Vulkan device. Safe to share between threads.
public final class VulkanExecutor: FrameExecutor, MemoryBoundExecutor, BatchingExecutor {
    /// A device as `devices()` lists it.
    public struct DeviceDescription: Sendable, Hashable {
        /// Its number among the loader's devices: the n of `vulkan:n`.
        public let index: Int
        public let name: String
        public let driver: String
        /// "discrete", "integrated", "virtual", "software" or "other".
        public let kind: String
        /// Computes on the processor; never chosen unless named.
        public let isSoftware: Bool
        public let memoryBytes: Int
        /// Whether it multiplies half-float matrices in hardware.
        public let hasCooperativeMatrices: Bool
        /// Why it cannot be used; nil when it can.
        public let problem: String?
    }

    public let name: String
    /// How activations and weights are stored.
    public let precision: StoragePrecision
    /// Frames that a plan made by `compile` can have in flight.
    public let framesInFlight: Int

    /// Whether the driver computes on the processor.
    public var isSoftware: Bool { device.capabilities.isSoftware }

    let device: Device
    let kernels: KernelLibrary
    let tensorKernels: TensorKernelLibrary
    /// The best tile of each layer shape, as far as it was measured.
    let tiles: TileTable
    /// Bytes that one binding may span: the device's limit, or less in tests.
    let bindingLimit: Int
    /// Bytes that the activations between a network's last, enlarging layers may take before those run in strips: a
    /// strip fills every device, and what lies in memory before these layers is mostly more. Less in tests.
    let stripBytes: Int
    /// How convolutions multiply. Falls back to vectors for good when the self-test finds matrices wrong.
    var multiplication: Multiplication {
        get { chosenMultiplication.withLock { $0 } }
        set { chosenMultiplication.withLock { $0 = newValue } }
    }
    private let chosenMultiplication: Mutex<Multiplication>
    /// Which layers are summed up in half floats: none, until the self-test has found them right and faster.
    var halfSums: HalfSums {
        get { chosenHalfSums.withLock { $0 } }
        set { chosenHalfSums.withLock { $0 = newValue } }
    }
    private let chosenHalfSums = Mutex(HalfSums(use: .never))
    /// Multiply-adds of one submission at most; see Pace.swift.
    var submissionWork: Int {
        get { chosenWork.withLock { $0 } }
        set { chosenWork.withLock { $0 = newValue } }
    }
    private let chosenWork: Mutex<Int>
    /// Where verdicts of self-tests are kept.
    let cacheDirectory: String?
    /// Whether the kernels of training are still to be tested: before the first state is made.
    let trainingIsUntested = Mutex(false)

    /// Opens a device.
    ///
    /// - Parameters:
    ///   - device: its index in `devices()`; nil chooses the first discrete GPU, or else any other GPU.
    ///   - precision: of weights and activations in memory; sums are in single precision either way.
    ///   - allowSoftware: whether a software driver may be chosen when no index is given. A named one may always.
    ///   - validation: loads the validation layers; for tests.
    ///   - framesInFlight: how many frames a plan can be given before the first is waited for.
    ///   - cacheDirectory: where compiled kernels and the self-test's verdict are kept; nil keeps nothing.
    ///   - memoryLimit: bytes of the device's memory (and of memory shared with it) that all plans may take together;
    ///     what exceeds it fails as on a full device, and callers retry with smaller tiles.
    ///   - measuresTiles: whether the best tile of a layer shape is measured on first use, which takes a second or so a
    ///     network and size, instead of guessed. Where nil: when there is a cache to keep the answer in.
    /// - Throws: `ExecutionError.unavailable`, with the remedy, when there is no such device or it fails its self-test; what
    ///   else the device reports.
    public convenience init(
        device: Int? = nil, precision: StoragePrecision = .fp32, allowSoftware: Bool = false, validation: Bool = false,
        framesInFlight: Int = 2, cacheDirectory: String? = VulkanExecutor.defaultCacheDirectory,
        memoryLimit: Int = .max, measuresTiles: Bool? = nil
    ) throws {
        do {
            try self.init(
                device: device, precision: precision, allowSoftware: allowSoftware, validation: validation,
                framesInFlight: framesInFlight, cacheDirectory: cacheDirectory, bindingLimit: .max,
                memoryLimit: memoryLimit, measuresTiles: measuresTiles ?? (cacheDirectory != nil))
        } catch let error as ComputeError { throw ExecutionError(error) }
        try translatingErrors { try testKernels() }
        trainingIsUntested.withLock { $0 = true }
        submissionWork = chosenSubmissionWork()
        kernels.cache.save()
    }

    private func testKernels() throws {
        do {
            if multiplication == .matrices && !matricesPay() { multiplication = .vectors }
            try SelfTest(self, cacheDirectory: cacheDirectory).pass()
            chooseHalfSums()
        } catch ComputeError.refused where multiplication != .vectors {
            // The driver's cooperative matrices (or texel buffers) are wrong, or our use of them is: the plain kernels are
            // slower, but they may be right.
            multiplication = .vectors
            try SelfTest(self, cacheDirectory: cacheDirectory).pass()
        }
    }

    /// Without the self-tests, and with a limit lower than the device's where tests want one.
    init(
        device index: Int?, precision: StoragePrecision, allowSoftware: Bool, validation: Bool, framesInFlight: Int,
        cacheDirectory: String?, bindingLimit: Int, memoryLimit: Int = .max, measuresTiles: Bool = false,
        stripBytes: Int = 512 << 20, describesPipelines: Bool = false
    ) throws {
        precondition(framesInFlight >= 1, "a plan needs at least one frame in flight")
        let instance = try Instance(validation: validation)
        let physical = try VulkanExecutor.choose(instance.physicalDevices(), index: index, allowSoftware)
        device = try Device(physical, memoryLimit: memoryLimit, describesPipelines: describesPipelines)
        let capabilities = device.capabilities
        let plain = Multiplication.texelsFit(capabilities) ? Multiplication.texels : .vectors
        // Software drivers have matrices so that programs can be tested, not because they are fast.
        let hasMatrices = precision == .fp16 && !capabilities.isSoftware && Multiplication.matricesFit(capabilities)
        chosenMultiplication = Mutex(hasMatrices ? .matrices : plain)
        self.bindingLimit = min(
            bindingLimit, capabilities.maximumBindingBytes,
            plain == .texels ? capabilities.maximumTexels * 4 * precision.bytes : .max)
        self.stripBytes = stripBytes
        chosenWork = Mutex(capabilities.isSoftware ? Pace.softwareWork : Pace.unknownWork)
        self.precision = precision
        self.cacheDirectory = cacheDirectory
        self.framesInFlight = framesInFlight
        name = "Vulkan: \(device.name)"
        kernels = KernelLibrary(device, cacheDirectory: cacheDirectory)
        tensorKernels = TensorKernelLibrary(device, cache: kernels.cache)
        tiles = TileTable(device, directory: cacheDirectory, measures: measuresTiles)
    }

    /// Every device that some driver offers. Opens none of them.
    ///
    /// - Throws: `ExecutionError.unavailable` where there is no driver.
    public static func devices() throws -> [DeviceDescription] {
        try translatingErrors { try Instance().physicalDevices() }.map { physical in
            let capabilities = physical.capabilities
            return DeviceDescription(
                index: physical.index, name: capabilities.name,
                driver: "\(capabilities.driverName) \(capabilities.driverInfo)", kind: capabilities.kind.rawValue,
                isSoftware: capabilities.isSoftware, memoryBytes: capabilities.deviceMemoryBytes,
                hasCooperativeMatrices: Multiplication.matricesFit(capabilities), problem: problem(capabilities))
        }
    }

    public func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
        try plan(graph, parameters: parameters)
    }

    /// As `compile`, with the type that can have several frames in flight.
    public func plan(_ graph: Graph, parameters: Parameters) throws -> VulkanPlan {
        // Updates change copies of the parameters, which belong to the plan.
        if !graph.updates.isEmpty { return try plan(graph, state: makeState(parameters)) }
        try graph.check(parameters)
        let plan = try translatingErrors {
            return try VulkanPlan(self, graph, parameters, precision)
        }
        kernels.cache.save()
        tiles.save()
        return plan
    }

    public func compile(
        _ graph: Graph, parameters: Parameters, input: FrameFormat, output: FrameFormat,
        arrangement: FrameArrangement?
    ) throws -> any FramePlan {
        precondition(graph.inputs.count == 1 && graph.outputs.count == 1, "a graph from one picture to another")
        try graph.check(parameters)
        let output = FrameLayout(output)
        func plan(_ layout: FrameLayout, lends: Bool) throws -> VulkanFramePlan {
            let ring = try FrameRing(
                self, layout, copies: framesInFlight * graph.shape(graph.inputs[0]).batch, lends: lends)
            let ends = PlanEnds(input: ring, output: output)
            return VulkanFramePlan(
                try VulkanPlan(self, graph, parameters, precision, ends: ends), input: ring, output: output)
        }
        let plan = try translatingErrors {
            if let layout = arrangement.flatMap({ FrameLayout(input, $0) }) {
                // Nothing but speed is lost without.
                do { return try plan(layout, lends: true) } catch ComputeError.outOfMemory {}
            }
            return try plan(FrameLayout(input), lends: false)
        }
        kernels.cache.save()
        tiles.save()
        return plan
    }

    /// Whether convolutions run on the device's matrix units.
    public var usesCooperativeMatrices: Bool { multiplication == .matrices }

    /// How convolutions multiply, for people, as the self-test left it.
    public var multiplicationDescription: String {
        let capabilities = device.capabilities
        let chosen = multiplication.with(precision)
        switch chosen {
        case .vectors, .texels:
            let how = chosen == .texels ? "vectors fetched from texel buffers" : "vectors"
            if precision == .fp32 { return "\(how); matrices are of half floats" }
            guard Multiplication.matricesFit(capabilities) else {
                return "\(how); the driver offers no cooperative matrices that the kernels can use"
            }
            return how
                + (capabilities.isSoftware
                    ? "; a software driver's cooperative matrices are not used"
                    : matricesPay()
                        ? "; cooperative matrices failed the self-test"
                        : "; cooperative matrices are not faster here")
        case .matrices:
            let sizes = MatrixFragment.sizes(capabilities).map { "\($0.pixels)x\($0.channels)x\($0.depth)" }
            let sums =
                halfSums.use == .never ? "sums in fp32" : "sums in fp16 where a layer's weights bear it, else in fp32"
            return "cooperative matrices of \(sizes.joined(separator: " or ")), \(sums)"
        }
    }

    /// What the validation layers said; empty without validation.
    public var validationMessages: [String] { device.instance.messages }

    /// The device's memory, but for a fifth that others and the driver may hold; less where a limit was given.
    public var memoryBudget: Int { min(device.capabilities.deviceMemoryBytes / 5 * 4, device.memoryLimit) }

    public func workingBytes(_ graph: Graph) -> Int {
        let ends = (graph.inputs + graph.outputs).reduce(0) { $0 + graph.shape($1).count * 4 }
        var compiler = TensorCompiler(
            self, graph, precision, isTraining: false,
            limits: TensorLimits(device.capabilities, precision, bindingLimit: bindingLimit))
        compiler.compile()
        var between = 0
        if multiplication == .texels {
            for case .convolution(let step) in compiler.program.steps where ConvolutionKernel.allowsWinograd(step) {
                let kernel = ConvolutionKernel(step, device.capabilities, .texels)
                between = max(between, kernel.winogradScratch(rows: step.resultHeight))
            }
        }
        let arena = compiler.arranged(block: compiler.largestBlock(self)).words * 4
        return arena + between + framesInFlight * ends
    }

    /// A large GPU holds some thousand workgroups of 128 pixels at a time; a processor is filled by any picture.
    public var fillingPixels: Int { isSoftware ? 0 : 512 << 10 }

    /// What was done with the device since it was opened: buffers, pipelines, submissions, waits.
    public var activity: DeviceActivity { device.activity }

    /// Its number among the loader's devices: the n of `vulkan:n`.
    public var deviceIndex: Int { device.index }

    // MARK: Choosing

    /// What a device lacks for the kernels here.
    static func problem(_ capabilities: Capabilities) -> String? {
        if let missing = capabilities.missing { return missing }
        if capabilities.maximumStorageBuffers < KernelLibrary.bindings {
            return "\(KernelLibrary.bindings) storage buffers in one kernel"
        }
        if capabilities.maximumGroupSize < 128 { return "workgroups of 128" }
        return nil
    }

    static func choose(_ devices: [PhysicalDevice], index: Int?, _ allowSoftware: Bool) throws -> PhysicalDevice {
        if let index {
            guard devices.indices.contains(index) else {
                throw ComputeError.noSuchDevice(index: index, count: devices.count)
            }
            let chosen = devices[index]
            if let problem = problem(chosen.capabilities) {
                throw ComputeError.unsuitable(device: chosen.capabilities.name, lacks: problem)
            }
            return chosen
        }
        let order: [Capabilities.Kind] = [.discrete, .integrated, .virtual, .other, .software]
        let fit = devices.filter { problem($0.capabilities) == nil }
            .sorted {
                (order.firstIndex(of: $0.capabilities.kind)!, $0.index)
                    < (order.firstIndex(of: $1.capabilities.kind)!, $1.index)
            }
        guard let best = fit.first else {
            let first = devices[0].capabilities
            throw ComputeError.unsuitable(device: first.name, lacks: problem(first) ?? "nothing")
        }
        if best.capabilities.isSoftware && !allowSoftware {
            throw ComputeError.onlySoftware(name: best.capabilities.name, index: best.index)
        }
        return best
    }
}
