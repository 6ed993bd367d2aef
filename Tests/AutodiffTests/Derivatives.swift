import Network
import Reference
import Tensor
import TestSupport

@testable import Autodiff

/// A function of several tensors to one, whose derivatives are checked.
struct DerivativeCase: CustomStringConvertible, Sendable {
    let name: String
    let shapes: [Shape]
    let range: Range<Float>
    /// Where it has no derivative.
    let kinks: [Float]
    let body: @Sendable (inout GraphBuilder, [Value]) -> Value
    var description: String { name }

    init(
        _ name: String, _ shapes: [Shape], range: Range<Float> = -1..<1, kinks: [Float] = [0],
        _ body: @escaping @Sendable (inout GraphBuilder, [Value]) -> Value
    ) {
        (self.name, self.shapes, self.range, self.kinks, self.body) = (name, shapes, range, kinks, body)
    }

    var seed: UInt64 { name.utf8.reduce(7) { ($0 &* 31 &+ UInt64($1)) % 1_000_003 } }

    /// Arguments away from kinks.
    var arguments: [PreciseTensor] {
        shapes.enumerated().map { index, shape in
            var tensor = PreciseTensor(randomTensor(shape, seed: seed + UInt64(index), in: range))
            for kink in kinks.map({ Double($0) }) {
                for element in tensor.values.indices where abs(tensor.values[element] - kink) < 0.02 {
                    tensor.values[element] += tensor.values[element] < kink ? -0.02 : 0.02
                }
            }
            return tensor
        }
    }

    /// The inner product of the function's value with fixed random numbers, so that every element counts.
    func weighted(_ b: inout GraphBuilder, _ variables: [Value]) -> Value {
        let y = body(&b, variables)
        let weights = randomTensor(b.shape(y), seed: seed + 99, in: 0.5..<1.5)
        return b.total(b.apply(.multiply, y, b.constant(weights.values, b.shape(y))))
    }

    /// The weighted function; its gradient; and the gradient of the gradient's inner product with a direction.
    func graphs() -> (function: Graph, first: Graph, second: Graph) {
        var b = GraphBuilder()
        let variables = shapes.enumerated().map { b.input("x\($0)", $1) }
        let value = weighted(&b, variables)
        let first = b.gradient(of: value, withRespectTo: variables)
        var products: [Value] = []
        for (index, derivative) in first.enumerated() {
            let direction = randomTensor(shapes[index], seed: seed + 200 + UInt64(index))
            products.append(b.total(b.apply(.multiply, derivative, b.constant(direction.values, shapes[index]))))
        }
        var along = products[0]
        for product in products.dropFirst() { along = b.apply(.add, along, product) }
        let second = b.gradient(of: along, withRespectTo: variables)
        return (b.finish([value]), b.finish(first + [along]), b.finish(second))
    }
}

/// The derivative of output `slot` of `graph` by central differences.
func finiteDifferences(_ graph: Graph, _ arguments: [PreciseTensor], output slot: Int, step: Double = 1e-5)
    -> [PreciseTensor]
{
    func value(_ arguments: [PreciseTensor]) -> Double {
        ReferenceExecutor.evaluate(graph, parameters: [:], inputs: arguments).outputs[slot].values[0]
    }
    return arguments.indices.map { index in
        var result = arguments[index]
        for element in result.values.indices {
            var moved = arguments
            moved[index].values[element] += step
            let above = value(moved)
            moved[index].values[element] -= 2 * step
            result.values[element] = (above - value(moved)) / (2 * step)
        }
        return result
    }
}

/// The largest difference, against the size of the numbers (at least 1).
func disagreement(_ found: [PreciseTensor], _ expected: [PreciseTensor]) -> Double {
    var (largest, size) = (0.0, 1.0)
    for (a, b) in zip(found, expected) {
        guard a.shape == b.shape else { return .infinity }
        for (x, y) in zip(a.values, b.values) {
            guard (x - y).isFinite else { return .infinity }
            largest = max(largest, abs(x - y))
            size = max(size, abs(y))
        }
    }
    return largest / size
}
