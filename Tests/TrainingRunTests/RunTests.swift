import CPUExecutor
import Foundation
import Media
import Network
import RunRecords
import Tensor
import TestSupport
import Testing
import Training
import Weights

@testable import Compute
@testable import TrainingRun
@testable import VulkanExecutor

@Suite struct RunTests {
    /// Pictures with edges and texture, as PNG files.
    static func makePictures(_ folder: TemporaryFolder, count: Int = 3, side: Int = 96) throws {
        for index in 0..<count {
            var random = Philox(key: UInt64(index))
            let noise = random.uniform(side * side * 3)
            var picture = [Float](repeating: 0, count: side * side * 3)
            for y in 0..<side {
                for x in 0..<side {
                    for c in 0..<3 {
                        let wave = sin(Float(x * (index + 2)) / Float(7 + c)) * cos(Float(y) / Float(4 + index))
                        let place = (y * side + x) * 3 + c
                        picture[place] = 0.5 + 0.4 * (wave > 0 ? 1 : -1) * abs(wave).squareRoot() + 0.05 * noise[place]
                    }
                }
            }
            let png = try PictureCodec.encode(picture, width: side, height: side, as: .png)
            try Data(png).write(to: URL(fileURLWithPath: folder.file("picture\(index).png")))
        }
    }

    private func recipe(_ folder: TemporaryFolder, _ more: String = "", _ overrides: String...) throws -> Recipe {
        try Recipe(
            yaml: """
                name: trial
                steps: 12
                generator: {architecture: RealtimeSR, features: 8, convolutions: 1}
                data:
                  train: [{pictures: [\(folder.path)]}]
                  validation: [{pictures: [\(folder.path)]}]
                  crop: 32
                  batch: 2
                  threads: 2
                optimizer: {rate: 1e-3, average: 0.9}
                validation: {every: 4, pictures: 2, side: 48}
                checkpoint: {every: 5, logEvery: 2}

                """ + more, path: "recipe.yaml", overrides: overrides)
    }

    private let executor = CPUExecutor(threads: 2)

    @Test func aRunLeavesWhatItPromises() throws {
        let (pictures, out) = (try TemporaryFolder(), try TemporaryFolder())
        try Self.makePictures(pictures)
        let folder = out.file("run")
        let run = try TrainingRun(try recipe(pictures), executor: executor, folder: folder)
        var steps: [Int] = []
        let summary = try run.run { steps.append($0.step) }
        #expect(steps == Array(1...12) && !summary.interrupted && summary.step == 12)
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: folder))
        #expect(
            names.isSuperset(of: [
                "best.safetensors", "last.safetensors", "checkpoint.safetensors", "log.jsonl", "recipe.yaml",
                "report.html",
                "strips",
            ]))
        #expect(names.contains { $0.contains("tfevents") })
        // The best weights are a model as any other, and remember where they come from.
        let model = try Model.load(path: summary.model)
        #expect((model.architecture as? RealtimeSR)?.features == 8)
        #expect(model.metadata.training?.iterations == summary.bestStep)
        #expect(model.metadata.training?.metrics?["psnrY"] == summary.best.map { Double(Float($0)) })
        let records = try RunLog.read(path: folder + "/log.jsonl")
        #expect(records.map(\.step) == [2, 4, 6, 8, 10, 12])
        #expect(records.filter { !$0.validation.isEmpty }.map(\.step) == [4, 8, 12])
        #expect(records.allSatisfy { $0.losses["g.l1"] != nil })
        let report = try String(contentsOfFile: summary.report, encoding: .utf8)
        #expect(report.contains("<svg") && report.contains("data:image/png;base64,") && report.contains("RealtimeSR"))
        // A second run does not touch it.
        #expect { _ = try TrainingRun(try recipe(pictures), executor: executor, folder: folder) } throws: {
            "\($0)".contains("resume it")
        }
    }

    /// Stopped in the middle and gone on with, the files are those of a run that was never stopped.
    @Test(arguments: ["", "restarts", "gan"]) func resumedIsBitIdentical(_ kind: String) throws {
        let (pictures, out) = (try TemporaryFolder(), try TemporaryFolder())
        try Self.makePictures(pictures)
        let recipe =
            switch kind {
            case "gan":
                try recipe(
                    pictures,
                    """
                    discriminator: {architecture: UNetDiscriminatorSN, features: 4}
                    adversarial: {loss: wasserstein, gradientPenalty: 10, weight: 0.1, augmentationTarget: 0.6}
                    degradation: {preset: real-esrgan}
                    """)
            case "restarts":
                try recipe(
                    pictures, "",
                    "optimizer={rate: 1e-3, average: 0.9, warmUp: 2, decay: cosine, cycles: 3, cycleFactor: 0.5}")
            default: try recipe(pictures)
            }
        _ = try TrainingRun(recipe, executor: executor, folder: out.file("whole")).run()
        // Anywhere: between checkpoints too.
        let stop = Int.random(in: 1..<12)
        let first = try TrainingRun(recipe, executor: executor, folder: out.file("parts"))
        let summary = try first.run { if $0.step == stop { first.interrupt() } }
        #expect(summary.interrupted && summary.step == stop)
        _ = try TrainingRun(recipe, executor: executor, folder: out.file("parts"), resume: true).run()
        for name in ["checkpoint", "best", "last"] {
            let files = ["whole", "parts"].map {
                FileManager.default.contents(atPath: out.file("\($0)/\(name).safetensors"))
            }
            #expect(files[0] != nil && files[0] == files[1], "\(name), stopped at step \(stop)")
        }
        let logs = try ["whole", "parts"].map { try RunLog.read(path: out.file("\($0)/log.jsonl")) }
        #expect(logs[0].last?.validation == logs[1].last?.validation)
        #expect(logs[0].last?.rate == logs[1].last?.rate)
        #expect(throws: TrainingRunError.self) {
            _ = try TrainingRun(recipe, executor: executor, folder: out.file("parts"), resume: true)
        }
    }

    /// A device that is lost ends the run with an error, and what was saved before is there to go on from, on another.
    @Test func lostDevice() throws {
        let (pictures, out) = (try TemporaryFolder(), try TemporaryFolder())
        try Self.makePictures(pictures)
        let device = try VulkanExecutor(
            device: nil, precision: .fp32, allowSoftware: true, validation: false, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        let run = try TrainingRun(try recipe(pictures), executor: device, folder: out.file("run"))
        var last = 0
        #expect {
            _ = try run.run {
                last = $0.step
                if last == 6 { device.device.lose() }
            }
        } throws: {
            if case .deviceLost = $0 as? ExecutionError { true } else { false }
        }
        #expect(last == 6)
        var steps: [Int] = []
        let summary = try TrainingRun(try recipe(pictures), executor: executor, folder: out.file("run"), resume: true)
            .run { steps.append($0.step) }
        #expect(steps == Array(6...12) && !summary.interrupted)
    }

    @Test func anotherNetworksCheckpoint() throws {
        let (pictures, out) = (try TemporaryFolder(), try TemporaryFolder())
        try Self.makePictures(pictures)
        _ = try TrainingRun(try recipe(pictures), executor: executor, folder: out.file("run")).run()
        let other = try recipe(pictures, "", "generator.features=12", "steps=20")
        #expect { _ = try TrainingRun(other, executor: executor, folder: out.file("run"), resume: true) } throws: {
            "\($0)".contains("its generator is") && "\($0)".contains("\"features\":8")
        }
        #expect { _ = try TrainingRun(other, executor: executor, folder: out.file("empty"), resume: true) } throws: {
            "\($0)".contains("no checkpoint")
        }
    }

    /// The network can learn one pair by heart.
    @Test func onePairIsLearnt() throws {
        let (pictures, out) = (try TemporaryFolder(), try TemporaryFolder())
        try Self.makePictures(pictures, count: 1, side: 32)
        let recipe = try Recipe(
            yaml: """
                name: overfit
                steps: 1500
                generator: {architecture: SRVGGNetCompact, features: 32, convolutions: 4, upscale: 2}
                data:
                  train: [{pictures: [\(pictures.path)]}]
                  validation: [{pictures: [\(pictures.path)]}]
                  crop: 32
                  batch: 1
                  flips: false
                  rotations: false
                losses: {l1: 1}
                optimizer: {rate: 2e-3, decay: cosine, average: 0.9, warmUp: 20}
                validation: {every: 500, pictures: 1, side: 32, metric: psnr}
                """, path: "recipe.yaml")
        let summary = try TrainingRun(recipe, executor: executor, folder: out.file("run")).run()
        #expect(summary.best! >= 45, "\(summary.best!) dB")
        print("one pair learnt to \(summary.best!) dB")
    }

    /// The crop grows, and everything goes on.
    @Test func cropsGrow() throws {
        let (pictures, out) = (try TemporaryFolder(), try TemporaryFolder())
        try Self.makePictures(pictures)
        let recipe = try recipe(pictures, "", "data.firstCrop=16", "data.growUntil=8")
        #expect(try recipe.cropSchedule.side(at: 0) == 16)
        #expect(try recipe.cropSchedule.side(at: 8) == 32)
        let summary = try TrainingRun(recipe, executor: executor, folder: out.file("run")).run()
        #expect(summary.step == 12)
    }

    @Test func estimates() throws {
        let pictures = try TemporaryFolder()
        var estimate = TrainingEstimate(try recipe(pictures))
        let drawn = try recipe(pictures).generator.initialParameters(seed: 1)
        #expect(estimate.generatorParameters == drawn.values.reduce(0) { $0 + $1.values.count })
        #expect(estimate.measured == nil && estimate.multiplyAdds > 0)
        try estimate.measure(try recipe(pictures), executor: executor)
        #expect(estimate.measured!.milliseconds > 0 && estimate.measured!.planBytes > 0)
    }
}
