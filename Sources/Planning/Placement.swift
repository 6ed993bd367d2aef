internal import Network
internal import Tensor

/// In which buffers values lie: as views, as tensors, or both.
struct Placement {
    private let graph: Graph
    private let kinds: StepKinds
    private let options: PlanningOptions
    /// A value's buffer and its segment there.
    private var places: [Value: (buffer: Int, segment: ChannelSegment)] = [:]
    /// Per concatenation its segments, in a buffer.
    private var joined: [Value: (buffer: Int, segments: [ChannelSegment])] = [:]
    /// Per concatenation the operands that must be copied there, and to which segment.
    private var copied: [Value: [(source: Value, segment: ChannelSegment)]] = [:]
    /// Per value its buffer as a dense tensor.
    private var tensors: [Int: Int] = [:]
    /// What each buffer holds. `pitches` are physical channels a pixel; 0 of tensors.
    private(set) var contents: [(elements: Int, isTensor: Bool)] = []
    private var pitches: [Int] = []

    /// - Parameters:
    ///   - views: the values, concatenations apart, that some step reads or writes as views, in order.
    ///   - tensors: those that some step reads or writes as tensors.
    init(_ graph: Graph, _ kinds: StepKinds, options: PlanningOptions, views: [Value], tensors: [Value]) {
        (self.graph, self.kinds, self.options) = (graph, kinds, options)
        placeConcatenations()
        for value in views where places[value] == nil && kinds[value] != .alias { placeView(value) }
        for value in tensors {
            let count = graph.shape(value).count
            if let place = places[value], options.sharesBuffers, isDense(value, pitch: pitches[place.buffer]) {
                self.tensors[value.index] = place.buffer
            } else {
                self.tensors[value.index] = newBuffer(max(1, count), pitch: 0)
            }
        }
        // Another shape of a tensor may be a view of its elements as they are.
        for value in views where places[value] == nil {
            let shape = graph.shape(value)
            let extent = options.physicalChannels(shape.channels)
            if options.sharesBuffers, extent == shape.channels, let tensor = tensor(value) {
                // Kernels see this pitch; the buffer's is that of its other readers.
                joined[value] = (tensor, [ChannelSegment(offset: 0, count: extent, extent: extent)])
                aliasPitches[value] = extent
            } else {
                placeView(value)
            }
        }
    }

    /// The pitches of views that lie in tensors' buffers.
    private var aliasPitches: [Value: Int] = [:]

    private mutating func placeView(_ value: Value) {
        let channels = graph.shape(value).channels
        let extent = options.physicalChannels(channels)
        let buffer = newBuffer(like: value, pitch: extent)
        places[value] = (buffer, ChannelSegment(offset: 0, count: channels, extent: extent))
    }

    /// Whether the elements of a view with this pitch lie as those of a dense tensor.
    private func isDense(_ value: Value, pitch: Int) -> Bool { graph.shape(value).channels == pitch }

    private mutating func newBuffer(like value: Value, pitch: Int) -> Int {
        let shape = graph.shape(value)
        return newBuffer(shape.batch * shape.height * shape.width * pitch, pitch: pitch)
    }

    private mutating func newBuffer(_ elements: Int, pitch: Int) -> Int {
        contents.append((elements, pitch == 0))
        pitches.append(pitch)
        return pitches.count - 1
    }

    private func isJoined(_ value: Value) -> Bool {
        if case .concatenate = graph[value].operation { kinds[value] == .views } else { false }
    }

    /// The values that a concatenation joins, nested ones opened.
    private func parts(_ value: Value) -> [Value] {
        isJoined(value) ? graph[value].operands.flatMap(parts) : [value]
    }

    /// The longest concatenations first: the shorter ones of a dense block are then beginnings of the same buffer.
    private mutating func placeConcatenations() {
        let concatenations = graph.nodes.indices.map { Value(index: $0) }
            .filter(isJoined)
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

    // MARK: Views and tensors

    /// The buffer of a value as a tensor; nil where no step asks for that.
    func tensor(_ value: Value) -> Int? { tensors[kinds.root(value).index] }

    /// Whether a value lies as a view.
    func hasView(_ value: Value) -> Bool { joined[value] != nil || places[value] != nil }

    func view(_ value: Value) -> View {
        if let (buffer, segments) = joined[value] {
            var result = view(value, buffer, segments)
            result.pitch = aliasPitches[value] ?? result.pitch
            return result
        }
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
}
