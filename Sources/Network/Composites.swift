public import Tensor

// What is made of several operations.

extension GraphBuilder {
    /// `x * factor`; x itself when the factor is 1.
    public mutating func scaled(_ x: Value, _ factor: Float) -> Value {
        factor == 1 ? x : apply(.affine(scale: factor, offset: 0), x)
    }

    /// `negative`, `zero` or `positive`, by the sign of x.
    public mutating func step(_ x: Value, _ negative: Float, _ zero: Float, _ positive: Float) -> Value {
        apply(.pointwise(.step(negative: negative, zero: zero, positive: positive)), x)
    }

    /// `a - b`
    public mutating func difference(_ a: Value, _ b: Value) -> Value {
        apply(.add, a, apply(.affine(scale: -1, offset: 0), b))
    }

    public mutating func quotient(_ a: Value, _ b: Value) -> Value {
        apply(.multiply, a, apply(.pointwise(.reciprocal), b))
    }

    public mutating func square(_ x: Value) -> Value { apply(.multiply, x, x) }

    /// x, repeated along axes of extent 1; x itself when it has that shape.
    public mutating func broadcast(_ x: Value, to target: Shape) -> Value {
        shape(x) == target ? x : apply(.broadcast(to: target), x)
    }

    /// A vector `[C]` or a number `[1]`, repeated to the shape of `like`.
    public mutating func repeated(_ vector: Value, like: Value) -> Value {
        let target = shape(like)
        var narrow = [Int](repeating: 1, count: target.rank)
        narrow[target.rank - 1] = shape(vector).count
        return broadcast(reshaped(vector, Shape(narrow)), to: target)
    }

    public mutating func reshaped(_ x: Value, _ target: Shape) -> Value {
        shape(x) == target ? x : apply(.reshape(target), x)
    }

    /// The sum over `axes`, which keep the extent 1.
    public mutating func sum(_ x: Value, over axes: [Int]) -> Value {
        var target = shape(x).dimensions
        for axis in axes { target[axis] = 1 }
        return Shape(target) == shape(x) ? x : apply(.sum(to: Shape(target)), x)
    }

    /// The mean over `axes`, which keep the extent 1.
    public mutating func mean(_ x: Value, over axes: [Int]) -> Value {
        var target = shape(x).dimensions
        for axis in axes { target[axis] = 1 }
        return Shape(target) == shape(x) ? x : apply(.mean(to: Shape(target)), x)
    }

    /// The sum of all elements, `[1]`.
    public mutating func total(_ x: Value) -> Value {
        reshaped(sum(x, over: Array(0..<shape(x).rank)), [1])
    }

    /// The mean of all elements, `[1]`.
    public mutating func mean(_ x: Value) -> Value {
        reshaped(mean(x, over: Array(0..<shape(x).rank)), [1])
    }

    /// `[…, C]` summed to `[C]`.
    public mutating func sumToVector(_ x: Value) -> Value {
        reshaped(sum(x, over: Array(0..<(shape(x).rank - 1))), [shape(x).lastExtent])
    }

    /// FIR resampling (StyleGAN's `upfirdn2d`): `up - 1` zeros behind each sample, margins of zeros, convolution with the
    /// kernel, every `down`th sample.
    ///
    /// - Parameter kernel: rows of equal length; turned by half a turn, as a convolution is.
    public mutating func firResampled(
        _ x: Value, kernel: [[Float]], up: Int = 1, down: Int = 1, margins: Margins = Margins()
    ) -> Value {
        var y = x
        let channels = shape(x).channels
        if up > 1 {
            let apart = Operation.convolutionTranspose(
                stride: up, padding: 0, groups: channels, height: shape(x).height * up, width: shape(x).width * up)
            y = apply(apart, y, constant([1], [channels, 1, 1, 1]))
        }
        if margins != Margins() { y = apply(.pad(margins, .zero), y) }
        let (height, width) = (kernel.count, kernel[0].count)
        let turned = [Float](kernel.joined().reversed())
        let weights = constant((0..<channels).flatMap { _ in turned }, [channels, 1, height, width])
        return apply(.convolution(stride: down, padding: 0, groups: channels), y, weights)
    }

    /// PyTorch's `grid_sample`: x `[N, H, W, C]` at the positions of a grid `[N, h, w, 2]`, whose columns and rows go from -1
    /// to 1 over the image.
    ///
    /// - Parameter alignsCorners: whether -1 and 1 are the centres of the outer pixels, not their outer edges.
    public mutating func gridSample(
        _ x: Value, _ grid: Value, _ filter: SampleFilter = .bilinear, _ border: SampleBorder = .zeros,
        alignsCorners: Bool = false
    ) -> Value {
        // In pixels: (g + 1) / 2 * (size - 1), or ((g + 1) * size - 1) / 2.
        let sizes = [Float(shape(x).width), Float(shape(x).height)]
        let scales = sizes.map { alignsCorners ? ($0 - 1) / 2 : $0 / 2 }
        let offsets = sizes.map { ($0 - 1) / 2 }
        let scaled = apply(.multiply, grid, constant(scales, [2]))
        return apply(.sample(filter, border), x, apply(.add, scaled, constant(offsets, [2])))
    }

    /// x moved by a flow: each pixel of the result is read where its own place plus the flow's column and row lies.
    ///
    /// - Parameter flow: `[N, H, W, 2]`, in pixels.
    public mutating func warped(_ x: Value, by flow: Value, _ border: SampleBorder = .border) -> Value {
        let shape = shape(flow)
        let places = (0..<shape.height).flatMap { row in
            (0..<shape.width).flatMap { [Float($0), Float(row)] }
        }
        let grid = constant(places, [1, shape.height, shape.width, 2])
        return apply(.sample(.bilinear, border), x, apply(.add, flow, broadcast(grid, to: shape)))
    }

    /// `sqrt(sum(x²))` over all elements, `[1]`.
    public mutating func norm(_ x: Value) -> Value { apply(.pointwise(.squareRoot), total(square(x))) }

    /// A number `[1]` times a tensor.
    public mutating func multiplied(_ x: Value, by number: Value) -> Value {
        let narrow = reshaped(number, Shape([Int](repeating: 1, count: shape(x).rank)))
        return apply(.multiply, x, broadcast(narrow, to: shape(x)))
    }
}
