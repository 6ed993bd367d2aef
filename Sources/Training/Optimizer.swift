internal import Autodiff
public import Network
public import Tensor

/// An update rule. As graph nodes it is `GraphBuilder.update`; the numbers that change from step to step are an input of
/// the step's plan, made by `coefficients`.
public struct Optimizer: Codable, Hashable, Sendable {
    public enum Rule: String, Codable, Sendable {
        case adam
        /// Weight decay apart from the gradient (Loshchilov and Hutter 2019).
        case adamW
        /// AdamW without a schedule (Defazio et al. 2024): the trained weights are a mixture of a fast sequence and of its
        /// average; see `averaged`.
        case scheduleFree
    }

    public var rule: Rule
    public var beta1: Float
    public var beta2: Float
    public var epsilon: Float
    public var weightDecay: Float

    public init(
        _ rule: Rule = .adam, beta1: Float = 0.9, beta2: Float = 0.99, epsilon: Float = 1e-8, weightDecay: Float = 0
    ) {
        (self.rule, self.beta1, self.beta2) = (rule, beta1, beta2)
        (self.epsilon, self.weightDecay) = (epsilon, weightDecay)
    }

    /// How many numbers `coefficients` has.
    static let coefficientCount = 4

    /// What the rule needs in one step.
    ///
    /// - Parameters:
    ///   - step: of this network's optimiser, from 1 on.
    ///   - rate: this step's learning rate.
    ///   - history: sums over earlier steps; a run must store it and hand it back.
    public func coefficients(step: Int, rate: Double, history: inout OptimizerHistory) -> HostTensor {
        precondition(step >= 1, "steps count from 1")
        let correction1 = 1 - power(Double(beta1), Double(step))
        let correction2 = 1 - power(Double(beta2), Double(step))
        switch rule {
        case .adam, .adamW:
            let decay = rule == .adamW ? 1 - rate * Double(weightDecay) : 1
            return HostTensor(
                [Self.coefficientCount],
                [Float(rate / correction1), Float(1 / correction2.squareRoot()), Float(decay), 0])
        case .scheduleFree:
            history.largestRate = max(history.largestRate, rate)
            let weight = history.largestRate * history.largestRate
            history.weightSum += weight
            let share = history.weightSum > 0 ? weight / history.weightSum : 0
            let rateForY = rate * (Double(beta1) * (1 - share) - 1)
            return HostTensor(
                [Self.coefficientCount],
                [Float(rate), Float(1 / correction2.squareRoot()), Float(share), Float(rateForY)])
        }
    }

    /// The tensors that the rule keeps for a parameter, besides itself.
    func moments(_ name: String) -> [String] {
        rule == .scheduleFree ? ["free.z." + name, "adam.v." + name] : ["adam.m." + name, "adam.v." + name]
    }

    /// The state that training starts from: moments for these parameters.
    public func initialMoments(_ parameters: Parameters) -> Parameters {
        var result: Parameters = [:]
        for (name, tensor) in parameters {
            let names = moments(name)
            result[names[0]] = rule == .scheduleFree ? tensor : HostTensor(tensor.shape)
            result[names[1]] = HostTensor(tensor.shape)
        }
        return result
    }

    /// The weights to test and to keep: the trained ones, but for `scheduleFree` the average that they circle around.
    ///
    /// - Parameters: tensors of one parameter by `name`: itself, and its moments.
    public func averaged(_ name: String, in state: Parameters) -> HostTensor {
        guard let y = state[name] else { preconditionFailure("no parameter '\(name)'") }
        guard rule == .scheduleFree, let z = state["free.z." + name] else { return y }
        return HostTensor(y.shape, zip(y.values, z.values).map { $0 + (1 - 1 / beta1) * ($1 - $0) })
    }
}

/// What `scheduleFree` remembers besides tensors.
public struct OptimizerHistory: Codable, Hashable, Sendable {
    public var largestRate = 0.0
    public var weightSum = 0.0
    public init() {}
}

extension GraphBuilder {
    /// The new values of a parameter and of its moments.
    ///
    /// - Parameters:
    ///   - gradient: of the parameter's shape.
    ///   - coefficients: `Optimizer.coefficients` of this step.
    mutating func update(
        _ parameter: Value, _ name: String, gradient: Value, optimizer: Optimizer, coefficients: Value
    ) -> [ParameterUpdate] {
        let shape = shape(parameter)
        let savedPrefix = prefix
        prefix = ""
        defer { prefix = savedPrefix }
        let names = optimizer.moments(name)
        let (first, second) = (self.parameter(names[0], shape), self.parameter(names[1], shape))
        let numbers = (0..<Optimizer.coefficientCount).map { index in coefficient(coefficients, index) }
        func times(_ x: Value, _ number: Value) -> Value { multiplied(x, by: number) }

        // Adam's own weight decay is part of the gradient.
        var gradient = gradient
        if optimizer.rule == .adam && optimizer.weightDecay != 0 {
            gradient = apply(.add, gradient, scaled(parameter, optimizer.weightDecay))
        }
        let newSecond = apply(
            .add, scaled(second, optimizer.beta2), scaled(square(gradient), 1 - optimizer.beta2))
        let deviation = times(apply(.pointwise(.squareRoot), newSecond), numbers[1])
        let divisor = apply(.affine(scale: 1, offset: optimizer.epsilon), deviation)
        switch optimizer.rule {
        case .adam, .adamW:
            let newFirst = apply(.add, scaled(first, optimizer.beta1), scaled(gradient, 1 - optimizer.beta1))
            let change = times(quotient(newFirst, divisor), numbers[0])
            let decayed = optimizer.rule == .adamW ? times(parameter, numbers[2]) : parameter
            return [
                ParameterUpdate(parameter: parameter, value: difference(decayed, change)),
                ParameterUpdate(parameter: first, value: newFirst),
                ParameterUpdate(parameter: second, value: newSecond),
            ]
        case .scheduleFree:
            let direction = apply(
                .add, quotient(gradient, divisor), scaled(parameter, optimizer.weightDecay))
            // y moves towards z by the share, then against the gradient; z moves against the gradient.
            let towards = apply(.add, parameter, times(difference(first, parameter), numbers[2]))
            return [
                ParameterUpdate(parameter: parameter, value: apply(.add, towards, times(direction, numbers[3]))),
                ParameterUpdate(parameter: first, value: difference(first, times(direction, numbers[0]))),
                ParameterUpdate(parameter: second, value: newSecond),
            ]
        }
    }

    /// Number `index` of a vector.
    mutating func coefficient(_ vector: Value, _ index: Int) -> Value {
        let row = reshaped(vector, .nhwc(1, 1, 1, shape(vector).count))
        return reshaped(apply(.sliceChannels(start: index, count: 1), row), [1])
    }
}
