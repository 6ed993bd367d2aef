import Tensor
import Testing

@testable import Weights

@Suite struct SafetensorsTests {
    let scratch = Scratch()

    @Test func roundTrip() throws {
        let tensors: [String: HostTensor] = [
            "b": HostTensor([2, 3], [1, -2, 3.5, 0, -0.0, 1e-30]),
            "a": HostTensor([3], [Float.greatestFiniteMagnitude, .leastNonzeroMagnitude, .pi]),
            "empty": HostTensor([0, 4], []),
            "scalar": HostTensor([], [7]),
            "naïve \"key\"\n\\": HostTensor([1], [1]),
        ]
        let path = scratch("x.safetensors")
        try writeSafetensors(path, tensors: tensors, metadata: ["k": "line\nfeed \u{1} \"q\" ü 😀", "a": ""])
        let file = try SafetensorsFile(path: path)
        #expect(file.metadata == ["k": "line\nfeed \u{1} \"q\" ü 😀", "a": ""])
        #expect(Set(file.entries.keys) == Set(tensors.keys))
        for (name, tensor) in tensors {
            let read = try file.tensor(name)
            #expect(read.shape == tensor.shape)
            #expect(read.values.map(\.bitPattern) == tensor.values.map(\.bitPattern), "\(name)")
        }
        #expect(scratch.names == ["x.safetensors"])
    }

    @Test func theFileIsTheSameEveryTimeAndAligned() throws {
        let tensors = Dictionary(uniqueKeysWithValues: (0..<20).map { ("t\($0)", HostTensor([$0], repeating: 1)) })
        try writeSafetensors(scratch("a"), tensors: tensors)
        try writeSafetensors(scratch("b"), tensors: tensors)
        let bytes = readBytes(scratch("a"))
        #expect(bytes == readBytes(scratch("b")))
        let length = bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(length % 8 == 0)
        let offsets = try SafetensorsFile(path: scratch("a")).entries
        #expect(offsets["t1"]!.range.lowerBound < offsets["t10"]!.range.lowerBound)
        #expect(offsets["t10"]!.range.lowerBound < offsets["t2"]!.range.lowerBound)
    }

    @Test func halfPrecisionRoundsToNearest() throws {
        let values: [Float] = [1, 1.0004883, 65504, 6e-8, 5.9604645e-8, -0.333, 0, -0.0, .infinity, -.infinity]
        try writeSafetensors(scratch("h"), tensors: ["x": HostTensor([values.count], values)], dtype: .fp16)
        let read = try SafetensorsFile(path: scratch("h")).tensor("x").values
        #expect(read.map(\.bitPattern) == values.map { Float(Float16($0)).bitPattern })
    }

    @Test func everyHalfIsReadRight() {
        for bits in UInt16.min...UInt16.max {
            let (ours, right) = (floatFromHalf(bits), Float(Float16(bitPattern: bits)))
            #expect(ours.isNaN && right.isNaN || ours.bitPattern == right.bitPattern, "\(bits)")
        }
    }

    @Test func tooLargeForHalf() {
        let error = weightError {
            try writeSafetensors(scratch("h"), tensors: ["big": HostTensor([1], [70000])], dtype: .fp16)
        }
        #expect(error == .outOfRange(path: scratch("h"), tensor: "big", value: 70000))
        #expect(scratch.names.isEmpty)
    }

    @Test func unwritable() {
        for path in [scratch.path, scratch("no/such/folder")] {
            guard case .unwritable(path, _) = weightError({ try writeSafetensors(path, tensors: [:]) }) else {
                Issue.record("\(path) was written")
                continue
            }
        }
        #expect(scratch.names.isEmpty)
    }

    @Test func replacesAnExistingFileAndLeavesNothingBeside() throws {
        write("old", scratch("m"))
        try writeSafetensors(scratch("m"), tensors: ["x": HostTensor([1], [5])])
        #expect(try SafetensorsFile(path: scratch("m")).tensor("x").values == [5])
        #expect(scratch.names == ["m"])
    }

    @Test func bfloat16AndDouble() throws {
        let data: [UInt8] =
            [0x80, 0x3F, 0x20, 0xC0] + withUnsafeBytes(of: (0.1 as Double, -2.5 as Double)) { Array($0) }
        write(
            safetensors(
                #"{"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"d":{"dtype":"F64","shape":[2],"data_offsets":[4,20]}}"#,
                data: data), scratch("m"))
        let file = try SafetensorsFile(path: scratch("m"))
        #expect(try file.tensor("b").values == [1, -2.5])
        #expect(try file.tensor("d").values == [0.1, -2.5])
    }

    /// A header, the data's length, and a word that the message must hold.
    static let badHeaders: [(header: String, bytes: Int, word: String)] = [
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "cut short"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 12, "after the last tensor"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,12]}}"#, 12, "needs 8 bytes"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, 8, "data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, 8, "data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[2]}}"#, 8, "data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, 8, "impossible shape"),
        (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "impossible shape"),
        (
            #"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
            "impossible shape"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[2000000000,2000000000,2000000000],"data_offsets":[0,8]}}"#, 8,
            "impossible shape"
        ),
        (#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#, 8, "9 extents"),
        (#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, 8, "F33"),
        (#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, 8, "dtype"),
        (#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, 8, "shape"),
        (#"{"a":7}"#, 0, "no object"),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            12, "overlap"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8, "overlap"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
            12, "4 bytes before tensor 'b'"
        ),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "4 bytes before"),
        (
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            8, "twice"
        ),
        (#"{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#, 4, "twice"),
        (#"{"__metadata__":{"x":1}}"#, 0, "no text"),
        (#"{"__metadata__":[]}"#, 0, "no object"),
        (#"{"__metadata__":{"x":"\ud800"}}"#, 0, "unexpected"),
        (#"{"__metadata__":{"x":"\ud800\u0041"}}"#, 0, "surrogate"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, 4, "ends too early"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}"#, 4, "unexpected"),
        (#"{"a":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}"#, 0, "nested"),
        (
            #"{"\u00e9":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"e\u0301":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            8,
            "spellings"
        ),
    ]

    @Test(arguments: badHeaders.indices) func badHeader(_ index: Int) {
        let (header, bytes, word) = Self.badHeaders[index]
        let path = scratch("bad.safetensors")
        write(safetensors(header, data: [UInt8](repeating: 0, count: bytes)), path)
        guard let error = weightError({ _ = try SafetensorsFile(path: path) }) else {
            Issue.record("accepted: \(header)")
            return
        }
        #expect(error.description.contains(word), "\(error)")
        #expect(error.description.hasPrefix(path + ": "))
        #expect(!error.description.contains("\n"))
    }

    @Test func hugeHeaderIsNotRead() {
        write(withUnsafeBytes(of: UInt64(1) << 39) { Array($0) } + Array("{}".utf8), scratch("m.safetensors"))
        guard case .corruptHeader = weightError({ _ = try Model.load(path: scratch("m.safetensors")) }) else {
            Issue.record("a header of 2^39 bytes was believed")
            return
        }
    }
}
