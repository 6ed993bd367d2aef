internal import FoundationEssentials
internal import Network
internal import Tensor
internal import Training
internal import Weights

/// All of a run that changes, as one safetensors file: networks, averages, moments and buffers as tensors under the names of
/// the trainer's state, and beside them what is counted. A function of the steps taken and of nothing else: no times, no
/// names of machines.
struct Checkpoint {
    /// The counts, under this key of the file's metadata.
    private static let key = "upframe-checkpoint"

    /// What is no tensor.
    struct Counts: Codable, Equatable {
        var format = 1
        var generator: String
        var discriminator: String?
        var trainer: Trainer.Progress
        var monitor: BalanceMonitor
        var best: Double?
        var bestStep: Int?
    }

    var counts: Counts
    var tensors: Parameters

    /// Written beside its target and renamed: a full disk leaves the last one as it is.
    /// - Throws: `WeightError.unwritable`.
    func write(path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(counts), as: UTF8.self)
        try writeSafetensors(path, tensors: tensors, metadata: [Self.key: text])
    }

    /// - Throws: `WeightError`, `TrainingRunError.noCheckpoint`.
    init(path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { throw TrainingRunError.noCheckpoint(path: path) }
        let file = try SafetensorsFile(path: path)
        guard let text = file.metadata[Self.key],
            let counts = try? JSONDecoder().decode(Counts.self, from: Data(text.utf8)), counts.format == 1,
            Self.isCountable(text), min(counts.trainer.step, counts.trainer.failures) >= 0,
            min(counts.trainer.generatorSteps, counts.trainer.discriminatorSteps) >= 0
        else { throw TrainingRunError.notACheckpoint(path: path) }
        self.counts = counts
        tensors = [:]
        for name in file.entries.keys { tensors[name] = try file.tensor(name) }
    }

    /// Whether every whole number has at most 15 digits, and so can be counted on from.
    private static func isCountable(_ text: String) -> Bool {
        text.utf8.split { !"0123456789.eE".utf8.contains($0) }.allSatisfy { number in
            number.count <= 15 || number.contains { ".eE".utf8.contains($0) }
        }
    }

    init(counts: Counts, tensors: Parameters) { (self.counts, self.tensors) = (counts, tensors) }
}

/// What a network is, for comparisons and messages: its name and hyperparameters.
func description(of network: any Encodable, name: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let data = try? encoder.encode(network) else { preconditionFailure("\(name) cannot be encoded") }
    return name + " " + String(decoding: data, as: UTF8.self)
}
