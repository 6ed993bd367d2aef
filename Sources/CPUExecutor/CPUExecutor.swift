// CPUExecutor: graphs on the processor's cores, for machines without a GPU and for everything that must be checked.
//
// A plan is a list of steps, each cut into blocks that any thread can do; every thread has its own part of the picture in
// all steps, helps where others are late, and waits only for those blocks of the step before that a block needs (`BlockNeeds`).
// All values lie in one arena as fp32, in the layouts that `Planning` chose. A convolution on views is done by one of a few
// kernels, chosen when the plan is compiled: Winograd for 3x3, with tiles of 6x6 or 4x4 (`WinogradChoice`), a matrix product
// of gathered pixels for the rest. Bias, activations, residuals, nearest upsampling and pixel shuffle are part of the
// convolution's own reading and writing.
//
// Steps on tensors are in `Tensors/`. Pointwise operations that only feed each other are one step, computed block by block in
// the first-level cache (`Expressions`). Convolutions and their adjoints are matrix products by OpenBLAS over gathered rows
// (`TensorConvolutions`), or Winograd's method where that fits (`TensorWinograd`). What only moves elements is one strided
// copy (`TensorMoves`), what is linear along rows and columns one table of weighted sums. Parameters that change lie in a
// `CPUState`, which several plans may share and which a plan's updates change in place at the end of a run.
//
// The parts: `CPUExecutor` (threads and instruction set), `CPUPlan` (memory and running), `PlanCompiler` (steps to kernel
// jobs), `ViewSteps` (what steps on views have in common), `ConvolutionCompiler` (choice and packing of convolutions). The
// inner loops are C, in `CKernels`, compiled for several instruction sets; no C type leaves this module.
//
// It allocates nothing while running, reads no files, knows no models, and computes in fp32 only.
internal import CKernels
public import Network
internal import Planning
internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Runs graphs on the processor.
///
/// Sharing one executor is right: its threads run one plan at a time, so two plans that run at once take turns.
public final class CPUExecutor: Executor {
    /// What the inner loops are compiled for.
    public enum InstructionSet: String, Sendable, CaseIterable {
        /// Vectors of four floats, on any processor.
        case portable
        case avx2 = "AVX2"
        case avx512 = "AVX-512"

        /// Whether this machine has it.
        public var isSupported: Bool { ck_supports(code) }
        /// The sets that this machine has, the fastest last.
        public static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

        var code: ck_isa {
            switch self {
            case .portable: CK_PORTABLE
            case .avx2: CK_AVX2
            case .avx512: CK_AVX512
            }
        }
    }

    public let instructionSet: InstructionSet
    /// Threads that work on a step, the caller's included.
    public let threads: Int
    let pool: ThreadPool
    private let options: ConvolutionOptions

    public var name: String { "CPU (\(instructionSet.rawValue), \(threads) \(threads == 1 ? "thread" : "threads"))" }

    /// - Parameters:
    ///   - threads: how many threads work, the caller's included; as many as there are cores when nil.
    ///   - instructionSet: the fastest that the machine has when nil.
    /// - Precondition: `threads` is at least 1 and the machine has the instruction set.
    public convenience init(threads: Int? = nil, instructionSet: InstructionSet? = nil) {
        self.init(threads: threads, instructionSet: instructionSet, options: ConvolutionOptions())
    }

    init(threads: Int?, instructionSet: InstructionSet?, options: ConvolutionOptions) {
        let set = instructionSet ?? InstructionSet.supported.last!
        precondition(set.isSupported, "this machine has no \(set.rawValue)")
        let count = threads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        precondition(count >= 1, "an executor needs at least one thread, not \(count)")
        self.instructionSet = set
        self.pool = ThreadPool(threads: count)
        self.threads = pool.threads
        self.options = options
    }

    public func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
        try compilePlan(graph, parameters: parameters)
    }

    /// The plan that `compile` makes, with the type that can be asked for its timings.
    public func compilePlan(_ graph: Graph, parameters: Parameters) throws -> CPUPlan {
        // Updates change copies of the parameters, which belong to the plan.
        if !graph.updates.isEmpty { return try compilePlan(graph, state: makeState(parameters)) }
        try graph.check(parameters)
        return try compile(graph, parameters, state: nil)
    }

    func compile(_ graph: Graph, _ parameters: Parameters, state: CPUState?) throws -> CPUPlan {
        try pool.check(device: name)
        var planning = PlanningOptions()
        planning.parametersChange = state != nil
        let memory = PlanMemory(device: name)
        var compiler = PlanCompiler(
            program: Planner.plan(graph, options: planning), parameters: parameters, state: state, memory: memory,
            kernels: ck_kernels_for(instructionSet.code),
            tensorKernels: ct_kernels_for(Int32(instructionSet.code.rawValue)), threads: threads, options: options)
        return try CPUPlan(graph, compiler.compile(), state: state, pool: pool, memory: memory)
    }
}

/// The executor's threads.
final class ThreadPool: @unchecked Sendable {
    // Unchecked: the pool's own locks guard it.
    /// Nil where there was no memory for one; `check` says so before anything is run.
    private let pool: OpaquePointer?
    let threads: Int

    /// As many of `threads` threads as the system grants.
    init(threads: Int) {
        var count = threads
        var pool = ck_pool_create(Int32(count))
        while pool == nil && count > 1 {
            count -= 1
            pool = ck_pool_create(Int32(count))
        }
        self.pool = pool
        self.threads = count
    }

    deinit { if pool != nil { ck_pool_destroy(pool) } }

    /// - Throws: `ExecutionError.outOfMemory` where the pool could not be made.
    func check(device: String) throws(ExecutionError) {
        if pool == nil { throw .outOfMemory(device: device, bytes: 1 << 20) }
    }

    /// Keeps other plans out while `body` runs its steps.
    func exclusively<R>(_ body: () throws -> R) rethrows -> R {
        ck_pool_lock(pool)
        defer { ck_pool_unlock(pool) }
        return try BLASThreads.shared.withOne(body)
    }

    /// Bytes that a run of `steps` needs for its own state, aligned to 64.
    func stateBytes(_ steps: UnsafeBufferPointer<ck_step>) -> Int {
        Int(ck_pool_state_bytes(pool, steps.baseAddress, Int64(steps.count)))
    }

    func run(
        _ steps: UnsafeBufferPointer<ck_step>, scratch: UnsafePointer<UnsafeMutableRawPointer?>,
        state: UnsafeMutableRawPointer, seconds: UnsafeMutablePointer<Double>? = nil
    ) {
        guard let base = steps.baseAddress else { return }
        ck_pool_run(pool, base, Int64(steps.count), scratch, state, seconds)
    }
}
