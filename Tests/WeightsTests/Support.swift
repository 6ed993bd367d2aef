import Glibc
import Network
import Tensor

@testable import Weights

/// A folder that goes with its owner.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/upframe-tests-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no folder for tests")
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        func remove(_ path: String) {
            if let directory = opendir(path) {
                while let entry = readdir(directory) {
                    let name = withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    }
                    if name != "." && name != ".." { remove("\(path)/\(name)") }
                }
                closedir(directory)
                rmdir(path)
            } else {
                unlink(path)
            }
        }
        remove(path)
    }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// The names in the folder.
    var names: [String] {
        var names: [String] = []
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

func write(_ bytes: [UInt8], _ path: String) {
    let file = fopen(path, "wb")!
    precondition(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    fclose(file)
}

func write(_ text: String, _ path: String) { write(Array(text.utf8), path) }

func readBytes(_ path: String) -> [UInt8] {
    let file = fopen(path, "rb")!
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    var bytes = [UInt8](repeating: 0, count: ftell(file))
    rewind(file)
    precondition(fread(&bytes, 1, bytes.count, file) == bytes.count)
    return bytes
}

/// A safetensors file with this header and these data.
func safetensors(_ header: String, data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
}

/// The tests' root in the sources.
let testsFolder = String(#filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 })

/// Random weights for an architecture.
func randomModel(_ architecture: any Architecture, seed: UInt64) -> Model {
    var generator = Philox(key: seed)
    var parameters: Parameters = [:]
    for (name, shape) in architecture.parameterShapes {
        parameters[name] = HostTensor(shape, generator.uniform(shape.count, in: -1..<1))
    }
    return Model(architecture: architecture, parameters: parameters)
}

/// The error that `body` throws, as a `WeightError`.
func weightError(_ body: () throws -> Void) -> WeightError? {
    do {
        try body()
        return nil
    } catch {
        return error as? WeightError
    }
}
