internal import Network
internal import Tensor

extension Graph {
    /// The same graph with every `mean` written as a sum and a scale: executors have kernels for those. The graph's size is
    /// fixed by then, so the scale is a number.
    var withoutMeans: Graph {
        func isMean(_ node: Node) -> Bool { if case .mean = node.operation { true } else { false } }
        guard nodes.contains(where: isMean) else { return self }
        var builder = GraphBuilder()
        var renamed: [Value] = []
        for node in nodes {
            let operands = node.operands.map { renamed[$0.index] }
            switch node.operation {
            case .input(let name): renamed.append(builder.input(name, node.shape))
            case .parameter(let name): renamed.append(builder.parameter(name, node.shape))
            case .constant(let values): renamed.append(builder.constant(values, node.shape))
            case .mean(let target):
                let count = builder.shape(operands[0]).count / max(1, target.count)
                let sum = builder.apply(.sum(to: target), operands[0])
                renamed.append(builder.apply(.affine(scale: 1 / Float(max(1, count)), offset: 0), sum))
            default:
                do { renamed.append(try builder.tryApply(node.operation, operands)) } catch {
                    preconditionFailure("a node of a graph: \(error)")
                }
            }
        }
        func new(_ values: [Value]) -> [Value] { values.map { renamed[$0.index] } }
        return builder.finish(
            new(outputs),
            updates: updates.map {
                ParameterUpdate(parameter: renamed[$0.parameter.index], value: renamed[$0.value.index])
            }, guards: new(guards))
    }
}
