import Network
import Tensor
import Testing

@testable import Weights

/// Whatever a file holds, reading it gives a model of the right shape or one clear error; never a crash.
@Suite struct DamageTests {
    let scratch = Scratch()

    private func check(_ bytes: [UInt8], _ original: Model, mayLoad: Bool, _ what: String) {
        let path = scratch("m.safetensors")
        write(bytes, path)
        do {
            let model = try Model.load(path: path)
            #expect(mayLoad, "\(what) was accepted")
            #expect(model.parameters.mapValues(\.shape) == original.parameters.mapValues(\.shape), "\(what)")
        } catch {
            #expect(error.description.hasPrefix(path + ": ") && !error.description.contains("\n"), "\(what): \(error)")
        }
    }

    private func original(entry: Bool) throws -> (Model, [UInt8]) {
        let model = randomModel(SRVGGNetCompact(features: 2, convolutions: 1, upscale: 2), seed: 1)
        if entry {
            try model.save(path: scratch("o"))
        } else {
            try writeSafetensors(scratch("o"), tensors: model.parameters)
        }
        return (model, readBytes(scratch("o")))
    }

    @Test(arguments: [true, false]) func everyTruncation(entry: Bool) throws {
        let (model, bytes) = try original(entry: entry)
        for length in 0..<bytes.count { check(Array(bytes[..<length]), model, mayLoad: false, "length \(length)") }
    }

    @Test(arguments: [true, false]) func everyByteFlipped(entry: Bool) throws {
        let (model, bytes) = try original(entry: entry)
        let dataStart = 8 + bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        var random = Philox(key: 7)
        for index in bytes.indices {
            let flip = UInt8(random.nextUniform4()[0] * 255) + 1
            var damaged = bytes
            damaged[index] ^= flip
            // With the entry's digest a changed tensor cannot pass; without it only shapes are known.
            check(damaged, model, mayLoad: index < dataStart || !entry, "byte \(index) ^ \(flip)")
        }
    }

    @Test func manyRandomChanges() throws {
        let (model, bytes) = try original(entry: true)
        var random = Philox(key: 8)
        for round in 0..<3000 {
            var damaged = bytes
            for _ in 0...Int(random.nextUniform4()[0] * 6) {
                let draw = random.nextUniform4()
                let header = draw[3] < 0.8 ? min(900, bytes.count) : bytes.count
                let index = Int(draw[0] * Float(header)) % damaged.count
                switch draw[1] {
                case ..<0.5: damaged[index] = UInt8(draw[2] * 256)
                case ..<0.75: damaged.remove(at: index)
                default: damaged.insert(UInt8(ascii: "9"), at: index)
                }
            }
            check(damaged, model, mayLoad: true, "round \(round)")
        }
    }
}
