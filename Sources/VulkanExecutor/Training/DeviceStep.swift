internal import Compute
internal import Network
internal import Planning

/// Where a tensor lies.
enum TensorPlace: Hashable {
    /// A piece of the arena.
    case buffer(Int)
    case state(String)
    /// From this element of the plan's constants on.
    case constant(Int)
}

/// Elements of a tensor, from one of them on.
struct TensorReference: Hashable {
    var place: TensorPlace
    var offset = 0
    /// How many from the place's beginning on may be touched.
    var count: Int
    /// Whether they are half floats; `offset` and `count` count them.
    var isHalf = false

    /// Words of memory.
    var words: Int { isHalf ? (count + 1) / 2 : count }
}

/// One step of a plan, before it is known where buffers lie.
struct DeviceStep {
    /// A dispatch on whole tensors.
    struct Direct {
        var kernel: TensorKernel
        /// One a binding, the last ones written.
        var tensors: [TensorReference]
        var writes: Int
        var push: [UInt32]
        var workgroups: Int
    }

    /// A dispatch that serves many tensors; see Shaders/tensor_rows.glsl.
    struct Rows {
        enum Kernel: Hashable {
            case expression(ExpressionForm)
            /// Bindings are one a tensor of a record, and the table.
            case shader(String, constants: [UInt32])
        }

        struct Row {
            /// What a record begins with; the tensors' offsets follow.
            var words: [UInt32]
            var tensors: [TensorReference]
            var blocks: Int
        }

        var kernel: Kernel
        /// How many tensors of each row are written: the last ones.
        var writes: Int
        var parameter = 0
        var rows: [Row]
    }

    enum Work {
        case direct(Direct)
        case rows(Rows)
        /// One of the program's own, on views.
        case views(Step)
    }

    /// For reports.
    var name: String
    /// Whether it depends on constants alone.
    var isConstant = false
    var work: Work
    var multiplyAdds = 0
    var kind = LayerTiming.Kind.move
    /// Bytes that it must move at the least.
    var leastBytes = 0

    var isOnViews: Bool { if case .views = work { true } else { false } }

    /// The tensors that it reads and writes.
    var tensors: [TensorReference] {
        switch work {
        case .direct(let direct): direct.tensors
        case .rows(let rows): rows.rows.flatMap(\.tensors)
        case .views: []
        }
    }

    /// The buffers of the arena that it touches.
    var buffers: [Int] {
        if case .views(let step) = work { return step.buffers }
        return tensors.compactMap { if case .buffer(let index) = $0.place { index } else { nil } }
    }
}
