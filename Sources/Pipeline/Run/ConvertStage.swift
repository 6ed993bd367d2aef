internal import Media
internal import Resampling
internal import Tensor
internal import Threads

/// Makes of results the frames that the encoder takes. Runs on a thread of its own.
final class ConvertStage {
    private let clock: StageClock
    private let outputs: Pool<HostTensor>
    private let input: Channel<Item<Picture>>
    private let output: Channel<Item<Finished>>
    private let converter: ResultConverter

    init(
        _ job: UpscaleJob, clock: StageClock, outputs: Pool<HostTensor>, input: Channel<Item<Picture>>,
        output: Channel<Item<Finished>>
    ) {
        (self.clock, self.outputs, self.input, self.output) = (clock, outputs, input, output)
        converter = ResultConverter(job)
    }

    func run() throws {
        while let item = input.receive() {
            switch item {
            case .packet(let packet):
                guard output.send(.packet(packet)) else { return }
            case .repeated(let source):
                guard output.send(.repeated(source)) else { return }
            case .content(let picture):
                let frame = try clock.measure { try converter.frame(of: picture) }
                outputs.put(picture.pixels)
                guard output.send(.content(Finished(frame: frame, arrival: picture.source.arrival!))) else { return }
            }
        }
        output.finish()
    }
}

/// Results of the network as frames of the output's size and format. One thread at a time.
final class ResultConverter {
    private let job: UpscaleJob
    private let factory: FrameFactory
    /// One per size of result and target: several models, or a source that changes its size.
    private var resamplers: [[Shape]: Resampler] = [:]
    private var resized = HostTensor([0], [])
    private var resizedAlpha = HostTensor([0], [])

    init(_ job: UpscaleJob) {
        self.job = job
        factory = job.writer.frameFactory()
    }

    func frame(of picture: Picture) throws -> VideoFrame {
        let size = job.outputSize(for: picture.source)
        func fitted(_ tensor: HostTensor, _ scratch: inout HostTensor) -> HostTensor {
            let target = Shape.nhwc(1, size.height, size.width, tensor.shape.channels)
            guard tensor.shape != target else { return tensor }
            let resampler = resamplers[[tensor.shape, target]] ?? Resampler(from: tensor.shape, to: target)
            resamplers[[tensor.shape, target]] = resampler
            if scratch.shape != target { scratch = HostTensor(target) }
            resampler.resize(tensor, into: &scratch)
            return scratch
        }
        let pixels = fitted(picture.pixels, &resized)
        let alpha = picture.alpha.map { fitted($0, &resizedAlpha) }
        return try pixels.withUnsafeValues { pixels in
            guard let alpha else {
                return try factory.frame(
                    fromRGB: pixels, width: size.width, height: size.height, like: picture.source)
            }
            return try alpha.withUnsafeValues { alpha in
                try factory.frame(
                    fromRGB: pixels, alpha: alpha, width: size.width, height: size.height, like: picture.source)
            }
        }
    }
}
