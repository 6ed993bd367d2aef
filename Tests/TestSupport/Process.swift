public import Foundation

/// What a process left behind.
public struct ProcessResult: Sendable {
    public var status: Int32
    public var stdout: Data
    public var stderr: Data

    public var output: String { String(decoding: stdout, as: UTF8.self) }
    public var errors: String { String(decoding: stderr, as: UTF8.self) }
}

/// A tool that a test needs is not installed, or failed.
public struct ProcessFailure: Error, CustomStringConvertible {
    public var description: String
}

/// Which Debian package brings a tool, for the message when it is missing.
private let packages = [
    "ffmpeg": "ffmpeg", "ffprobe": "ffmpeg", "python3": "python3", "glslangValidator": "glslang-tools",
]

/// Runs a tool of the PATH (or of an absolute path) to its end and gives what it printed. Throws where the tool is not
/// there, naming what to install; a non-zero status is the caller's to judge.
public func run(_ tool: String, _ arguments: [String], input: Data? = nil) throws -> ProcessResult {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try locate(tool))
    process.arguments = arguments
    let out = Pipe()
    let err = Pipe()
    process.standardOutput = out
    process.standardError = err
    let feed = input.map { _ in Pipe() }
    process.standardInput = feed ?? FileHandle.nullDevice
    try process.run()
    // All three at once: a pipe that nobody empties stops the process.
    let group = DispatchGroup()
    let errors = Collected()
    DispatchQueue.global().async(group: group) { errors.data = err.fileHandleForReading.readDataToEndOfFile() }
    if let feed, let input {
        let handle = feed.fileHandleForWriting
        DispatchQueue.global().async(group: group) {
            try? handle.write(contentsOf: input)
            try? handle.close()
        }
    }
    let output = out.fileHandleForReading.readDataToEndOfFile()
    group.wait()
    process.waitUntilExit()
    return ProcessResult(status: process.terminationStatus, stdout: output, stderr: errors.data)
}

/// Like `run`, and a non-zero status throws with what the tool said.
@discardableResult
public func runChecked(_ tool: String, _ arguments: [String], input: Data? = nil) throws -> ProcessResult {
    let result = try run(tool, arguments, input: input)
    guard result.status == 0 else {
        throw ProcessFailure(
            description: "\(tool) \(arguments.joined(separator: " ")) ended with \(result.status): "
                + result.errors.suffix(600))
    }
    return result
}

private final class Collected: @unchecked Sendable {
    /// Written by one queue, read after the group has been waited for.
    var data = Data()
}

private func locate(_ tool: String) throws -> String {
    if tool.contains("/") {
        guard FileManager.default.isExecutableFile(atPath: tool) else {
            throw ProcessFailure(description: "\(tool) is not there or not executable")
        }
        return tool
    }
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
    for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(tool)") {
        return "\(folder)/\(tool)"
    }
    throw ProcessFailure(
        description: "this test needs the command \(tool): install the package \(packages[tool] ?? tool)")
}

/// A folder for one test, removed when the value goes.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws {
        path = FileManager.default.temporaryDirectory.path + "/upframe-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    public func file(_ name: String) -> String { path + "/" + name }

    /// The names of everything inside, hidden files too, sorted.
    public var contents: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }
}
