import Foundation
import Network
import Tensor
import TestSupport
import Weights

/// The built command, run as a user runs it.
enum Command {
    /// Beside the test runner, where the build puts it.
    static let path: String = {
        // …/release/upframePackageTests.xctest
        let runner = Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: runner).deletingLastPathComponent().path + "/upframe"
    }()

    static func run(_ arguments: String...) throws -> ProcessResult { try TestSupport.run(path, arguments) }
    static func run(_ arguments: [String]) throws -> ProcessResult { try TestSupport.run(path, arguments) }
}

/// The command while it runs with `--progress json`, and the events that it has told so far.
final class RunningCommand {
    let process = Process()
    private let errors = Pipe()
    private var told = Data()

    /// Starts it; "--progress json" is added.
    init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: Command.path)
        process.arguments = arguments + ["--progress", "json"]
        process.standardError = errors
        try process.run()
    }

    deinit { if process.isRunning { process.terminate() } }

    /// Waits for an event that is as wanted.
    ///
    /// - Returns: false when the command ended without one.
    func wait(for isWanted: ([String: Any]) -> Bool) -> Bool {
        while true {
            // A line that is not whole yet is looked at again with the next bytes.
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            lines.removeLast()
            let events = lines.compactMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
            if events.contains(where: isWanted) { return true }
            let more = errors.fileHandleForReading.availableData
            if more.isEmpty { return false }
            told += more
        }
    }

    /// Interrupts it as Ctrl-C does, and waits for its end.
    func interrupt() {
        process.interrupt()
        told += errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
    }

    /// All that it said on standard error.
    var text: String { String(decoding: told, as: UTF8.self) }
}

/// The package's folder, for the sample clip.
let packageFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

let sampleClip = packageFolder + "/samples/bunny.mp4"

/// A new folder that is removed with its owner.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "upframe-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    /// Everything in it, hidden files included.
    var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }

    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: self(name), atomically: true, encoding: .utf8)
        return self(name)
    }
}

/// A tiny random model as a weight file, so that a test of the command is quick.
func tinyModel(_ folder: Folder, scale: Int = 2) throws -> String {
    let path = folder("tiny-x\(scale).safetensors")
    let architecture = SRVGGNetCompact(features: 8, convolutions: 1, upscale: scale)
    let graph = architecture.graph(.nhwc(1, 4, 4, 3))
    try Model(architecture: architecture, parameters: randomParameters(graph, seed: 3)).save(path: path)
    return path
}
