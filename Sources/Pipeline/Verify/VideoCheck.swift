internal import Media

/// The main video: its frames' times, and everything that says how its picture is to be shown.
struct VideoCheck {
    let source: StreamInventory
    let target: StreamInventory
    /// Seconds by which the container had to move every stream.
    let shift: Double
    /// The source's frames at the places of the target's frame rate, in the target's ticks; nil where it knows times.
    let places: [FrameRecord]?
    /// Whether the output's container has a place for a tag of the stream.
    let isHeld: (String) -> Bool

    func run(_ list: inout FindingList) {
        guard let a = source.picture, let b = target.picture else { return }
        list.stream = "video"
        compareFrames(a, b, &list)
        compareShapes(&list)
        compareForm(a, b, &list)
        compareGeometry(a, b, &list)
        ColorCheck(source: a, target: b).run(&list)
        MetadataCheck.language(source, target, &list, isHeld: isHeld("language"))
        MetadataCheck.dispositions(source, target, isFirst: true, &list)
        MetadataCheck.compare(source.metadata, target.metadata, &list, isHeld: isHeld)
    }

    // MARK: Time

    private func compareFrames(_ a: PictureInventory, _ b: PictureInventory, _ list: inout FindingList) {
        let (x, y) = (places ?? source.frames, target.frames)
        var notes: [String] = []
        if source.damagedPackets > 0 {
            notes.append("\(packets(source.damagedPackets)) of the input cannot be decoded whole")
        }
        if let places, places.count != source.frames.count {
            notes.append("\(source.frames.count) of the input, in \(places.count) places of a constant frame rate")
        }
        list.add(
            "frames", "\(x.count)", "\(y.count)", x.count == y.count ? .ok : y.count < x.count ? .lost : .changed,
            notes.joined(separator: "; "))
        if target.damagedPackets + target.damagedFrames > source.damagedFrames {
            list.add(
                "damage", "-", packets(max(target.damagedPackets, target.damagedFrames)), .changed,
                "the output cannot be decoded whole")
        }
        if target.untimedFrames > source.untimedFrames {
            list.add(
                "times", "\(x.count)", "\(y.count - target.untimedFrames)", .lost,
                "\(target.untimedFrames) frames have no time and may not be shown")
        }
        // Pictures have no time of their own.
        guard ![a.video, b.video].contains(where: { $0.isStillPicture || $0.isPictureList }), let last = x.last,
            let end = y.last
        else { return }
        let base = places == nil ? a.video.timeBase : b.video.timeBase
        let shift = places == nil ? shift : 0
        var times = TimeComparison(source: base, target: b.video.timeBase, shift: shift)
        var moved = 0
        var previous: Int64?
        for (index, (from, to)) in zip(x, y).enumerated() {
            // No container holds two frames of one time: where the source does, the later gives way by a tick.
            var time = from.timestamp
            if let previous, time <= previous {
                time = previous + 1
                moved += 1
            }
            previous = time
            times.compare(index, time, to.timestamp)
        }
        let note = moved > 0 ? "\(times.note); \(moved) whose times the source repeats moved by a tick" : times.note
        list.add("timestamps", span(x, base), span(y, b.video.timeBase), times.result, note)
        guard places == nil, last.duration > 0, end.duration > 0, x.count == y.count else { return }
        var durations = TimeComparison(
            source: a.video.timeBase, target: b.video.timeBase, sourceTicksMatter: true, shift: shift)
        // As it was moved.
        let lastTime = previous ?? last.timestamp
        durations.compare(0, lastTime + last.duration, end.timestamp + end.duration)
        let ends = (
            Double(lastTime + last.duration) * a.video.timeBase.value,
            Double(end.timestamp + end.duration) * b.video.timeBase.value
        )
        // An edit list may end between two frames, which few containers can say; less than half a frame is nothing to see.
        let frame = Double(last.timestamp - x[0].timestamp) * a.video.timeBase.value / Double(max(1, x.count - 1))
        let isNear = abs(ends.1 - ends.0 - shift) <= frame / 2 + b.video.timeBase.value
        list.add(
            "end", seconds(ends.0), seconds(ends.1), durations.wrong > 0 && isNear ? .expected : durations.result,
            durations.wrong == 0
                ? durations.note
                : isNear ? "within half a frame" : "the last frame is shown for another time")
    }

    /// The shape in which frames are shown, where it changes in the middle.
    private func compareShapes(_ list: inout FindingList) {
        let (x, y) = (places ?? source.frames, target.frames)
        // A source of several sizes is scaled to one, which `compareForm` says.
        guard let first = x.first, x.allSatisfy({ $0.width == first.width && $0.height == first.height }),
            x.contains(where: { abs($0.shape / first.shape - 1) > 0.01 })
        else { return }
        let wrong = zip(x, y).filter { abs($0.shape / $1.shape - 1) > 0.02 }
        func text(_ frame: FrameRecord?) -> String {
            frame.map { "\(($0.shape * 100).rounded() / 100) : 1" } ?? "-"
        }
        list.add(
            "shape", "\(text(first)), then \(text(x.last))", "\(text(y.first)), then \(text(y.last))",
            wrong.isEmpty ? .ok : .changed,
            wrong.isEmpty ? "" : "\(wrong.count) frames are shown in another shape")
    }

    private func packets(_ count: Int) -> String { count == 1 ? "1 packet" : "\(count) packets" }

    private func span(_ frames: [FrameRecord], _ base: Rational) -> String {
        guard let first = frames.first, let last = frames.last else { return "none" }
        return "\(seconds(Double(first.timestamp) * base.value)) to \(seconds(Double(last.timestamp) * base.value))"
    }

    // MARK: What an upscaler changes

    private func compareForm(_ a: PictureInventory, _ b: PictureInventory, _ list: inout FindingList) {
        let sizes = Set(source.frames.map { "\($0.width)x\($0.height)" }).count
        let (from, to) = ("\(a.video.width)x\(a.video.height)", "\(b.video.width)x\(b.video.height)")
        list.add(
            "size", from, to, from == to ? .ok : .expected,
            sizes > 1 ? "the source changes its size in mid-stream: \(sizes) sizes became one" : "")
        list.add("codec", a.video.codec, b.video.codec, a.video.codec == b.video.codec ? .ok : .expected)
        list.add(
            "pixel format", a.video.pixelFormat, b.video.pixelFormat,
            a.video.pixelFormat == b.video.pixelFormat ? .ok : .expected)
        list.add(
            "bit depth", "\(a.video.bitDepth)", "\(b.video.bitDepth)",
            a.video.bitDepth == b.video.bitDepth ? .ok : a.video.bitDepth > b.video.bitDepth ? .lost : .expected)
        if a.video.hasAlpha { list.compare("alpha", "yes", b.video.hasAlpha ? "yes" : nil) }
        compareSubsampling(a, b, &list)
    }

    private func compareSubsampling(_ a: PictureInventory, _ b: PictureInventory, _ list: inout FindingList) {
        // Film codecs have no RGB: its conversion is the encoder's condition, and its chroma follows from it.
        guard !a.video.isRGB, !b.video.isRGB else { return }
        if a.isGrey || b.isGrey {
            let text = [a, b].map { $0.isGrey ? "grey" : Self.subsampling($0) }
            list.add("chroma", text[0], text[1], a.isGrey == b.isGrey ? .ok : b.isGrey ? .lost : .expected)
            return
        }
        let coarser = b.chromaWidthShift > a.chromaWidthShift || b.chromaHeightShift > a.chromaHeightShift
        let (x, y) = (Self.subsampling(a), Self.subsampling(b))
        list.add("chroma", x, y, x == y ? .ok : coarser ? .lost : .expected)
    }

    static func subsampling(_ picture: PictureInventory) -> String {
        switch (picture.chromaWidthShift, picture.chromaHeightShift) {
        case (0, 0): "4:4:4"
        case (1, 0): "4:2:2"
        case (1, 1): "4:2:0"
        case (0, 1): "4:4:0"
        case (2, 0): "4:1:1"
        default: "1/\(1 << picture.chromaWidthShift) x 1/\(1 << picture.chromaHeightShift)"
        }
    }

    // MARK: Geometry

    private func compareGeometry(_ a: PictureInventory, _ b: PictureInventory, _ list: inout FindingList) {
        let turned = isApplied(a, b)
        compareAspect(a, b, turned: turned, &list)
        let (x, y) = (a.video.rotation, b.video.rotation)
        if a.displayMatrix != nil || b.displayMatrix != nil {
            let result: Finding.Result = matrixAgrees(a, b) ? .ok : turned ? .expected : y == 0 ? .lost : .changed
            list.add(
                "rotation", "\(Int(x.rounded())) degrees", "\(Int(y.rounded())) degrees", result,
                turned ? "applied to the picture" : "")
        }
        switch (a.fieldOrder, b.fieldOrder) {
        case (.progressive, .progressive): list.add("fields", "progressive", "progressive", .ok)
        case (let x, .progressive): list.add("fields", x.rawValue, "progressive", .expected, "deinterlaced")
        case (let x, let y): list.add("fields", x.rawValue, y.rawValue, x == y ? .ok : .changed)
        }
    }

    /// Turned by a quarter: the picture's sides changed places and nothing is left to be turned.
    private func isApplied(_ a: PictureInventory, _ b: PictureInventory) -> Bool {
        guard b.displayMatrix == nil || b.video.rotation == 0, a.displayMatrix != nil else { return false }
        let quarter = Int(a.video.rotation.rounded()) % 180 == 90
        let (width, height) = quarter ? (a.video.height, a.video.width) : (a.video.width, a.video.height)
        // The same shape, to a pixel of the source.
        let ratio = Double(b.video.width) / Double(width)
        return abs(Double(b.video.height) - ratio * Double(height)) <= 2 * max(1, ratio)
            && (quarter || a.video.rotation == 0)
    }

    /// The part that turns and mirrors; the shift in it counts pixels of a picture that has grown.
    private func matrixAgrees(_ a: PictureInventory, _ b: PictureInventory) -> Bool {
        let identity: [Int32] = [65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30]
        let (x, y) = (a.displayMatrix ?? identity, b.displayMatrix ?? identity)
        return [0, 1, 3, 4].allSatisfy { x[$0] == y[$0] }
    }

    private func compareAspect(
        _ a: PictureInventory, _ b: PictureInventory, turned: Bool, _ list: inout FindingList
    ) {
        func square(_ ratio: Rational) -> Rational { ratio.isKnown ? ratio : Rational(1, 1) }
        var (x, y) = (square(a.video.sampleAspectRatio), square(b.video.sampleAspectRatio))
        let quarter = turned && Int(a.video.rotation.rounded()) % 180 == 90
        if quarter { x = Rational(x.denominator, x.numerator) }
        let name = "sample aspect"
        let texts = ("\(x.numerator):\(x.denominator)", "\(y.numerator):\(y.denominator)")
        if x.numerator * y.denominator == y.numerator * x.denominator {
            list.add(name, texts.0, texts.1, .ok)
            return
        }
        // The picture as shown has its shape: the new size took the aspect into account.
        let shape =
            quarter ? Double(a.video.height) / Double(a.video.width) : Double(a.video.width) / Double(a.video.height)
        let before = shape * x.value
        let after = Double(b.video.width) / Double(b.video.height) * y.value
        let keeps = abs(before / after - 1) < 0.01
        list.add(
            name, texts.0, texts.1, keeps ? .expected : y.value == 1 ? .lost : .changed,
            keeps ? "the picture as shown keeps its shape" : "the picture is shown in another shape")
    }
}
