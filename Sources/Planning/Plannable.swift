public import Network
internal import Tensor

/// Why `Planner` makes no program of a graph.
public struct PlanningError: Error, CustomStringConvertible {
    /// The first operation that programs have no step for, in words.
    public let operation: String

    public var description: String { "programs for inference have no step for \(operation)" }
}

extension Graph {
    /// Elements that the activations of a run take together: as `Planner` places them, or, of graphs that it does not take,
    /// as far as the graph alone tells.
    public func workingElements(options: PlanningOptions = PlanningOptions()) -> Int {
        do { return try Planner.plan(self, options: options).arenaElements } catch {
            return Int(min(Workload(self).workingElements, 0x1p60))
        }
    }

    /// The first operation that `Planner` cannot take, in words for an error message; nil when the whole graph can be
    /// planned. Programs are for inference: their weights are parameters, packed once, and their values are activations.
    public var planningObstacle: String? {
        func isParameter(_ value: Value) -> Bool {
            if case .parameter = self[value].operation { true } else { false }
        }
        /// A parameter or a constant.
        func isStored(_ value: Value) -> Bool {
            if case .constant = self[value].operation { true } else { isParameter(value) }
        }
        if !updates.isEmpty { return "an update of a parameter" }
        for value in inputs + outputs where shape(value).rank != 4 || isParameter(value) { return "a plain tensor" }
        for node in nodes {
            switch node.operation {
            case .input, .parameter, .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle,
                .resize, .pad, .crop:
                if !node.operands.allSatisfy({ shape($0).rank == 4 && !isParameter($0) }) {
                    return "\(node.operation.name) of a plain tensor"
                }
            case .convolution:
                if isParameter(node.operands[0]) || !node.operands.dropFirst().allSatisfy(isParameter) {
                    return "\(node.operation.name) with a computed weight"
                }
            case .constant:
                // Vectors for every pixel; see below.
                if node.shape.rank != 1 { return node.operation.name }
            case .pointwise:
                // Operands are activations, the second perhaps a vector.
                if shape(node.operands[0]).rank != 4 || isParameter(node.operands[0]) {
                    return "\(node.operation.name) of a plain tensor"
                }
                if let other = node.operands.dropFirst().first, (shape(other).rank == 4) == isStored(other) {
                    return "\(node.operation.name) of a plain tensor"
                }
            default: return node.operation.name
            }
        }
        return nil
    }
}
