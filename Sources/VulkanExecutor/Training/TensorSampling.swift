internal import Network
internal import Planning
internal import Tensor

extension TensorCompiler {
    mutating func lowerSample(_ value: Value, _ filter: SampleFilter, _ border: SampleBorder) {
        let node = graph[value]
        let (source, shape) = (graph.shape(node.operands[0]), node.shape)
        appendDirect(
            "sample \(filter) \(shape)",
            .shader(
                "tensor_sample", bindings: 3, words: 5,
                constants: [UInt32(threads), filter == .nearest ? 1 : 0, border == .border ? 1 : 0]),
            [full(operand(node.operands[0])), full(operand(node.operands[1])), operand(value)],
            push: [shape.count, shape.height * shape.width, shape.channels, source.height, source.width].map {
                UInt32($0)
            }, workgroups: blocks(shape.count, threads))
    }

    mutating func lowerSampleAdjoint(_ value: Value, _ border: SampleBorder) {
        let node = graph[value]
        let (source, shape) = (graph.shape(node.operands[0]), node.shape)
        let sums = shape.batch * shape.channels
        appendDirect(
            "sample adjoint \(shape)",
            .shader(
                "tensor_sample_adjoint", bindings: 3, words: 5,
                constants: [UInt32(threads), border == .border ? 1 : 0]),
            [full(operand(node.operands[0])), full(operand(node.operands[1])), operand(value)],
            push: [sums, source.height * source.width, shape.channels, shape.height, shape.width].map { UInt32($0) },
            workgroups: blocks(sums, threads))
    }
}
