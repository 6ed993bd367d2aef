public import Network
public import Tensor

/// One axis of a copy: its extent, and how far apart neighbours lie in the source and in the target.
public struct Axis: Hashable, Sendable {
    public var extent: Int
    public var source: Int
    public var target: Int

    public init(_ extent: Int, _ source: Int, _ target: Int) {
        (self.extent, self.source, self.target) = (extent, source, target)
    }

    /// Reads of a tensor with axes of extent 1, repeated to `wide`.
    public static func broadcast(_ narrow: Shape, to wide: Shape) -> [Axis] {
        let (from, to) = (narrow.strides, wide.strides)
        return (0..<wide.rank).map { Axis(wide[$0], narrow[$0] == 1 ? 0 : from[$0], to[$0]) }
    }

    /// The same copy with as few axes as possible, at least one.
    public static func merged(_ axes: [Axis]) -> [Axis] {
        var result: [Axis] = []
        for axis in axes where axis.extent != 1 {
            if let outer = result.last, outer.source == axis.source * axis.extent,
                outer.target == axis.target * axis.extent
            {
                result[result.count - 1] = Axis(outer.extent * axis.extent, axis.source, axis.target)
            } else {
                result.append(axis)
            }
        }
        return result.isEmpty ? [Axis(1, 1, 1)] : result
    }
}

extension Shape {
    /// The distances of neighbours along each axis of a dense tensor.
    public var strides: [Int] {
        var result = [Int](repeating: 1, count: rank)
        for axis in (0..<max(0, rank - 1)).reversed() { result[axis] = result[axis + 1] * self[axis + 1] }
        return result
    }
}

/// An operation that only moves the elements of one operand, as a copy: from where in the source, along which axes.
public struct StridedMove: Hashable, Sendable {
    public var offset: Int
    public var axes: [Axis]

    /// Nil for operations that do more, or read more than one tensor.
    public init?(_ operation: Operation, from source: Shape, to target: Shape) {
        let (from, to) = (source.strides, target.strides)
        offset = 0
        switch operation {
        case .broadcast: axes = Axis.broadcast(source, to: target)
        case .transpose(let permutation):
            axes = permutation.indices.map { Axis(target[$0], from[permutation[$0]], to[$0]) }
        case .sliceChannels(let start, _):
            offset = start
            axes = (0..<4).map { Axis(target[$0], from[$0], to[$0]) }
        case .crop(let margins):
            offset = margins.top * from[1] + margins.left * from[2]
            axes = (0..<4).map { Axis(target[$0], from[$0], to[$0]) }
        case .upsampleNearest(let factor):
            axes = [
                Axis(source.batch * source.height, from[1], to[1] * factor), Axis(factor, 0, to[1]),
                Axis(source.width, from[2], to[2] * factor), Axis(factor, 0, to[2]), Axis(source.channels, 1, 1),
            ]
        case .pixelShuffle(let factor):
            axes = [
                Axis(source.batch * source.height, from[1], to[1] * factor), Axis(factor, factor, to[1]),
                Axis(source.width, from[2], to[2] * factor), Axis(factor, 1, to[2]),
                Axis(target.channels, factor * factor, 1),
            ]
        case .pixelUnshuffle(let factor):
            axes = [
                Axis(target.batch * target.height, from[1] * factor, to[1]), Axis(factor, from[1], factor),
                Axis(target.width, from[2] * factor, to[2]), Axis(factor, from[2], 1),
                Axis(source.channels, 1, factor * factor),
            ]
        default: return nil
        }
    }

    /// The same copy in the order of the target's elements, which it fills without gaps: only `source` and `extent` of
    /// each axis count then.
    public var inTargetOrder: [Axis] {
        Axis.merged(axes.filter { $0.extent != 1 }.sorted { $0.target > $1.target })
    }
}
