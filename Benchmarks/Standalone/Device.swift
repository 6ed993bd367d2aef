import Measure
import Network
import VulkanExecutor

/// The object that `device --json` prints.
struct DeviceReport: Codable {
    var name: String
    var driver: String?
    var kind: String?
    var memoryBytes: Int?
    var precision: String?
    /// Method by which convolutions multiply.
    var multiplication: String?
    /// The self-test's seconds, with those that opening the device takes.
    var seconds: Double
}

/// Opens the device, which tests its kernels first, and says what it is.
func runDevice(_ options: CommandLineOptions) throws {
    let start = secondsNow()
    let executor = try options.openExecutor()
    var report = DeviceReport(name: executor.name, seconds: secondsNow() - start)
    if let executor = executor as? VulkanExecutor {
        let index = try options.vulkanIndex()
        let device = try VulkanExecutor.devices().first {
            index == nil ? executor.name == "Vulkan: \($0.name)" : $0.index == index
        }
        (report.driver, report.kind, report.memoryBytes) = (device?.driver, device?.kind, device?.memoryBytes)
        report.precision = executor.precision.rawValue
        report.multiplication = executor.multiplicationDescription
    }
    if options.json { return print(try jsonText(report)) }
    print(report.name)
    for case let (label, text?) in [
        ("driver", report.driver), ("kind", report.kind), ("precision", report.precision),
        ("multiplies with", report.multiplication),
    ] { print("\(label): \(text)") }
    print("opened and tested in \(fixed(report.seconds, 2)) s")
}
