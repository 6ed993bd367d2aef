internal import CKernels
internal import Network
internal import Planning
internal import Tensor

extension PlanCompiler {
    mutating func lowerSample(
        _ value: Value, _ filter: SampleFilter, _ border: SampleBorder
    ) throws(ExecutionError) {
        let node = graph[value]
        let (source, shape) = (graph.shape(node.operands[0]), node.shape)
        let pixels = shape.height * shape.width
        let perBlock = max(1, 4096 / max(1, shape.channels))
        let (x, positions, target) = (
            try place(node.operands[0]), try place(node.operands[1]), try place(value)
        )
        append(
            "sample \(filter) \(shape)", tensorKernels.pointee.sample, blocks: blocks(shape.batch * pixels, perBlock),
            reads: [x, positions], writes: [target]
        ) { (resolve) throws(ExecutionError) in
            ct_sample_job(
                source: resolve(x), positions: resolve(positions), target: resolve(target), batch: Int64(shape.batch),
                source_height: Int64(source.height), source_width: Int64(source.width),
                channels: Int64(shape.channels), pixels: Int64(pixels), per_block: Int64(perBlock),
                is_nearest: filter == .nearest ? 1 : 0, clamps: border == .border ? 1 : 0)
        }
    }

    mutating func lowerSampleAdjoint(_ value: Value, _ border: SampleBorder) throws(ExecutionError) {
        let node = graph[value]
        let (source, shape) = (graph.shape(node.operands[0]), node.shape)
        let lanes = 16
        let (g, positions, target) = (
            try place(node.operands[0]), try place(node.operands[1]), try place(value)
        )
        append(
            "sample adjoint \(shape)", tensorKernels.pointee.sample_adjoint,
            blocks: shape.batch * blocks(shape.channels, lanes), reads: [g, positions], writes: [target]
        ) { (resolve) throws(ExecutionError) in
            ct_sample_adjoint_job(
                source: resolve(g), positions: resolve(positions), target: resolve(target), batch: Int64(shape.batch),
                height: Int64(shape.height), width: Int64(shape.width), channels: Int64(shape.channels),
                pixels: Int64(source.height * source.width), lanes: Int64(lanes), clamps: border == .border ? 1 : 0)
        }
    }
}
