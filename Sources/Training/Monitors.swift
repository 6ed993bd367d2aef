public import Network
internal import Tensor

// What a step says of itself besides its losses. Nothing is trained for these numbers; all are `[1]`.

extension GraphBuilder {
    /// The shares of logits on the right side of what `loss` parts real from fake by, from 0 to 1; a logit on the border
    /// counts half.
    ///
    /// The border is 0, or 1/2 between the two targets of `leastSquares`. Relativistic objectives compare with the other
    /// side's mean. A Wasserstein critic's numbers mean nothing but by their differences: its border is halfway between
    /// the means of the two sides.
    public mutating func accuracy(_ loss: AdversarialLoss, real: Value, fake: Value) -> (real: Value, fake: Value) {
        var (real, fake) = (apply(.detach, real), apply(.detach, fake))
        switch loss {
        case .nonSaturating, .hinge: break
        case .leastSquares:
            real = apply(.affine(scale: 1, offset: -0.5), real)
            fake = apply(.affine(scale: 1, offset: -0.5), fake)
        case .wasserstein:
            let middle = scaled(apply(.add, mean(real), mean(fake)), -0.5)
            real = apply(.add, real, repeated(middle, toAll: real))
            fake = apply(.add, fake, repeated(middle, toAll: fake))
        case .relativisticAverage: (real, fake) = (relative(real, to: fake), relative(fake, to: real))
        }
        return (mean(step(real, 0, 0.5, 1)), mean(step(fake, 1, 0.5, 0)))
    }

    private mutating func repeated(_ number: Value, toAll like: Value) -> Value {
        let narrow = reshaped(number, Shape([Int](repeating: 1, count: shape(like).rank)))
        return broadcast(narrow, to: shape(like))
    }

    /// How unlike each other the details are that a generator adds to different pictures, beside the same of the targets:
    /// about 1 when all is well, near 0 when it draws the same texture everywhere, or none.
    ///
    /// Details are what the mean over `factor` x `factor` pixels lacks: what the small picture could not tell. For
    /// neighbours in the batch the mean |a - b| of their details is divided by the mean |a| plus the mean |b|. Pictures that are merely
    /// soft have small details, but not equal ones: dividing keeps them from looking like a collapse.
    ///
    /// - Parameters:
    ///   - x, y: generated pictures and targets, `[N, H, W, C]` with N at least 2 and sides that are multiples of `factor`.
    public mutating func diversity(_ x: Value, _ y: Value, factor: Int) -> Value {
        // What less than a quarter of an 8-bit step shows is no detail.
        let unlike = (unlikeness(x, factor, floor: 1e-3), unlikeness(y, factor, floor: 1e-3))
        let slack = { (b: inout GraphBuilder, x: Value) in b.apply(.affine(scale: 1, offset: 1e-2), x) }
        return quotient(slack(&self, unlike.0), slack(&self, unlike.1))
    }

    private mutating func unlikeness(_ x: Value, _ factor: Int, floor: Float) -> Value {
        let x = apply(.detach, x)
        let shape = shape(x)
        let means = scaled(apply(.sumPool(factor: factor), x), 1 / Float(factor * factor))
        let details = difference(x, apply(.upsampleNearest(factor: factor), means))
        // Pictures become rows, of which the first or the last is cut off.
        let rows = reshaped(details, .nhwc(1, shape.batch, shape.height * shape.width, shape.channels))
        let (first, second) = (apply(.crop(Margins(bottom: 1)), rows), apply(.crop(Margins(top: 1)), rows))
        let sizes = apply(
            .add, mean(apply(.pointwise(.absolute), first)), mean(apply(.pointwise(.absolute), second)))
        let distance = mean(apply(.pointwise(.absolute), difference(first, second)))
        return quotient(distance, apply(.affine(scale: 1, offset: floor), sizes))
    }

    /// How far pictures' colours went from where they came from: the mean over pictures and channels of
    /// |mean(x) - mean(low)|.
    public mutating func drift(_ x: Value, from low: Value) -> Value {
        colourLoss(apply(.detach, x), apply(.detach, low))
    }
}
