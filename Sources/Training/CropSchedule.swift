/// How large the crops are that a run trains on: small at first, when steps should be many, and larger later. The number is
/// the side of the small pictures.
///
/// Every side costs a plan, so sides change in a few stages.
public struct CropSchedule: Codable, Hashable, Sendable {
    public struct Stage: Codable, Hashable, Sendable {
        /// The first step of the stage.
        public let step: Int
        public let side: Int

        public init(step: Int, side: Int) { (self.step, self.side) = (step, side) }
    }

    public let stages: [Stage]

    /// One side for the whole run.
    public init(side: Int) throws(CropScheduleError) { try self.init([Stage(step: 0, side: side)]) }

    /// - Parameter multiple: what sides must be multiples of.
    public init(_ stages: [Stage], multiple: Int = 1) throws(CropScheduleError) {
        guard let first = stages.first else { throw .empty }
        guard first.step == 0 else { throw .lateStart(step: first.step) }
        for stage in stages where stage.side < 1 || stage.side % multiple != 0 {
            throw .side(stage.side, multiple: multiple)
        }
        for (before, after) in zip(stages, stages.dropFirst()) where after.step <= before.step {
            throw .order(step: after.step, after: before.step)
        }
        for (before, after) in zip(stages, stages.dropFirst()) where after.side < before.side {
            throw .shrinking(from: before.side, to: after.side)
        }
        self.stages = stages
    }

    /// Sides that grow evenly in `count` stages of equal length, the last of which begins at `steps` and stays.
    public init(growingFrom first: Int, to last: Int, over steps: Int, stages count: Int = 4, multiple: Int = 8)
        throws(CropScheduleError)
    {
        guard steps >= 1, count >= 2 else { throw .empty }
        guard last >= first else { throw .shrinking(from: first, to: last) }
        var stages: [Stage] = []
        for index in 0..<count {
            let exact = Double(first) + Double(last - first) * Double(index) / Double(count - 1)
            let side = index == count - 1 ? last : Int((exact / Double(multiple)).rounded()) * multiple
            if index > 0 && side <= stages.last!.side { continue }
            stages.append(Stage(step: steps * index / (count - 1), side: index == 0 ? first : side))
        }
        try self.init(stages, multiple: multiple)
    }

    /// The side at this step, counted from 0.
    public func side(at step: Int) -> Int { (stages.last { $0.step <= step } ?? stages[0]).side }

    /// The largest side of all: what pictures must have.
    public var largest: Int { stages[stages.count - 1].side }

    public init(from decoder: any Decoder) throws {
        try self.init(try decoder.container(keyedBy: CodingKeys.self).decode([Stage].self, forKey: .stages))
    }
}

/// What is wrong with a schedule of crops.
public enum CropScheduleError: Error, Equatable, CustomStringConvertible {
    case empty
    case lateStart(step: Int)
    case side(Int, multiple: Int)
    case order(step: Int, after: Int)
    case shrinking(from: Int, to: Int)

    public var description: String {
        switch self {
        case .empty: "a schedule of crops needs stages and steps"
        case .lateStart(let step): "crops: the first stage begins at step \(step); it must begin at 0"
        case .side(let side, let multiple):
            multiple == 1
                ? "crops: a side of \(side) pixels; it must be 1 or more"
                : "crops: a side of \(side) pixels is no multiple of \(multiple), which the networks need"
        case .order(let step, let before): "crops: step \(step) stands after step \(before); stages go by rising steps"
        case .shrinking(let from, let to): "crops: sides shrink from \(from) to \(to); they may only grow"
        }
    }
}
