import CPUExecutor
import Network
import Reference
import Testing
import VulkanExecutor

/// An executor under test. Opened when a test needs it, once: without a Vulkan driver the tests of Vulkan fail and say so,
/// and the others run.
struct NamedExecutor: Sendable, CustomTestStringConvertible {
    let name: String
    let open: @Sendable () throws -> any Executor
    var testDescription: String { name }
}

/// Every executor that golden values are compared on, all in single precision.
let goldenExecutors: [NamedExecutor] =
    [NamedExecutor(name: "Reference") { ReferenceExecutor() }]
    + CPUExecutor.InstructionSet.supported.map { set in
        NamedExecutor(name: "CPU, \(set.rawValue)") { CPUExecutor(threads: 2, instructionSet: set) }
    }
    + [NamedExecutor(name: "Vulkan") { try vulkan.get() }]

/// The GPU if there is one, else the software driver.
private let vulkan = Result { try VulkanExecutor(precision: .fp32, allowSoftware: true) }
