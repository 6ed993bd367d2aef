internal import Autodiff
public import Network
internal import Tensor

/// What two networks play for. Logits are of any shape; objectives are means, `[1]`.
public enum AdversarialLoss: String, Codable, Hashable, Sendable, CaseIterable {
    /// Binary cross-entropy on logits; the generator maximises log D(fake).
    case nonSaturating
    /// Squared distance to 1 (real) and 0 (fake).
    case leastSquares
    case hinge
    /// The means' difference: for critics whose weights are clipped, or whose gradient is penalised.
    case wasserstein
    /// Non-saturating, on each logit minus the mean logit of the other side.
    case relativisticAverage
}

extension GraphBuilder {
    /// The generator's objective.
    ///
    /// - Parameter real: the logits of real pictures, which relativistic objectives compare with; no gradient flows
    ///   through them.
    public mutating func generatorLoss(_ loss: AdversarialLoss, fake: Value, real: Value? = nil) -> Value {
        switch loss {
        case .nonSaturating: return crossEntropy(fake, isReal: true)
        case .leastSquares: return mean(square(apply(.affine(scale: 1, offset: -1), fake)))
        case .hinge, .wasserstein: return scaled(mean(fake), -1)
        case .relativisticAverage:
            guard let real else { preconditionFailure("a relativistic objective needs the logits of real pictures") }
            let fixed = apply(.detach, real)
            let sum = apply(
                .add, crossEntropy(relative(fixed, to: fake), isReal: false),
                crossEntropy(relative(fake, to: fixed), isReal: true))
            return scaled(sum, 0.5)
        }
    }

    /// The discriminator's objectives for real and for fake pictures, which are added.
    public mutating func discriminatorLoss(_ loss: AdversarialLoss, real: Value, fake: Value) -> (
        real: Value, fake: Value
    ) {
        switch loss {
        case .nonSaturating: return (crossEntropy(real, isReal: true), crossEntropy(fake, isReal: false))
        case .leastSquares:
            return (mean(square(apply(.affine(scale: 1, offset: -1), real))), mean(square(fake)))
        case .hinge:
            return (
                mean(apply(.pointwise(.relu), apply(.affine(scale: -1, offset: 1), real))),
                mean(apply(.pointwise(.relu), apply(.affine(scale: 1, offset: 1), fake)))
            )
        case .wasserstein: return (scaled(mean(real), -1), mean(fake))
        case .relativisticAverage:
            // ESRGAN's: each half counts half.
            return (
                scaled(crossEntropy(relative(real, to: fake), isReal: true), 0.5),
                scaled(crossEntropy(relative(fake, to: real), isReal: false), 0.5)
            )
        }
    }

    /// Binary cross-entropy of logits: softplus(-x) for real, softplus(x) for fake ones.
    private mutating func crossEntropy(_ logits: Value, isReal: Bool) -> Value {
        mean(apply(.pointwise(.softplus), isReal ? scaled(logits, -1) : logits))
    }

    /// `x - mean(other)`
    mutating func relative(_ x: Value, to other: Value) -> Value {
        let narrow = mean(other, over: Array(0..<shape(other).rank))
        return difference(x, broadcast(narrow, to: shape(x)))
    }

    // MARK: Penalties

    /// R1 (Mescheder et al. 2018): gamma / 2 times the mean over pictures of |d D(real) / d real|².
    ///
    /// - Parameters:
    ///   - logits: of `pictures`, computed in this graph.
    ///   - pictures: `[N, …]`, the value that the discriminator read.
    public mutating func gradientPenalty(logits: Value, pictures: Value, gamma: Float) -> Value {
        let gradient = gradient(of: total(logits), withRespectTo: [pictures])[0]
        return scaled(total(square(gradient)), gamma / 2 / Float(shape(pictures).dimensions[0]))
    }

    /// WGAN-GP (Gulrajani et al. 2017): the mean over pictures of (|d D(x) / d x| - 1)².
    ///
    /// - Parameters:
    ///   - logits: of `pictures`, computed in this graph.
    ///   - pictures: between real and fake ones, see `interpolated`.
    public mutating func lipschitzPenalty(logits: Value, pictures: Value) -> Value {
        let gradient = gradient(of: total(logits), withRespectTo: [pictures])[0]
        let axes = Array(1..<shape(pictures).rank)
        let norms = apply(.pointwise(.squareRoot), sum(square(gradient), over: axes))
        return mean(square(apply(.affine(scale: 1, offset: -1), norms)))
    }

    /// Path length regularisation (StyleGAN2, Karras et al. 2020, section 3.2 and appendix B): the mean over pictures of
    /// (|J^T y| - a)², where J is the pictures' derivative by what they were made from. Small steps there shall change
    /// pictures by the same amount everywhere.
    ///
    /// - Parameters:
    ///   - pictures: `[N, H, W, C]`, computed in this graph, each from its part of `latents` alone.
    ///   - latents: `[N, …]`, the value that the generator read.
    ///   - noise: y, of the pictures' shape: standard normal numbers, which the paper's code divides by sqrt(H * W), so
    ///     that lengths do not depend on the size.
    ///   - target: a, `[1]`, 0 or more: the moving average of earlier lengths, which the caller keeps (the paper's code
    ///     goes a hundredth of the way to `length` after each step).
    /// - Returns: the penalty, and the mean of |J^T y|; both `[1]`.
    public mutating func pathLengthPenalty(
        pictures: Value, latents: Value, noise: Value, target: Value
    ) -> (penalty: Value, length: Value) {
        let product = total(apply(.multiply, pictures, noise))
        let gradient = gradient(of: product, withRespectTo: [latents])[0]
        let axes = Array(1..<shape(latents).rank)
        let lengths = apply(.pointwise(.squareRoot), sum(square(gradient), over: axes))
        let narrow = reshaped(target, Shape([Int](repeating: 1, count: shape(lengths).rank)))
        return (mean(square(difference(lengths, broadcast(narrow, to: shape(lengths))))), mean(lengths))
    }

    /// `share * real + (1 - share) * fake` with one share in [0, 1) for each picture, `[N, 1, 1, 1]`.
    public mutating func interpolated(_ real: Value, _ fake: Value, share: Value) -> Value {
        let shares = broadcast(share, to: shape(real))
        let rest = apply(.affine(scale: -1, offset: 1), shares)
        return apply(.add, apply(.multiply, real, shares), apply(.multiply, fake, rest))
    }
}
