internal import Media
internal import Network
internal import Tensor

/// One run of a job: its threads, and what lies between them.
final class UpscaleRun: @unchecked Sendable {
    /// What travels between stages.
    private enum Item<Content> {
        /// A packet of another stream; it keeps its place between frames.
        case packet(EncodedPacket)
        case picture(Content)
        /// The result before this one stands for this frame too: nothing changed, or there was no time.
        case repeated(Arrival)
    }

    /// A frame of the source, and when it came.
    private struct Arrival {
        var frame: VideoFrame
        var time: Double
    }

    /// Pixels, and the frame whose times and tags they carry.
    private struct Picture {
        var pixels: HostTensor
        var arrival: Arrival
    }

    /// A frame ready to be encoded.
    private struct Result {
        var frame: VideoFrame
        var arrival: Double
    }

    /// Buffers between decoding and the network, and between the network and conversion. Two keep both sides busy; the
    /// third takes up unevenness.
    private static let picturesInFlight = 3
    /// Packets are small and many; pictures are bounded by the pools.
    private static let itemsInFlight = 256
    /// Encoded-size frames that wait for the encoder.
    private static let framesInFlight = 2

    private let job: UpscaleJob
    private let progress: @Sendable (Progress) -> Void
    private let decoded = Channel<Item<Picture>>(capacity: itemsInFlight)
    private let upscaled = Channel<Item<Picture>>(capacity: itemsInFlight)
    private let converted = Channel<Item<Result>>(capacity: framesInFlight)
    private let inputs: Pool<HostTensor>
    private let outputs: Pool<HostTensor>
    private let decodeClock = StageClock("decode")
    private let networkClock = StageClock("network")
    private let convertClock = StageClock("convert")
    private let encodeClock = StageClock("encode")
    private var clocks: [StageClock] { [decodeClock, networkClock, convertClock, encodeClock] }
    private let failure = FirstError()
    private let start = monotonicSeconds()
    // Each written by one stage and read after it was joined.
    private var governor: Governor?
    private var latencies = LatencyHistogram()

    init(_ job: UpscaleJob, _ progress: @escaping @Sendable (Progress) -> Void) {
        self.job = job
        self.progress = progress
        let shape = Shape.nhwc(1, job.source.height, job.source.width, 3)
        inputs = Pool((0..<Self.picturesInFlight).map { _ in HostTensor(shape) })
        outputs = Pool((0..<Self.picturesInFlight).map { _ in HostTensor(job.ladder[0].outputShape(shape)) })
    }

    func run() throws -> UpscaleSummary {
        job.setInterruptHandler { [self] in
            // What is decoded or in the network is dropped; what is converted is still encoded.
            job.reader.interrupter.interrupt()
            stopReading()
        }
        defer { job.setInterruptHandler(nil) }
        do {
            try prepareGovernor()
            let decode = stage("decode", self.decode)
            let network = stage("network", self.compute)
            let convert = stage("convert", self.convert)
            let encode = stage("encode", self.encode)
            convert.join()
            encode.join()
            // After an interruption the network may be in the middle of a long frame: nobody waits for it.
            if !job.isInterrupted {
                decode.join()
                network.join()
            }
            if let error = failure.value { throw error }
            return try finish()
        } catch {
            job.writer.abandon()
            throw error
        }
    }

    private func finish() throws -> UpscaleSummary {
        var wroteOutput = true
        let isInterrupted = job.isInterrupted
        if isInterrupted {
            wroteOutput = try encodeClock.measure(frames: 0) { try job.writer.finishInterrupted() }
        } else {
            guard job.reader.deliveredFrames == job.writer.writtenFrames else {
                throw PipelineError.frameCount(
                    path: job.options.output, read: job.reader.deliveredFrames, written: job.writer.writtenFrames)
            }
            try encodeClock.measure(frames: 0) { try job.writer.finish() }
        }
        return UpscaleSummary(
            frames: job.writer.writtenFrames, elapsedSeconds: monotonicSeconds() - start,
            stages: clocks.map(\.reading), latency: latencies.reading,
            governor: isInterrupted ? nil : governor?.count, reuse: isInterrupted ? nil : job.ladder[0].reuse,
            interrupted: isInterrupted, wroteOutput: wroteOutput)
    }

    private func stage(_ name: String, _ body: @escaping @Sendable () throws -> Void) -> WorkerThread {
        WorkerThread("upframe \(name)") { [self] in
            do { try body() } catch {
                guard failure.record(error) else { return }
                stopReading()
                converted.cancel()
            }
        }
    }

    private func stopReading() {
        decoded.cancel()
        upscaled.cancel()
        inputs.cancel()
        outputs.cancel()
    }

    // MARK: Decode

    private func decode() throws {
        let reader = job.reader
        let converter = PixelConverter(decoding: reader.video)
        var pace = Pace(reader.video.timeBase)
        while !job.isInterrupted {
            let event: MediaEvent?
            do { event = try decodeClock.measure(frames: 0) { try reader.next() } } catch MediaError.interrupted {
                return
            }
            switch event {
            case nil:
                decoded.finish()
                return
            case .packet(let packet):
                guard decoded.send(.packet(packet)) else { return }
            case .frame(let frame):
                var arrival = Arrival(frame: frame, time: monotonicSeconds())
                var free: HostTensor?
                if job.options.realtime != nil {
                    // A file comes as fast as it is read: its frames arrive when they are due. And a stream does not
                    // wait: without a free buffer the frame is passed over.
                    arrival.time = pace.wait(for: frame.timestamp, notBefore: arrival.time)
                    free = inputs.takeIfFree()
                    if free == nil {
                        guard decoded.send(.repeated(arrival)) else { return }
                        continue
                    }
                } else {
                    free = inputs.take()
                }
                guard var pixels = free else { return }
                let shape = Shape.nhwc(1, frame.height, frame.width, 3)
                // A stream that changes its size midway.
                if pixels.shape != shape { pixels = HostTensor(shape) }
                try decodeClock.measure {
                    try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
                }
                guard decoded.send(.picture(Picture(pixels: pixels, arrival: arrival))) else { return }
            }
        }
    }

    // MARK: Network

    /// Measures every rung on a picture of the source's size before the stream begins.
    private func prepareGovernor() throws {
        guard let bound = job.options.realtime else { return }
        let video = job.source
        let picture = HostTensor(.nhwc(1, video.height, video.width, 3), repeating: 0.5)
        let costs = try job.ladder.map { upscaler in
            // Outside the memory of what was seen, or the second run would cost nothing.
            try upscaler.measure(picture)
        }
        let interval = video.averageFrameRate.isKnown ? 1 / video.averageFrameRate.value : 0
        governor = Governor(costs: costs, interval: interval, maximumLatency: bound)
    }

    private func compute() throws {
        var count = 0
        var lastRung: Int?
        while let item = decoded.receive() {
            switch item {
            case .packet(let packet):
                guard upscaled.send(.packet(packet)) else { return }
            case .repeated(let arrival):
                // Nothing was computed yet that could be shown again; there is always a buffer for the first frame.
                governor?.countSkipped()
                guard upscaled.send(.repeated(arrival)) else { return }
            case .picture(let picture):
                var rung = 0
                if governor != nil {
                    let downstream = convertClock.reading.secondsPerFrame + encodeClock.reading.secondsPerFrame
                    let age = monotonicSeconds() - picture.arrival.time
                    guard case .rung(let chosen) = governor!.decide(age: age, downstream: downstream) else {
                        inputs.put(picture.pixels)
                        guard upscaled.send(.repeated(picture.arrival)) else { return }
                        continue
                    }
                    rung = chosen
                }
                guard var result = outputs.take() else { return }
                let upscaler = job.ladder[rung]
                let shape = upscaler.outputShape(picture.pixels.shape)
                if result.shape != shape { result = HostTensor(shape) }
                let before = monotonicSeconds()
                // An unchanged result need not even be copied, if it was the last to be sent on.
                let isUnchanged = try networkClock.measure {
                    try upscaler.upscale(picture.pixels, into: &result, leavingUnchanged: lastRung == rung)
                }
                governor?.measured(rung, seconds: monotonicSeconds() - before)
                lastRung = rung
                inputs.put(picture.pixels)
                if isUnchanged {
                    outputs.put(result)
                    guard upscaled.send(.repeated(picture.arrival)) else { return }
                    continue
                }
                guard result.isFinite else {
                    throw PipelineError.notFinite(
                        path: job.options.input, frame: count, executor: upscaler.executor.name)
                }
                count += 1
                guard upscaled.send(.picture(Picture(pixels: result, arrival: picture.arrival))) else { return }
            }
        }
        upscaled.finish()
    }

    // MARK: Convert

    private func convert() throws {
        let writer = job.writer
        let converter = try PixelConverter(
            encodingWidth: writer.width, height: writer.height, pixelFormat: writer.pixelFormat, color: writer.color)
        // One per size of result: several models, or a source that changes its size.
        var resamplers: [Shape: Resampler] = [:]
        var resized = HostTensor([0], [])
        var last: VideoFrame?
        while let item = upscaled.receive() {
            switch item {
            case .packet(let packet):
                guard converted.send(.packet(packet)) else { return }
            case .repeated(let arrival):
                guard let last else { preconditionFailure("the first frame is always computed") }
                let frame = last.retimed(timestamp: arrival.frame.timestamp, duration: arrival.frame.duration)
                guard converted.send(.picture(Result(frame: frame, arrival: arrival.time))) else { return }
            case .picture(let picture):
                let source = picture.arrival.frame
                let frame = try convertClock.measure {
                    var pixels = picture.pixels
                    if pixels.shape != job.outputShape {
                        let resampler = resamplers[pixels.shape] ?? Resampler(from: pixels.shape, to: job.outputShape)
                        resamplers[pixels.shape] = resampler
                        if resized.shape != job.outputShape { resized = HostTensor(job.outputShape) }
                        resampler.resize(pixels, into: &resized)
                        pixels = resized
                    }
                    return try pixels.withUnsafeValues {
                        try converter.frame(
                            fromRGB: $0, width: pixels.shape.width, height: pixels.shape.height,
                            timestamp: source.timestamp, duration: source.duration)
                    }
                }
                outputs.put(picture.pixels)
                last = frame
                guard converted.send(.picture(Result(frame: frame, arrival: picture.arrival.time))) else { return }
            }
        }
        converted.finish()
    }

    // MARK: Encode

    private func encode() throws {
        var frames = 0
        report(0)
        while let item = converted.receive() {
            switch item {
            case .packet(let packet): try encodeClock.measure(frames: 0) { try job.writer.write(packet) }
            case .repeated: preconditionFailure("conversion turns repeats into frames")
            case .picture(let result):
                try encodeClock.measure { try job.writer.write(result.frame) }
                latencies.add(monotonicSeconds() - result.arrival)
                frames += 1
                report(frames)
            }
        }
    }

    private func report(_ frames: Int) {
        progress(
            Progress(
                frames: frames, expectedFrames: job.source.frameCountEstimate,
                elapsedSeconds: monotonicSeconds() - start, stages: clocks.map(\.reading)))
    }
}

/// Lets a file's frames arrive when they are due.
private struct Pace {
    private let secondsPerTick: Double
    private var origin: (timestamp: Int64, time: Double)?

    init(_ timeBase: Rational) { secondsPerTick = timeBase.value }

    /// Waits until the frame is due, counted from the first one; the time at which it is taken to have arrived.
    mutating func wait(for timestamp: Int64, notBefore arrival: Double) -> Double {
        guard let origin else {
            origin = (timestamp, arrival)
            return arrival
        }
        let due = origin.time + Double(timestamp - origin.timestamp) * secondsPerTick
        let early = due - monotonicSeconds()
        if early > 0 { sleepSeconds(early) }
        return max(due, arrival)
    }
}

extension HostTensor {
    /// Whether every number is finite: one that is not makes the sum of zeros so.
    fileprivate var isFinite: Bool {
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
