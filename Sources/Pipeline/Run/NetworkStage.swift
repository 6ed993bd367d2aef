internal import Media
internal import Network
internal import Tensor
internal import Threads

/// Upscales. Runs on a thread of its own, which owns the models.
final class NetworkStage {
    private let job: UpscaleJob
    private let clock: StageClock
    private let inputs: Pool<HostTensor>
    private let outputs: Pool<HostTensor>
    private let input: Channel<Item<Picture>>
    private let output: Channel<Item<Picture>>
    /// Seconds that a frame still needs after this stage.
    private let downstream: () -> Double
    /// What real time allows; nil without it. Read when the stage has ended.
    private(set) var governor: Governor?
    private var lastRung: Int?
    private var count = 0
    /// The last opacity and its result.
    private var lastAlpha: (picture: HostTensor, result: HostTensor)?

    init(
        _ job: UpscaleJob, clock: StageClock, inputs: Pool<HostTensor>, outputs: Pool<HostTensor>,
        input: Channel<Item<Picture>>, output: Channel<Item<Picture>>, downstream: @escaping () -> Double
    ) {
        (self.job, self.clock, self.inputs, self.outputs) = (job, clock, inputs, outputs)
        (self.input, self.output, self.downstream) = (input, output, downstream)
    }

    /// In real time: measures every rung on a picture of the source's size before the stream begins.
    func prepare() throws {
        guard let bound = job.options.realtime else { return }
        let video = job.source
        let picture = HostTensor(.nhwc(1, video.height, video.width, 3), repeating: 0.5)
        // Outside the memory of what was seen, or the second run would cost nothing.
        let costs = try job.ladder.map { try $0.measure(picture) }
        let interval = video.averageFrameRate.isKnown ? 1 / video.averageFrameRate.value : 0
        governor = Governor(costs: costs, interval: interval, maximumLatency: bound)
    }

    func run() throws {
        while let item = input.receive() {
            switch item {
            case .packet(let packet):
                guard output.send(.packet(packet)) else { return }
            case .repeated(let frame):
                // Nothing was computed yet that could be shown again; there is always a buffer for the first frame.
                governor?.countSkipped()
                guard output.send(.repeated(frame)) else { return }
            case .content(let picture):
                guard try pass(picture) else { return }
            }
        }
        output.finish()
    }

    /// False when nobody takes the result.
    private func pass(_ picture: Picture) throws -> Bool {
        var rung = 0
        if governor != nil {
            let age = monotonicSeconds() - picture.source.arrival!
            guard case .rung(let chosen) = governor!.decide(age: age, downstream: downstream()) else {
                inputs.put(picture.pixels)
                return output.send(.repeated(picture.source))
            }
            rung = chosen
        }
        guard var result = outputs.take() else { return false }
        let upscaler = job.ladder[rung]
        let shape = upscaler.outputShape(picture.pixels.shape)
        if result.shape != shape { result = HostTensor(shape) }
        // An unchanged result need not even be copied, if it was the last to be sent on and is all that there is to it.
        let leaves = lastRung == rung && picture.alpha == nil && lastAlpha == nil && !job.writer.takesAnySize
        let before = monotonicSeconds()
        let (isUnchanged, alpha) = try clock.measure {
            (
                try upscaler.upscale(picture.pixels, into: &result, leavingUnchanged: leaves),
                try picture.alpha.map { try upscaleAlpha($0, with: upscaler) }
            )
        }
        if picture.alpha == nil { lastAlpha = nil }
        governor?.measured(rung, seconds: monotonicSeconds() - before)
        lastRung = rung
        inputs.put(picture.pixels)
        if isUnchanged {
            outputs.put(result)
            return output.send(.repeated(picture.source))
        }
        guard result.isFinite else {
            throw PipelineError.notFinite(path: job.options.input, frame: count, executor: upscaler.executor.name)
        }
        count += 1
        return output.send(.content(Picture(pixels: result, alpha: alpha, source: picture.source)))
    }

    private func upscaleAlpha(_ alpha: HostTensor, with upscaler: Upscaler) throws -> HostTensor {
        if let lastAlpha, lastAlpha.picture.values == alpha.values, lastAlpha.picture.shape == alpha.shape {
            return lastAlpha.result
        }
        let result = try upscaler.upscaleOpacity(alpha)
        lastAlpha = (alpha, result)
        return result
    }
}

extension Upscaler {
    /// Opacity goes through the same network, as a grey picture: its edges become as sharp as those of the colours.
    ///
    /// - Parameter alpha: `[1, H, W, 1]` in 0 … 1.
    func upscaleOpacity(_ alpha: HostTensor) throws -> HostTensor {
        let shape = alpha.shape
        var grey = HostTensor(.nhwc(1, shape.height, shape.width, 3))
        grey.withUnsafeMutableValues { grey in
            alpha.withUnsafeValues { alpha in
                for index in alpha.indices {
                    for channel in 0..<3 { grey[3 * index + channel] = alpha[index] }
                }
            }
        }
        let upscaled = try upscaleApart(grey)
        var result = HostTensor(.nhwc(1, upscaled.shape.height, upscaled.shape.width, 1))
        result.withUnsafeMutableValues { result in
            upscaled.withUnsafeValues { upscaled in
                for index in result.indices {
                    let sum = upscaled[3 * index] + upscaled[3 * index + 1] + upscaled[3 * index + 2]
                    result[index] = min(max(sum / 3, 0), 1)
                }
            }
        }
        return result
    }
}

extension HostTensor {
    /// Whether every number is finite: one that is not makes the sum of zeros so.
    var isFinite: Bool {
        withUnsafeValues { values in
            var sums = SIMD16<Float>.zero
            var index = 0
            while index + 16 <= values.count {
                for lane in 0..<16 { sums[lane] += values[index + lane] * 0 }
                index += 16
            }
            var sum = sums.sum()
            while index < values.count {
                sum += values[index] * 0
                index += 1
            }
            return sum == 0
        }
    }
}
