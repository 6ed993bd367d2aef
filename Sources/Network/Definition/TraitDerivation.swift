internal import Tensor

/// The traits of a network, from the graphs that its definition makes: of one size whose sides are multiples of the size
/// multiple, so that nothing is padded; of a second one, where the scale must be the same; and of small ones.
struct TraitDerivation: Sendable {
    let traits: NetworkTraits
    let parameters: [(name: String, shape: Shape)]

    /// Sides of frames that are looked at: multiples of many numbers, so that most networks take the first.
    private static let sides = [240, 480, 1920, 7680]
    /// The largest size multiple. Networks have 1 to 64; tiles need a few multiples.
    private static let largestMultiple = 1024
    /// Steps of the walk back through the graph that a receptive field may take; RRDBNet with 23 blocks takes 10^4.
    private static let mostWork = 1 << 27

    init(_ definition: NetworkDefinition) throws(GraphError) {
        func graph(_ size: Extent) throws(GraphError) -> Graph {
            try definition.graph(definition.inputs.map { .nhwc(1, size.height, size.width, $0.channels) })
        }
        func mistake(_ reason: String) -> GraphError {
            GraphError(operation: definition.name, operands: [], reason: reason)
        }
        var (size, whole) = try Self.first(graph)
        var trace = try FrameTrace(whole)
        var multiple = try trace.sizeMultiple()
        var rounds = 0
        while size.height % multiple.height != 0 || size.width % multiple.width != 0 {
            guard max(multiple.height, multiple.width) <= Self.largestMultiple, rounds < 8 else {
                throw mistake("its sides would have to be multiples of \(multiple), which is too much")
            }
            size = Extent(
                height: (size.height + multiple.height - 1) / multiple.height * multiple.height,
                width: (size.width + multiple.width - 1) / multiple.width * multiple.width)
            whole = try graph(size)
            trace = try FrameTrace(whole)
            multiple = try trace.sizeMultiple()
            rounds += 1
        }
        guard let output = whole.outputs.first, let vertical = trace.stride(output, .vertical)?.inverse,
            let horizontal = trace.stride(output, .horizontal)?.inverse
        else { throw mistake("its first output is no image whose rows and columns are the input's") }
        guard vertical == horizontal else {
            throw mistake("its output has \(vertical) rows a row and \(horizontal) columns a column of the input")
        }
        let other = Extent(height: 2 * size.height, width: 3 * size.width)
        let larger = try graph(other)
        for (size, graph) in [(size, whole), (other, larger)] {
            let shape = graph.shape(graph.outputs[0])
            guard shape.height == vertical.times(size.height), shape.width == vertical.times(size.width) else {
                throw mistake(
                    "it makes \(shape.height)x\(shape.width) pixels of \(size), which is not \(vertical) times as large"
                )
            }
        }
        // The same for both axes: a period of the one is one of the other, too.
        guard let period = leastCommonMultiple(multiple.height, multiple.width).flatMap(vertical.times),
            period <= Self.mostWork / whole.nodes.count / (1 + trace.means.count)
        else { throw mistake("its receptive field takes too long to derive") }
        if let operation = SizeDependence(trace, try FrameTrace(larger)).operation {
            trace.noteSizeDependence(operation)
        }
        let tileReach = Self.tileReach(trace, multiple)
        traits = NetworkTraits(
            scale: vertical, inputChannels: definition.inputs[0].channels,
            outputChannels: whole.shape(output).channels, sizeMultiple: multiple,
            minimumSize: Self.minimumSize(graph, size, multiple),
            receptiveField: trace.reads.isEmpty ? tileReach : nil, tileReach: tileReach, frameReads: trace.reads)
        parameters = whole.parameters
    }

    /// What tiles have to overlap by: see `NetworkTraits.tileReach`.
    private static func tileReach(_ trace: FrameTrace, _ multiple: Extent) -> ReceptiveField? {
        let reach = FrameReach(trace, givesMeans: true)
        var all = ReceptiveField(vertical: Reach(before: 0, after: 0), horizontal: Reach(before: 0, after: 0))
        guard let period = leastCommonMultiple(multiple.height, multiple.width) else { return nil }
        for value in [trace.graph.outputs[0]] + trace.means.map({ trace.graph.nodes[$0].operands[0] }) {
            guard let strides = trace.strides(value) else { return nil }
            let (vertical, horizontal) = (strides.vertical.inverse, strides.horizontal.inverse)
            guard let rows = vertical.times(period), let columns = horizontal.times(period),
                let field = reach.field(of: value, scale: (vertical, horizontal), period: (rows, columns))
            else { return nil }
            all.widen(field)
        }
        return all
    }

    /// The first size that the network takes. Its sides differ, so that they are not mistaken for one another.
    private static func first(
        _ graph: (Extent) throws(GraphError) -> Graph
    ) throws(GraphError) -> (Extent, Graph) {
        var first: GraphError?
        for side in sides {
            let size = Extent(height: side, width: 2 * side)
            do { return (size, try graph(size)) } catch { first = first ?? error }
        }
        throw first!
    }

    /// The least height with the width of `size`, and the least width with its height: any number below 64, or a multiple
    /// of `multiple`, from which on all multiples do.
    private static func minimumSize(
        _ graph: (Extent) throws(GraphError) -> Graph, _ size: Extent, _ multiple: Extent
    ) -> Extent {
        func least(_ side: WritableKeyPath<Extent, Int>) -> Int {
            func takes(_ length: Int) -> Bool {
                var small = size
                small[keyPath: side] = length
                return (try? graph(small)) != nil
            }
            if let found = (1...64).first(where: { $0 <= size[keyPath: side] && takes($0) }) { return found }
            var (low, high) = (0, size[keyPath: side] / multiple[keyPath: side])
            while high - low > 1 {
                let middle = (low + high) / 2
                if takes(middle * multiple[keyPath: side]) { high = middle } else { low = middle }
            }
            return high * multiple[keyPath: side]
        }
        return Extent(height: least(\.height), width: least(\.width))
    }
}
