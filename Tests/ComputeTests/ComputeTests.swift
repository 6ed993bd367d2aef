import FoundationEssentials
import Testing

@testable import Compute

/// A kernel for these tests:
///
///     #version 450
///     layout(local_size_x = 64) in;
///     layout(constant_id = 0) const uint ADDEND = 0;
///     layout(binding = 0) readonly buffer A { uint a[]; };
///     layout(binding = 1) writeonly buffer B { uint b[]; };
///     layout(push_constant) uniform Push { uint count; };
///     void main() {
///         uint i = gl_GlobalInvocationID.x;
///         if (i < count) b[i] = a[i] * 2 + ADDEND;
///     }
private let doubling: [UInt32] = {
    let code = """
        AwIjBwAFAQALAAgAMgAAAAAAAAARAAIAAQAAAAsABgABAAAAR0xTTC5zdGQuNDUwAAAAAA4AAwAAAAAAAQAAAA8ACQAFAAAABAAAAG1haW4AAAAA\
        CwAAABMAAAAgAAAAJQAAABAABgAEAAAAEQAAAEAAAAABAAAAAQAAAEcABAALAAAACwAAABwAAABIAAUAEQAAAAAAAAAjAAAAAAAAAEcAAwARAAAA\
        AgAAAEcABAAdAAAABgAAAAQAAABIAAQAHgAAAAAAAAAZAAAASAAFAB4AAAAAAAAAIwAAAAAAAABHAAMAHgAAAAIAAABHAAQAIAAAACIAAAAAAAAA\
        RwAEACAAAAAhAAAAAQAAAEcABAAiAAAABgAAAAQAAABIAAQAIwAAAAAAAAAYAAAASAAFACMAAAAAAAAAIwAAAAAAAABHAAMAIwAAAAIAAABHAAQA\
        JQAAACIAAAAAAAAARwAEACUAAAAhAAAAAAAAAEcABAAsAAAAAQAAAAAAAABHAAQAMQAAAAsAAAAZAAAAEwACAAIAAAAhAAMAAwAAAAIAAAAVAAQA\
        BgAAACAAAAAAAAAAFwAEAAkAAAAGAAAAAwAAACAABAAKAAAAAQAAAAkAAAA7AAQACgAAAAsAAAABAAAAKwAEAAYAAAAMAAAAAAAAACAABAANAAAA\
        AQAAAAYAAAAeAAMAEQAAAAYAAAAgAAQAEgAAAAkAAAARAAAAOwAEABIAAAATAAAACQAAABUABAAUAAAAIAAAAAEAAAArAAQAFAAAABUAAAAAAAAA\
        IAAEABYAAAAJAAAABgAAABQAAgAZAAAAHQADAB0AAAAGAAAAHgADAB4AAAAdAAAAIAAEAB8AAAAMAAAAHgAAADsABAAfAAAAIAAAAAwAAAAdAAMA\
        IgAAAAYAAAAeAAMAIwAAACIAAAAgAAQAJAAAAAwAAAAjAAAAOwAEACQAAAAlAAAADAAAACAABAAnAAAADAAAAAYAAAArAAQABgAAACoAAAACAAAA\
        MgAEAAYAAAAsAAAAAAAAACsABAAGAAAALwAAAEAAAAArAAQABgAAADAAAAABAAAALAAGAAkAAAAxAAAALwAAADAAAAAwAAAANgAFAAIAAAAEAAAA\
        AAAAAAMAAAD4AAIABQAAAEEABQANAAAADgAAAAsAAAAMAAAAPQAEAAYAAAAPAAAADgAAAEEABQAWAAAAFwAAABMAAAAVAAAAPQAEAAYAAAAYAAAA\
        FwAAALAABQAZAAAAGgAAAA8AAAAYAAAA9wADABwAAAAAAAAA+gAEABoAAAAbAAAAHAAAAPgAAgAbAAAAQQAGACcAAAAoAAAAJQAAABUAAAAPAAAA\
        PQAEAAYAAAApAAAAKAAAAIQABQAGAAAAKwAAACkAAAAqAAAAgAAFAAYAAAAtAAAAKwAAACwAAABBAAYAJwAAAC4AAAAgAAAAFQAAAA8AAAA+AAMA\
        LgAAAC0AAAD5AAIAHAAAAPgAAgAcAAAA/QABADgAAQA=
        """
    let bytes = [UInt8](Data(base64Encoded: code)!)
    return stride(from: 0, to: bytes.count, by: 4).map { at in
        (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }
}()

/// An instance with validation, and the first device: llvmpipe where there is no GPU. Without a driver or the layers
/// every test here fails with the package to install.
private func validated() throws -> Device {
    let instance = try Instance(validation: true)
    return try Device(instance.physicalDevices()[0])
}

private func pipeline(_ device: Device, adding addend: UInt32, cache: PipelineCache? = nil) throws -> Pipeline {
    try Pipeline(
        device, name: "doubling", code: doubling, bindings: 2, pushConstantBytes: 4, specialisation: [addend],
        cache: cache)
}

@Suite struct ComputeTests {
    /// Host to device, two dependent dispatches, a copy back; nothing for the validation layers to say.
    @Test func dependentDispatches() throws {
        let device = try validated()
        let count = 1000
        let bytes = count * 4
        let staging = try HostBuffer(device, bytes: bytes, use: .upload)
        let (a, b) = (try DeviceBuffer(device, bytes: bytes), try DeviceBuffer(device, bytes: bytes))
        let result = try HostBuffer(device, bytes: bytes, use: .readback)
        let kernel = try pipeline(device, adding: 5)

        let recorder = try CommandRecorder(device, dispatches: 2, storageBuffers: 4)
        recorder.copy(staging.slice(), to: a.slice())
        try recorder.dispatch(
            kernel, [.reading(a.slice()), .writing(b.slice())], pushConstants: [UInt32(count)], groups: (16, 1, 1))
        try recorder.dispatch(
            kernel, [.reading(b.slice()), .writing(a.slice())], pushConstants: [UInt32(count)], groups: (16, 1, 1))
        recorder.copy(a.slice(), to: result.slice())
        let list = try recorder.finish()
        #expect(list.barriers == 3)
        // More than once: a list can be submitted again.
        for run in 0..<3 {
            try staging.write { bytes in
                for i in 0..<count { bytes.storeBytes(of: UInt32(i + run), toByteOffset: i * 4, as: UInt32.self) }
            }
            try list.run()
            let values = try result.read { bytes in
                (0..<count).map { bytes.load(fromByteOffset: $0 * 4, as: UInt32.self) }
            }
            #expect(values == (0..<count).map { UInt32(($0 + run) * 4 + 15) })
        }
        #expect(device.instance.messages == [])
    }

    /// Independent dispatches run side by side, and one barrier serves them all.
    @Test func barriersOnlyWhereNeeded() throws {
        let device = try validated()
        let buffer = try DeviceBuffer(device, bytes: 4096)
        let kernel = try pipeline(device, adding: 1)
        func slice(_ index: Int) -> BufferSlice { buffer.slice(offset: index * 256, bytes: 256) }
        let recorder = try CommandRecorder(device, dispatches: 5, storageBuffers: 10)
        func dispatch(_ from: Int, _ to: Int) throws {
            try recorder.dispatch(
                kernel, [.reading(slice(from)), .writing(slice(to))], pushConstants: [64], groups: (1, 1, 1))
        }
        try dispatch(0, 1)
        try dispatch(0, 2)
        #expect(recorder.barriers == 0, "both read slice 0 and write different ones")
        try dispatch(2, 3)
        #expect(recorder.barriers == 1, "slice 2 was written")
        try dispatch(1, 4)
        #expect(recorder.barriers == 1, "the same barrier covers slice 1")
        try dispatch(5, 2)
        #expect(recorder.barriers == 2, "slice 2 was read")
        try recorder.finish().run()
        #expect(device.instance.messages == [])
    }

    /// The other tests rely on the layers to see a missing barrier: here one is missing.
    @Test func synchronisationChecksAreOn() throws {
        let device = try validated()
        let buffer = try DeviceBuffer(device, bytes: 1024)
        let kernel = try pipeline(device, adding: 2)
        let recorder = try CommandRecorder(device, dispatches: 2, storageBuffers: 4)
        // The second binding of the first dispatch is written, whatever is said here.
        try recorder.dispatch(
            kernel, [.reading(buffer.slice(bytes: 256)), .reading(buffer.slice(offset: 512, bytes: 256))],
            pushConstants: [64], groups: (1, 1, 1))
        try recorder.dispatch(
            kernel, [.reading(buffer.slice(offset: 512, bytes: 256)), .writing(buffer.slice(offset: 256, bytes: 256))],
            pushConstants: [64], groups: (1, 1, 1))
        #expect(recorder.barriers == 0)
        _ = try recorder.finish()
        #expect(device.instance.messages.contains { $0.contains("SYNC-HAZARD") })
    }

    @Test func capabilitiesMakeSense() throws {
        let device = try validated()
        let capabilities = device.capabilities
        #expect(!capabilities.name.isEmpty && !capabilities.driverName.isEmpty)
        #expect(capabilities.identity.count > 40)
        #expect(capabilities.missing == nil)
        #expect(capabilities.sharedMemoryBytes >= 16384 && capabilities.maximumGroupSize >= 128)
        #expect(capabilities.maximumBindingBytes >= 1 << 27 && capabilities.bindingAlignment <= 256)
        #expect(capabilities.deviceMemoryBytes > 1 << 28)
        #expect(capabilities.isSoftware == capabilities.quirks.contains(.slow))
        #expect(!capabilities.isSoftware || capabilities.cooperativeMatrices.isEmpty)
    }

    /// The cache is read again by the next process, and a damaged or foreign file does no harm.
    @Test func pipelineCacheOnDisk() throws {
        let device = try validated()
        let directory = FileManager.default.temporaryDirectory.appending(path: "upframe-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        func compile() throws {
            let cache = PipelineCache(device, directory: directory)
            _ = try pipeline(device, adding: 77, cache: cache)
            cache.save()
        }
        try compile()
        let files = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(files == ["pipelines-\(device.capabilities.identity).bin"])
        let path = "\(directory)/\(files[0])"
        let whole = try Data(contentsOf: URL(filePath: path))
        #expect(PipelineCache.opened(whole) != nil)

        var flipped = whole
        flipped[flipped.count / 2] ^= 0x40
        for damaged in [flipped, whole.prefix(whole.count / 2), Data(), Data("not a cache at all".utf8)] {
            #expect(PipelineCache.opened(damaged) == nil)
            try damaged.write(to: URL(filePath: path))
            try compile()
            #expect(PipelineCache.opened(try Data(contentsOf: URL(filePath: path))) != nil, "written anew")
        }
        try compile()
        // A folder that cannot be made: slower, but no failure.
        let cache = PipelineCache(device, directory: "/proc/nowhere")
        _ = try pipeline(device, adding: 78, cache: cache)
        cache.save()
        #expect(device.instance.messages == [])
    }

    /// Kernels that depend on the size of a subgroup can ask for one.
    @Test func subgroupSizeCanBeAskedFor() throws {
        let device = try validated()
        let capabilities = device.capabilities
        #expect(capabilities.subgroupSizes.contains(capabilities.subgroupSize))
        if capabilities.hasSubgroupSizeControl {
            _ = try Pipeline(
                device, name: "doubling", code: doubling, bindings: 2, pushConstantBytes: 4,
                subgroupSize: capabilities.subgroupSize)
        }
        #expect(device.instance.messages == [])
    }

    @Test func errorsNameTheRemedy() throws {
        #expect("\(ComputeError.noLoader)".contains("mesa-vulkan-drivers"))
        #expect(Loader(library: "libnothing-of-the-kind.so.9") == nil)
        let device = try validated()
        #expect { try DeviceBuffer(device, bytes: 1 << 50) } throws: { error in
            guard case .outOfMemory(_, 1 << 50) = error as? ComputeError else { return false }
            return "\(error)".contains("smaller tiles")
        }
        let lost = ComputeError.deviceLost(device: "X")
        #expect("\(lost)".contains("another device"))
    }

    /// Work of several threads on one device: submissions are ordered, results are each thread's own.
    @Test func threadsShareADevice() async throws {
        let device = try validated()
        let kernel = try pipeline(device, adding: 3)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for task in 0..<4 {
                group.addTask {
                    let memory = try HostBuffer(device, bytes: 512, use: .readback)
                    try memory.write { $0.storeBytes(of: UInt32(task), as: UInt32.self) }
                    let recorder = try CommandRecorder(device, dispatches: 1, storageBuffers: 2)
                    try recorder.dispatch(
                        kernel, [.reading(memory.slice(bytes: 4)), .writing(memory.slice(offset: 256, bytes: 4))],
                        pushConstants: [1], groups: (1, 1, 1))
                    let list = try recorder.finish()
                    for _ in 0..<10 { try list.run() }
                    return try memory.read { $0.load(fromByteOffset: 256, as: UInt32.self) } == UInt32(task * 2 + 3)
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
        #expect(device.instance.messages == [])
    }
}
