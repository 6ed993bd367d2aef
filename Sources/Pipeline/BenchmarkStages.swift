internal import Measure
internal import Media
internal import Network
internal import Resampling
internal import Tensor
internal import Threads

/// Stages on their own, as the job runs them, with the machine to themselves.
extension Benchmark {
    /// Turns of at least half a second, about five seconds apart.
    func turns(_ job: UpscaleOptions, _ report: BenchmarkReport) throws -> BenchmarkTurns {
        let video = try MediaReader(path: job.input, options: job.reader).video
        let upscaler = Upscaler(model: model, executor: executor, tiling: tiling)
        var random = Philox(key: 1)
        let shape = Shape.nhwc(1, video.height, video.width, 3)
        let picture = HostTensor(shape, random.uniform(shape.count))
        var result = HostTensor(upscaler.outputShape(shape))
        try upscaler.upscale(picture, into: &result)
        let seconds = report.network.milliseconds.median / 1000
        let runs = max(1, Int(0.5 / seconds))
        return BenchmarkTurns(every: max(6, Int(5 / seconds))) {
            try (0..<runs).map { _ in
                let begin = monotonicSeconds()
                try upscaler.upscale(picture, into: &result)
                return monotonicSeconds() - begin
            }
        }
    }

    /// Each stage on its own, as the job runs it, with the machine to itself.
    func stagesAlone(_ job: UpscaleOptions, frames limit: Int, _ report: BenchmarkReport) throws
        -> [BenchmarkReport.Stage]
    {
        var stages: [BenchmarkReport.Stage] = []
        func time(_ name: String, frames: Int, _ body: () throws -> Void) rethrows {
            let start = monotonicSeconds()
            try body()
            let seconds = monotonicSeconds() - start
            stages.append(.init(name: name, framesPerSecond: Double(frames) / max(seconds, 1e-9)))
        }

        // Decode: demux, decode, to RGB.
        let reader = try MediaReader(path: job.input, options: job.reader)
        let converter = PixelConverter(decoding: reader.video)
        let shape = Shape.nhwc(1, reader.video.height, reader.video.width, 3)
        var pixels = HostTensor(shape)
        var decoded: [VideoFrame] = []
        let begin = monotonicSeconds()
        while decoded.count < limit, let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
            decoded.append(frame)
        }
        guard !decoded.isEmpty else { throw MediaError.nothingWritten(path: job.output) }
        stages.append(
            .init(name: "decode", framesPerSecond: Double(decoded.count) / (monotonicSeconds() - begin)))

        // Network: the same picture again and again; its time does not depend on the content.
        let upscaler = Upscaler(model: model, executor: executor, tiling: tiling)
        var result = HostTensor(upscaler.outputShape(shape))
        try upscaler.upscale(pixels, into: &result)
        let runs = max(3, min(limit, Int(5000 / report.network.milliseconds.median)))
        try time("network", frames: runs) {
            for _ in 0..<runs { try upscaler.upscale(pixels, into: &result) }
        }

        // Convert: to the output's size and the encoder's format.
        let size = job.target.pixels(
            width: shape.width, height: shape.height, modelScale: upscaler.scale, even: true)
        let writer = try MediaWriter(
            path: job.output, source: reader, width: size.width, height: size.height, settings: job.encoder,
            overwrite: true)
        defer { writer.abandon() }
        let encoding = try PixelConverter(
            encodingWidth: writer.width, height: writer.height, pixelFormat: writer.pixelFormat, color: writer.color)
        let target = Shape.nhwc(1, size.height, size.width, 3)
        let resampler = target == result.shape ? nil : Resampler(from: result.shape, to: target)
        var resized = HostTensor(target)
        let conversions = min(decoded.count, 8)
        func convert(_ frame: VideoFrame) throws -> VideoFrame {
            resampler?.resize(result, into: &resized)
            return try (resampler == nil ? result : resized).withUnsafeValues {
                try encoding.frame(
                    fromRGB: $0, width: size.width, height: size.height, timestamp: frame.timestamp,
                    duration: frame.duration)
            }
        }
        try time("convert", frames: conversions) { for frame in decoded[..<conversions] { _ = try convert(frame) } }

        // Encode: real, moving pictures of the output's size (the decoded frames, enlarged by resampling).
        let enlarge = Resampler(from: shape, to: target)
        var encodeSeconds = 0.0
        var lookaheadFrames = 0
        for frame in decoded {
            try frameToRGB(converter, frame, &pixels)
            enlarge.resize(pixels, into: &resized)
            let picture = try resized.withUnsafeValues {
                try encoding.frame(
                    fromRGB: $0, width: size.width, height: size.height, timestamp: frame.timestamp,
                    duration: frame.duration)
            }
            let start = monotonicSeconds()
            try writer.write(picture)
            encodeSeconds += monotonicSeconds() - start
            lookaheadFrames += 1
        }
        // What waits in the encoder's lookahead is work of these frames too.
        let start = monotonicSeconds()
        try writer.finish()
        encodeSeconds += monotonicSeconds() - start
        stages.append(.init(name: "encode", framesPerSecond: Double(lookaheadFrames) / encodeSeconds))
        return stages
    }

    private func frameToRGB(_ converter: PixelConverter, _ frame: VideoFrame, _ pixels: inout HostTensor) throws {
        try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
    }
}
