internal import Network
internal import Tensor

/// Where values lie: first values in buffers, then buffers in the arena.
struct Placement {
    private let graph: Graph
    private let options: PlanningOptions
    /// A value's buffer and its segment there.
    private var places: [Value: (buffer: Int, segment: ChannelSegment)] = [:]
    /// Per concatenation its segments, in a buffer.
    private var joined: [Value: (buffer: Int, segments: [ChannelSegment])] = [:]
    /// Per concatenation the operands that must be copied there, and to which segment.
    private var copied: [Value: [(source: Value, segment: ChannelSegment)]] = [:]
    /// Physical channels a pixel, and elements, of every buffer.
    private var pitches: [Int] = []
    private var elements: [Int] = []

    init(graph: Graph, options: PlanningOptions, stored: (Value) -> Bool) {
        self.graph = graph
        self.options = options
        placeConcatenations()
        for index in graph.nodes.indices {
            let value = Value(index: index)
            if stored(value) && places[value] == nil {
                let channels = graph.shape(value).channels
                let extent = options.physicalChannels(channels)
                let buffer = newBuffer(like: value, pitch: extent)
                places[value] = (buffer, ChannelSegment(offset: 0, count: channels, extent: extent))
            }
        }
    }

    private mutating func newBuffer(like value: Value, pitch: Int) -> Int {
        let shape = graph.shape(value)
        pitches.append(pitch)
        elements.append(shape.batch * shape.height * shape.width * pitch)
        return pitches.count - 1
    }

    /// The values that a concatenation joins, nested ones opened.
    private func parts(_ value: Value) -> [Value] {
        guard case .concatenate = graph[value].operation else { return [value] }
        return graph[value].operands.flatMap(parts)
    }

    /// The longest concatenations first: the shorter ones of a dense block are then beginnings of the same buffer.
    private mutating func placeConcatenations() {
        let concatenations = graph.nodes.indices.map { Value(index: $0) }
            .filter { if case .concatenate = graph[$0].operation { true } else { false } }
            .map { (value: $0, parts: parts($0)) }
            .sorted { ($0.parts.count, $1.value.index) > ($1.parts.count, $0.value.index) }
        for (value, parts) in concatenations {
            if let segments = existingRun(parts) {
                joined[value] = (places[parts[0]]!.buffer, segments)
                continue
            }
            var segments: [ChannelSegment] = []
            var offset = 0
            for part in parts {
                let channels = graph.shape(part).channels
                let extent =
                    (channels + options.channelAlignment - 1) / options.channelAlignment * options.channelAlignment
                segments.append(ChannelSegment(offset: offset, count: channels, extent: extent))
                offset += extent
            }
            let buffer = newBuffer(like: value, pitch: offset)
            for (part, segment) in zip(parts, segments) {
                if places[part] == nil {
                    places[part] = (buffer, segment)
                } else {
                    copied[value, default: []].append((part, segment))
                }
            }
            joined[value] = (buffer, segments)
        }
    }

    /// The parts' segments if they already lie side by side in this order.
    private func existingRun(_ parts: [Value]) -> [ChannelSegment]? {
        let places = parts.compactMap { self.places[$0] }
        guard places.count == parts.count, places.allSatisfy({ $0.buffer == places[0].buffer }) else { return nil }
        for (left, right) in zip(places, places.dropFirst())
        where left.segment.offset + left.segment.extent != right.segment.offset { return nil }
        return places.map(\.segment)
    }

    // MARK: Views

    func view(_ value: Value) -> View {
        if let (buffer, segments) = joined[value] { return view(value, buffer, segments) }
        guard let (buffer, segment) = places[value] else { preconditionFailure("value \(value.index) has no place") }
        return view(value, buffer, [segment])
    }

    private func view(_ value: Value, _ buffer: Int, _ segments: [ChannelSegment]) -> View {
        let shape = graph.shape(value)
        return View(
            buffer: buffer, batch: shape.batch, height: shape.height, width: shape.width, pitch: pitches[buffer],
            segments: segments)
    }

    /// What has to be copied before the concatenation is whole.
    func copies(_ concatenation: Value) -> [(source: View, target: View)] {
        (copied[concatenation] ?? []).map { source, segment in
            (view(source), view(source, joined[concatenation]!.buffer, [segment]))
        }
    }

    // MARK: The arena

    /// Places buffers by lifetime: the largest first, each at the lowest offset where it meets no other that is alive at
    /// the same time.
    func arrange(steps: [Step], inputs: [View], outputs: [View], strips: Strips?) -> (
        buffers: [Buffer], elements: Int
    ) {
        var elements = elements
        for (buffer, count) in strips?.elements(steps) ?? [:] { elements[buffer] = count }
        var first = [Int](repeating: Int.max, count: pitches.count)
        var last = [Int](repeating: -1, count: pitches.count)
        func touch(_ view: View, _ step: Int) {
            first[view.buffer] = min(first[view.buffer], step)
            last[view.buffer] = max(last[view.buffer], step)
        }
        for view in inputs { touch(view, -1) }
        for (index, step) in steps.enumerated() {
            touch(step.output, index)
            for view in step.reads { touch(view, index) }
        }
        for view in outputs { touch(view, steps.count) }
        if let strips {
            // These steps come round again: what one of them touches is alive during all of them.
            for index in pitches.indices where last[index] >= strips.firstStep {
                last[index] = max(last[index], steps.count - 1)
                if first[index] > strips.firstStep { first[index] = strips.firstStep }
            }
        }

        let alignment = options.bufferAlignment
        var offsets = [Int](repeating: 0, count: pitches.count)
        var arena = 0
        var placed: [Int] = []
        for buffer in pitches.indices.sorted(by: { (elements[$0], $1) > (elements[$1], $0) }) {
            let neighbours = placed.filter { first[$0] <= last[buffer] && first[buffer] <= last[$0] }
                .sorted { offsets[$0] < offsets[$1] }
            var offset = 0
            for other in neighbours {
                if offset + elements[buffer] <= offsets[other] { break }
                let end = offsets[other] + elements[other]
                offset = max(offset, (end + alignment - 1) / alignment * alignment)
            }
            offsets[buffer] = offset
            arena = max(arena, offset + elements[buffer])
            placed.append(buffer)
        }
        let buffers = pitches.indices.map {
            Buffer(elements: elements[$0], offset: offsets[$0], firstStep: first[$0], lastStep: last[$0])
        }
        return (buffers, arena)
    }
}
