internal import Autodiff
public import Network
internal import Tensor

// Objectives between a result and its target. All are means, so that they do not depend on the picture's size: numbers `[1]`.

extension GraphBuilder {
    /// The mean of |x - y|.
    public mutating func l1Loss(_ x: Value, _ y: Value) -> Value {
        mean(apply(.pointwise(.absolute), difference(x, y)))
    }

    /// The mean of (x - y)².
    public mutating func squaredLoss(_ x: Value, _ y: Value) -> Value { mean(square(difference(x, y))) }

    /// The mean of sqrt((x - y)² + epsilon).
    public mutating func charbonnierLoss(_ x: Value, _ y: Value, epsilon: Float = 1e-12) -> Value {
        let squares = apply(.affine(scale: 1, offset: epsilon), square(difference(x, y)))
        return mean(apply(.pointwise(.squareRoot), squares))
    }

    /// How far the mean colours of each picture are apart: the mean of |mean(x) - mean(y)| over pictures and channels.
    public mutating func colourLoss(_ x: Value, _ y: Value) -> Value {
        l1Loss(mean(x, over: [1, 2]), mean(y, over: [1, 2]))
    }

    /// The sum over layers of the mean |x - y|, each times its weight: for perceptual features and for a discriminator's.
    public mutating func featureLoss(_ x: [Value], _ y: [Value], weights: [Float]) -> Value {
        precondition(x.count == y.count && x.count == weights.count && !x.isEmpty, "\(x.count) layers")
        var sum: Value?
        for (index, weight) in weights.enumerated() {
            let loss = scaled(l1Loss(x[index], apply(.detach, y[index])), weight)
            sum = sum.map { apply(.add, $0, loss) } ?? loss
        }
        return sum!
    }

    /// 1 - MS-SSIM (Wang et al. 2003) of pictures in [0, 1]: an 11x11 Gaussian window of deviation 1.5, the given weights
    /// of scales, halved by the mean of 2x2 pixels in between; windows stay inside the picture.
    ///
    /// - Precondition: the smallest scale has at least 11x11 pixels.
    public mutating func msSSIMLoss(
        _ x: Value, _ y: Value, weights: [Float] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    ) -> Value {
        var (x, y) = (x, y)
        var product: Value?
        for (scale, weight) in weights.enumerated() {
            let (luminance, contrast) = similarity(x, y)
            let isLast = scale == weights.count - 1
            let similarity = isLast ? apply(.multiply, luminance, contrast) : contrast
            // Means per picture and channel; below zero there is no power.
            let average = apply(.pointwise(.relu), mean(similarity, over: [1, 2]))
            let positive = apply(.clamp(low: 1e-8, high: .greatestFiniteMagnitude), average)
            let power = apply(
                .pointwise(.exponential), scaled(apply(.pointwise(.logarithm), positive), weight))
            product = product.map { apply(.multiply, $0, power) } ?? power
            if !isLast { (x, y) = (halved(x), halved(y)) }
        }
        return apply(.affine(scale: -1, offset: 1), mean(product!))
    }

    private mutating func halved(_ x: Value) -> Value {
        var x = x
        let (height, width) = (shape(x).height, shape(x).width)
        if height % 2 + width % 2 > 0 { x = apply(.crop(Margins(bottom: height % 2, right: width % 2)), x) }
        return scaled(apply(.sumPool(factor: 2), x), 0.25)
    }

    /// SSIM's two factors at every window.
    private mutating func similarity(_ x: Value, _ y: Value) -> (luminance: Value, contrast: Value) {
        let (c1, c2): (Float, Float) = (0.01 * 0.01, 0.03 * 0.03)
        let (meanX, meanY) = (windowed(x), windowed(y))
        let (squareX, squareY) = (square(meanX), square(meanY))
        let product = apply(.multiply, meanX, meanY)
        let varianceX = difference(windowed(square(x)), squareX)
        let varianceY = difference(windowed(square(y)), squareY)
        let covariance = difference(windowed(apply(.multiply, x, y)), product)
        let luminance = quotient(
            apply(.affine(scale: 2, offset: c1), product),
            apply(.affine(scale: 1, offset: c1), apply(.add, squareX, squareY)))
        let contrast = quotient(
            apply(.affine(scale: 2, offset: c2), covariance),
            apply(.affine(scale: 1, offset: c2), apply(.add, varianceX, varianceY)))
        return (luminance, contrast)
    }

    /// Gaussian means of 11x11 pixels, along columns and then rows.
    private mutating func windowed(_ x: Value) -> Value {
        let channels = shape(x).channels
        let weights = gaussian(count: 11, deviation: 1.5)
        let all = (0..<channels).flatMap { _ in weights }
        let column = constant(all, [channels, 1, 11, 1])
        let row = constant(all, [channels, 1, 1, 11])
        let operation = Operation.convolution(stride: 1, padding: 0, groups: channels)
        return apply(operation, apply(operation, x, column), row)
    }

    /// Focal frequency loss (Jiang et al. 2021), alpha 1, the whole picture as one patch: the mean over frequencies of
    /// w |F(x) - F(y)|², where w is |F(x) - F(y)| over its largest value of each picture and channel, without gradient;
    /// F orthonormal.
    public mutating func focalFrequencyLoss(_ x: Value, _ y: Value) -> Value {
        let distance = powerSpectrum(difference(x, y))
        let size = apply(.pointwise(.squareRoot), apply(.detach, distance))
        let largest = largestPerPlane(size)
        let weights = apply(
            .multiply, size, broadcast(apply(.pointwise(.reciprocal), largest), to: shape(size)))
        return mean(apply(.multiply, apply(.detach, weights), distance))
    }

    /// |F(x)|² with F orthonormal over rows and columns: `[N, C, H, W]`.
    private mutating func powerSpectrum(_ x: Value) -> Value {
        let planes = apply(.transpose([0, 3, 1, 2]), x)
        let shape = shape(planes)
        let (height, width) = (shape[2], shape[3])
        let (rowCosine, rowSine) = fourier(height)
        let (columnCosine, columnSine) = fourier(width)
        let (flat, stack): (Shape, Int) = ([shape[0] * shape[1] * height, width], shape[0] * shape[1])
        func alongRows(_ matrix: Value, _ x: Value) -> Value {
            apply(.product(transposeLeft: false, transposeRight: false), broadcast(matrix, stack, height), x)
        }
        func alongColumns(_ x: Value, _ matrix: Value) -> Value {
            let y = apply(.product(transposeLeft: false, transposeRight: false), reshaped(planes, flat), matrix)
            return reshaped(y, [stack, height, width])
        }
        // (C - iS) x (C' - iS'), first along columns.
        let (real, imaginary) = (alongColumns(planes, columnCosine), alongColumns(planes, columnSine))
        let a = difference(alongRows(rowCosine, real), alongRows(rowSine, imaginary))
        let b = apply(.add, alongRows(rowCosine, imaginary), alongRows(rowSine, real))
        return reshaped(apply(.add, square(a), square(b)), shape)
    }

    private mutating func broadcast(_ matrix: Value, _ stack: Int, _ side: Int) -> Value {
        broadcast(reshaped(matrix, [1, side, side]), to: [stack, side, side])
    }

    /// Cosines and sines of the orthonormal Fourier transform of `count` samples.
    private mutating func fourier(_ count: Int) -> (cosine: Value, sine: Value) {
        let scale = 1 / Double(count).squareRoot()
        var (cosines, sines): ([Float], [Float]) = ([], [])
        for row in 0..<count {
            for column in 0..<count {
                let angle = 2 * Double.pi * Double(row * column % count) / Double(count)
                cosines.append(Float(cosine(angle) * scale))
                sines.append(Float(sine(angle) * scale))
            }
        }
        return (constant(cosines, [count, count]), constant(sines, [count, count]))
    }

    /// The largest element of each plane of `[N, C, H, W]`, as `[N, C, 1, 1]`; the elements are at least zero.
    private mutating func largestPerPlane(_ x: Value) -> Value {
        let shape = shape(x)
        var rest = reshaped(x, .nhwc(1, shape[0] * shape[1], 1, shape[2] * shape[3]))
        // Halves against halves: max(a, b) = a + relu(b - a); an odd one is compared with zero.
        while self.shape(rest).channels > 1 {
            let count = self.shape(rest).channels
            if count % 2 == 1 {
                rest = concatenate([rest, constant([0], .nhwc(1, shape[0] * shape[1], 1, 1))])
                continue
            }
            let first = apply(.sliceChannels(start: 0, count: count / 2), rest)
            let second = apply(.sliceChannels(start: count / 2, count: count / 2), rest)
            rest = apply(.add, first, apply(.pointwise(.relu), difference(second, first)))
        }
        return reshaped(rest, [shape[0], shape[1], 1, 1])
    }
}

/// `count` weights of a Gaussian that sum to one.
private func gaussian(count: Int, deviation: Double) -> [Float] {
    let weights = (0..<count).map { index in
        let distance = Double(index) - Double(count - 1) / 2
        return exponential(-distance * distance / (2 * deviation * deviation))
    }
    let sum = weights.reduce(0, +)
    return weights.map { Float($0 / sum) }
}
