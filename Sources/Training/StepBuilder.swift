internal import Autodiff
public import Network
public import Tensor

/// A graph that makes one step of training: its inputs and outputs by name.
public struct TrainingStep: Sendable {
    public let graph: Graph
    /// What the plan's inputs are: "low", "high", "g.coefficients", …
    public let inputNames: [String]
    /// What the plan's outputs, single numbers, are: losses and the norms of gradients.
    public let outputNames: [String]

    /// The tensors that a state needs for this step, with their shapes.
    public var parameters: [(name: String, shape: Shape)] { graph.parameters }
}

/// Puts a training step together: networks and losses by the caller, derivatives and updates here.
struct StepBuilder {
    var b = GraphBuilder()
    var buffers = NetworkBuffers(isTraining: true)
    /// The factor of losses while they are differentiated, and its inverse, `[2]`; nil for none.
    var scale: Value?
    private var updates: [ParameterUpdate] = []
    private var inputs: [String] = []
    private var outputs: [(name: String, value: Value)] = []

    mutating func input(_ name: String, _ shape: Shape) -> Value {
        inputs.append(name)
        return b.input(name, shape)
    }

    /// A number that the caller sees, and that must be finite for the step to count.
    mutating func report(_ name: String, _ value: Value) { outputs.append((name, value)) }

    /// `body` with this prefix before all names of parameters.
    mutating func scoped<R>(_ prefix: String, _ body: (inout GraphBuilder, inout NetworkBuffers) -> R) -> R {
        let saved = b.prefix
        b.prefix = prefix
        defer { b.prefix = saved }
        return body(&b, &buffers)
    }

    /// How a network is moved along its gradient.
    struct Rules {
        var optimizer: Optimizer
        /// Gradients of a larger norm (over all parameters together) are shortened to it.
        var largestNorm: Float?
        /// Weights are kept in plus or minus this.
        var weightLimit: Float?
        /// The share of the old average in the new one; nil for no average.
        var averageDecay: Float?
        /// Into how many parts the way to the loss is cut, all but the last of which are computed again on the way back.
        var segments = 1
    }

    /// Updates every trained parameter with this prefix so that `loss` becomes smaller.
    mutating func train(_ prefix: String, toReduce loss: Value, _ rules: Rules) {
        let names = buffers.names
        let trained = b.allParameters.filter { $0.name.hasPrefix(prefix) && !names.contains($0.name) }
        precondition(!trained.isEmpty, "no parameters begin with '\(prefix)'")
        let coefficients = input("\(prefix)coefficients", [Optimizer.coefficientCount])
        let scaled = scale.map { b.multiplied(loss, by: b.coefficient($0, 0)) }
        var gradients = b.gradient(
            of: scaled ?? loss, withRespectTo: trained.map(\.value), segments: rules.segments)
        if let scale {
            let inverse = b.coefficient(scale, 1)
            gradients = gradients.map { b.multiplied($0, by: inverse) }
        }

        var squares: Value?
        for gradient in gradients {
            let sum = b.total(b.square(gradient))
            squares = squares.map { b.apply(.add, $0, sum) } ?? sum
        }
        let norm = b.apply(.pointwise(.squareRoot), squares!)
        report("\(prefix)norm", norm)
        if let largest = rules.largestNorm {
            let padded = b.apply(.affine(scale: 1, offset: 1e-6), norm)
            let factor = b.apply(
                .clamp(low: 0, high: 1), b.scaled(b.apply(.pointwise(.reciprocal), padded), largest))
            gradients = gradients.map { b.multiplied($0, by: factor) }
        }

        for ((name, parameter), gradient) in zip(trained, gradients) {
            var moved = b.update(
                parameter, name, gradient: gradient, optimizer: rules.optimizer, coefficients: coefficients)
            if let limit = rules.weightLimit {
                moved[0] = ParameterUpdate(
                    parameter: parameter, value: b.apply(.clamp(low: -limit, high: limit), moved[0].value))
            }
            if let decay = rules.averageDecay {
                let average = b.parameter("ema." + name, b.shape(parameter))
                moved.append(
                    ParameterUpdate(
                        parameter: average,
                        value: b.apply(.add, b.scaled(average, decay), b.scaled(moved[0].value, 1 - decay))))
            }
            updates += moved
        }
    }

    mutating func finish() -> TrainingStep {
        let values = outputs.map(\.value)
        let graph = b.finish(values, updates: updates + buffers.updates, guards: values)
        return TrainingStep(
            graph: graph.simplified(), inputNames: inputs, outputNames: outputs.map(\.name))
    }
}
