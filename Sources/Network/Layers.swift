internal import Tensor

// The layers that architectures are written in: a few primitives each, parameters named as in the field's state dicts.

extension GraphBuilder {
    /// A square convolution `name.weight` `[output, input, kernel, kernel]` with `name.bias`, "same" padding, stride 1.
    public mutating func convolution(_ x: Value, _ name: String, to output: Int, kernel: Int = 3) -> Value {
        let weight = parameter("\(name).weight", [output, shape(x).channels, kernel, kernel])
        let bias = parameter("\(name).bias", [output])
        return apply(.convolution(stride: 1, padding: kernel / 2, groups: 1), x, weight, bias)
    }

    public mutating func leakyReLU(_ x: Value, _ slope: Float) -> Value {
        apply(.pointwise(.leakyReLU(slope: slope)), x)
    }

    /// `x * scale + residual`
    public mutating func scaledResidual(_ x: Value, scale: Float, _ residual: Value) -> Value {
        apply(.add, apply(.affine(scale: scale, offset: 0), x), residual)
    }

    /// Reflects the picture's bottom and right edges up to a multiple of `multiple`, lets `body` work on it, and crops
    /// its result (`scale` times as large) back.
    public mutating func padded(
        _ x: Value, toMultipleOf multiple: Int, scale: Int, _ body: (inout GraphBuilder, Value) -> Value
    ) -> Value {
        let shape = shape(x)
        let bottom = (multiple - shape.height % multiple) % multiple
        let right = (multiple - shape.width % multiple) % multiple
        if bottom == 0 && right == 0 { return body(&self, x) }
        let padded = apply(.pad(Margins(bottom: bottom, right: right), .reflect), x)
        return apply(.crop(Margins(bottom: bottom * scale, right: right * scale)), body(&self, padded))
    }
}
