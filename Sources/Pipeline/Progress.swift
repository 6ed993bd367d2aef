/// How long a stage has worked so far.
public struct StageReading: Sendable, Hashable {
    public var name: String
    /// Seconds of work, without waiting for other stages.
    public var busySeconds: Double
    public var frames: Int

    /// 0 before the first frame.
    public var secondsPerFrame: Double { frames > 0 ? busySeconds / Double(frames) : 0 }

    /// What the stage would reach alone, at the work that it did so far; 0 before the first frame.
    public var framesPerSecond: Double { busySeconds > 0 ? Double(frames) / busySeconds : 0 }
}

/// What a job tells while it runs.
public struct Progress: Sendable {
    /// Frames written to the encoder.
    public var frames: Int
    /// What the container promises; nil where it does not say.
    public var expectedFrames: Int?
    public var elapsedSeconds: Double
    public var stages: [StageReading]

    public init(frames: Int, expectedFrames: Int?, elapsedSeconds: Double, stages: [StageReading]) {
        (self.frames, self.expectedFrames) = (frames, expectedFrames)
        (self.elapsedSeconds, self.stages) = (elapsedSeconds, stages)
    }

    public var framesPerSecond: Double { elapsedSeconds > 0 ? Double(frames) / elapsedSeconds : 0 }

    /// The stage that holds up the others: the one with the most work per frame.
    public var slowestStage: StageReading? {
        stages.filter { $0.frames > 0 }.min { $0.framesPerSecond < $1.framesPerSecond }
    }

    /// Seconds to go at the present rate; nil before the first frame, after the last, or where the end is unknown.
    public var remainingSeconds: Double? {
        guard let expectedFrames, frames > 0, frames < expectedFrames else { return nil }
        return Double(max(0, expectedFrames - frames)) * elapsedSeconds / Double(frames)
    }
}
