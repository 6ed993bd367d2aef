internal import ArgumentParser
internal import Network
internal import Pipeline

struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "List the devices that --device can name.")

    func run() throws {
        var rows = [["DEVICE", "WHAT"], ["cpu", try Device.cpu.open().name]]
        switch Device.vulkanDevices() {
        case .success(let devices):
            for device in devices {
                rows.append([
                    "vulkan:\(device.index)",
                    device.name + (device.isSoftware ? " (software: only when named)" : ""),
                ])
            }
        case .failure(let reason): rows.append(["vulkan", reason.description])
        }
        rows.append(["reference", "scalar definition, for checking"])
        print(table(rows))
        print(shown("auto is \(try Device.automatic.open().name)"))
    }
}
