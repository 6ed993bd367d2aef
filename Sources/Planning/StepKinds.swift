internal import Network
internal import Tensor

/// How each node of a graph is computed: on views, whose channels are padded for the kernels of convolutions, or on dense
/// tensors of any rank, by kernels that take every operation.
///
/// Views are for activations around convolutions with weights that stay as they are. What such a convolution gives or reads
/// is a view, and so is what is pointwise or moved from views alone.
struct StepKinds {
    enum Kind {
        /// An input, a parameter or a constant: no step.
        case source
        /// The operand's elements under another shape or name: no step.
        case alias
        case views
        case tensors
    }

    private let graph: Graph
    private var kinds: [Kind] = []

    subscript(index: Int) -> Kind { kinds[index] }
    subscript(value: Value) -> Kind { kinds[value.index] }

    /// - Parameter parametersChange: whether parameters may change between runs; then nothing is on views.
    init(_ graph: Graph, parametersChange: Bool) {
        self.graph = graph
        for node in graph.nodes { kinds.append(kind(node, parametersChange)) }
    }

    private func kind(_ node: Node, _ parametersChange: Bool) -> Kind {
        switch node.operation {
        case .input, .parameter, .constant: return .source
        case .reshape, .detach, .again: return .alias
        default: break
        }
        if parametersChange { return .tensors }
        switch node.operation {
        case .convolution(let window):
            if window.dilation > 1 || window.padding == nil { return .tensors }
            return isActivation(node.operands[0]) && node.operands.dropFirst().allSatisfy(isStored) ? .views : .tensors
        case .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .resize, .pad, .crop:
            return node.operands.allSatisfy(isActivation) && node.operands.contains(where: isView) ? .views : .tensors
        case .pointwise:
            // Activations, of which the second may be a vector for every pixel.
            let fits = node.operands.enumerated().allSatisfy { place, operand in
                if isStored(operand) { return place == 1 && graph.shape(operand).rank == 1 }
                return isActivation(operand) && !graph[operand].operation.isBroadcast
            }
            return fits && node.operands.contains(where: isView) ? .views : .tensors
        default: return .tensors
        }
    }

    private func isActivation(_ value: Value) -> Bool { graph.shape(value).rank == 4 && !isStored(root(value)) }

    /// Whether the value is a parameter or a constant.
    func isStored(_ value: Value) -> Bool {
        switch graph[value].operation {
        case .parameter, .constant: true
        default: false
        }
    }

    /// Whether the value is stored as a view: what steps on views give, and images.
    func isView(_ value: Value) -> Bool {
        if case .input = graph[value].operation { return graph.shape(value).rank == 4 }
        return kinds[value.index] == .views
    }

    /// The value whose elements this one's are.
    func root(_ value: Value) -> Value {
        kinds[value.index] == .alias ? root(graph[value].operands[0]) : value
    }
}
