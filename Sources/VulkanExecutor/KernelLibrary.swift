internal import Compute
internal import Network
internal import Synchronization

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Which kernel, with which constants.
struct Kernel: Hashable, Sendable {
    /// Its name in Shaders/Variants.txt, without the precision.
    var shader: String
    var precision: StoragePrecision
    /// The subgroup size that it was laid out for; nil when it does not matter.
    var subgroupSize: Int?
    /// Specialisation constants; the index is the constant's id (see Shaders/).
    var constants: [UInt32]
}

/// Pipelines by kernel, made on first use and kept. Safe to share between threads.
final class KernelLibrary: Sendable {
    /// Storage buffers of every kernel: source, target, two operands, weights, constants, status.
    static let bindings = 7
    static let pushConstantWords = 23
    /// The bindings of a shader that are texel buffers: all that the kernels for software drivers read.
    static func texelBuffers(_ shader: String) -> Set<Int> { shader.hasSuffix(".texels") ? [0, 2, 3, 4, 5] : [] }

    let cache: PipelineCache
    private let device: Device
    private let pipelines = Mutex<[Kernel: Pipeline]>([:])

    init(_ device: Device, cacheDirectory: String?) {
        self.device = device
        cache = PipelineCache(device, directory: cacheDirectory)
    }

    func pipeline(_ kernel: Kernel) throws -> Pipeline {
        try pipelines.withLock { pipelines in
            if let pipeline = pipelines[kernel] { return pipeline }
            let name = "\(kernel.shader).\(kernel.precision.rawValue)"
            guard let code = KernelLibrary.code(name) else { preconditionFailure("there is no kernel \(name)") }
            let pipeline = try Pipeline(
                device, name: name, code: code, bindings: KernelLibrary.bindings,
                pushConstantBytes: KernelLibrary.pushConstantWords * 4, specialisation: kernel.constants,
                subgroupSize: kernel.subgroupSize, cache: cache,
                texelBuffers: KernelLibrary.texelBuffers(kernel.shader))
            pipelines[kernel] = pipeline
            return pipeline
        }
    }

    /// The SPIR-V of a kernel; nil when it was not compiled.
    static func code(_ name: String) -> [UInt32]? {
        guard let entry = EmbeddedShaders.table.first(where: { "\($0.name)" == name }),
            let data = Data(base64Encoded: "\(entry.code)")
        else { return nil }
        return stride(from: 0, to: data.count - 3, by: 4).map { at in
            (0..<4).reduce(0) { $0 | UInt32(data[data.startIndex + at + $1]) << UInt32(8 * $1) }
        }
    }

    /// Changes whenever a kernel does (FNV-1a over all of them).
    static let fingerprint: String = {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for entry in EmbeddedShaders.table {
            for text in [entry.name, entry.code] {
                text.withUTF8Buffer { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
            }
        }
        return String(hash, radix: 16)
    }()
}
