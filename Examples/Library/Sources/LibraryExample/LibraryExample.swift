import Foundation
import Upframe

/// Upscales an image, and meets what can go wrong: each failure is caught, and the program goes on.
///
/// `LibraryExample FOLDER [vanish]`: works in the folder. With `vanish` it makes a file of that name there once the GPU has
/// computed an image, for the Vulkan layer of `Scripts/try-library`, which then reports the loss of the device.
@main
struct LibraryExample {
    static func main() async throws {
        let folder = URL(filePath: CommandLine.arguments[1])
        let model = try await UpscalingModel.load("realtime-x2")
        let image = try RGBImage(
            width: 48, height: 32, bytes: (0..<48 * 32 * 3).map { UInt8(truncatingIfNeeded: $0 * 7) })

        let upscaler = try await ImageUpscaler(model, on: .cpu())
        let larger = try await upscaler.upscale(image)
        print("an image: \(image.width)x\(image.height) to \(larger.width)x\(larger.height)")

        let broken = folder.appending(path: "broken.safetensors")
        try Data("not a model at all".utf8).write(to: broken)
        do {
            _ = try await UpscalingModel.load(broken.path)
        } catch {
            print("a broken model: \(error.kind): \(error)")
        }

        do {
            _ = try await ImageUpscaler(model, on: .vulkan(99))
        } catch {
            print("an absent device: \(error.kind): \(error)")
        }

        if CommandLine.arguments.last == "vanish" {
            let onGPU = try await ImageUpscaler(model, on: .vulkan(0))
            let first = try await onGPU.upscale(image)
            print("on \(onGPU.deviceName): \(first.width)x\(first.height)")
            try Data().write(to: folder.appending(path: "vanish"))
            do {
                _ = try await onGPU.upscale(image)
                print("the device did not vanish")
            } catch {
                print("a vanished device: \(error.kind): \(error)")
            }
        }

        print("and again: \(try await upscaler.upscale(image) == larger ? "the same image" : "another image")")
    }
}
