internal import Media

/// One copied stream: sound, subtitles, data, a cover, an attachment.
struct PacketCheck {
    let pair: StreamPair
    let input: FileInventory
    let output: FileInventory
    /// Seconds by which the container had to move every stream.
    let shift: Double

    func run(_ list: inout FindingList) {
        list.stream = pair.name
        let source = pair.source
        guard let target = pair.target else {
            let language = source.description.language.map { ", \($0)" } ?? ""
            list.add("stream", source.description.codec + language, "-", .lost)
            return
        }
        compareCodec(source, target, &list)
        switch source.description.kind {
        case .attachment: compareAttachment(source, target, &list)
        default: comparePackets(source, target, &list)
        }
        if source.sampleRate > 0 {
            list.compare(
                "sound", "\(source.sampleRate) Hz, \(source.channels) ch",
                "\(target.sampleRate) Hz, \(target.channels) ch")
        }
        if source.description.codec == "ass", target.description.codec == "ass" {
            list.compare("styles", source.setup.map(short), target.setup.map(short))
        }
        let isHeld = { output.holds(tag: $0, of: target, besides: input.metadata) }
        MetadataCheck.language(source, target, &list, isHeld: isHeld("language"))
        MetadataCheck.dispositions(
            source, target, isFirst: pair.name.hasSuffix(" 0") && source.description.kind != .subtitle, &list)
        // How a container that keeps covers as attachments calls them.
        let ignored: Set<String> = source.description.isAttachedPicture ? ["filename", "mimetype"] : []
        MetadataCheck.compare(
            source.metadata.filter { !ignored.contains($0.key.lowercased()) },
            target.metadata.filter { !ignored.contains($0.key.lowercased()) }, &list, isHeld: isHeld)
    }

    private func compareCodec(_ source: StreamInventory, _ target: StreamInventory, _ list: inout FindingList) {
        let (a, b) = (source.description.codec, target.description.codec)
        if a == b {
            list.add("codec", a, b, .ok)
        } else if isText(source), isText(target) {
            list.add("codec", a, b, .expected, "text subtitles converted for the container")
        } else if Set([a, b]).isSubset(of: ["mp1", "mp2", "mp3"]), isSameData(source, target) {
            list.add("codec", a, b, .ok, "the same MPEG sound; the container does not say which layer")
        } else {
            list.add("codec", a, b, .changed)
        }
    }

    /// Whether the packets that are to be kept are all there, or the same bytes cut otherwise.
    private func isSameData(_ source: StreamInventory, _ target: StreamInventory) -> Bool {
        if source.content != nil, source.content == target.content { return true }
        let kept = source.packets(keptBy: output, shift: shift).filter { !$0.isEmpty }
        let copies = source.packets(of: target, in: output, kept: kept, shift: shift).filter { !$0.isEmpty }
        return !kept.isEmpty && kept.map(\.payload) == copies.map(\.payload)
    }

    private func isText(_ stream: StreamInventory) -> Bool {
        ["mov_text", "subrip", "text", "ass", "ssa", "webvtt"].contains(stream.description.codec)
    }

    /// Enough of a hash to recognise it by.
    private func short(_ fingerprint: Fingerprint) -> String { String(fingerprint.description.prefix(12)) }

    private func compareAttachment(
        _ source: StreamInventory, _ target: StreamInventory, _ list: inout FindingList
    ) {
        list.compare("data", source.setup.map(short), target.setup.map(short))
    }

    private func comparePackets(_ source: StreamInventory, _ target: StreamInventory, _ list: inout FindingList) {
        // mp4 fills the time between subtitles with empty ones.
        let kept = source.packets(keptBy: output, shift: shift)
        let a = kept.filter { !$0.isEmpty }
        let copies = source.packets(of: target, in: output, kept: a, shift: shift)
        let b = copies.filter { !$0.isEmpty }
        let fillers = source.packets.count - a.count + copies.count - b.count
        let silent = target.packets.count - copies.count
        let aside = [
            fillers > 0 ? "\(fillers) empty or hidden ones not counted" : nil,
            silent > 0 ? "\(silent) of silence fill gaps, for which the container has no times" : nil,
        ].compactMap { $0 }.joined(separator: "; ")
        guard a.count == b.count else {
            if source.content != nil, source.content == target.content {
                list.add("packets", "\(a.count)", "\(b.count)", .ok, "the same bytes, cut otherwise by the container")
                compareEnds(source, target, a, b, &list)
                return
            }
            if output.isRateBased, source.audible != nil, source.audible == target.audible {
                list.add(
                    "packets", "\(a.count)", "\(b.count)", .ok,
                    "the same sound, cut otherwise, and silence where the container has no times")
                compareEnds(source, target, a, b, beginsEarlier: true, &list)
                return
            }
            list.add("packets", "\(a.count)", "\(b.count)", b.count < a.count ? .lost : .changed, aside)
            compareEnds(source, target, a, b, &list)
            return
        }
        list.add("packets", "\(a.count)", "\(b.count)", .ok, aside)
        compareData(a, b, &list)
        // A cover has no time.
        guard !source.description.isAttachedPicture else { return }

        let bases = (source: source.description.timeBase, target: target.description.timeBase)
        // What counts samples knows them better than a source of coarse ticks.
        var times = TimeComparison(
            source: bases.source, target: bases.target, sourceTicksMatter: output.isRateBased, shift: shift)
        var durations = TimeComparison(source: bases.source, target: bases.target, sourceTicksMatter: true)
        var missing = 0
        for (index, (x, y)) in zip(a, b).enumerated() {
            switch (x.timestamp, y.timestamp) {
            case (let t?, let u?): times.compare(index, t, u)
            case (_?, nil): missing += 1
            case (nil, _): break
            }
            // Containers that store no durations show the distance to the next packet, or nothing.
            // The last packet of sound is as long as its codec makes it; only some containers say what of it is padding.
            let isPadded = index == a.count - 1 && source.description.kind == .audio
            if x.duration > 0, y.duration > 0, !isPadded { durations.compare(index, x.duration, y.duration) }
            if x.duration > 0, y.duration == 0 { missing += source.description.kind == .subtitle ? 1 : 0 }
        }
        if missing > 0 { list.add("times", "\(a.count)", "\(a.count - missing)", .lost, "\(missing) without") }
        list.add("timestamps", span(a, bases.source), span(b, bases.target), times.result, times.note)
        list.add("durations", total(a, bases.source), total(b, bases.target), durations.result, durations.note)
    }

    private func compareData(_ a: [PacketRecord], _ b: [PacketRecord], _ list: inout FindingList) {
        let same = zip(a, b).filter { $0.data == $1.data }.count
        if same == a.count {
            list.add("data", "SHA-256", "the same", .ok)
            return
        }
        let unwrapped = zip(a, b).filter { $0.payload == $1.payload }.count
        guard unwrapped == a.count else {
            let first = zip(a, b).enumerated().first { $0.element.0.payload != $0.element.1.payload }
            list.add(
                "data", "\(a.count)", "\(unwrapped) the same", .changed,
                first.map { "the first that differs is number \($0.offset)" } ?? "")
            return
        }
        let wrappings = Set(zip(a, b).flatMap { [$0.wrapping, $1.wrapping] }.compactMap { $0?.rawValue })
        list.add(
            "data", "SHA-256", "the same", .ok,
            "apart from \(wrappings.sorted().joined(separator: ", ")), which the container decides")
    }

    /// Where the packets are cut otherwise, at least the beginning and the end tell what is missing.
    private func compareEnds(
        _ source: StreamInventory, _ target: StreamInventory, _ a: [PacketRecord], _ b: [PacketRecord],
        beginsEarlier: Bool = false, _ list: inout FindingList
    ) {
        let bases = (source: source.description.timeBase, target: target.description.timeBase)
        var times = TimeComparison(source: bases.source, target: bases.target, shift: shift)
        if !beginsEarlier, let x = a.compactMap(\.timestamp).min(), let y = b.compactMap(\.timestamp).min() {
            times.compare(0, x, y)
        }
        let ends = [a, b].map { list in
            list.compactMap { packet in packet.timestamp.map { $0 + packet.duration } }.max()
        }
        if let x = ends[0], let y = ends[1] { times.compare(1, x, y) }
        list.add("begin and end", span(a, bases.source), span(b, bases.target), times.result, times.note)
    }

    private func span(_ packets: [PacketRecord], _ base: Rational) -> String {
        let times = packets.compactMap(\.timestamp)
        guard let first = times.min(), let last = times.max() else { return "none" }
        return "\(seconds(Double(first) * base.value)) to \(seconds(Double(last) * base.value))"
    }

    private func total(_ packets: [PacketRecord], _ base: Rational) -> String {
        seconds(Double(packets.reduce(0) { $0 + $1.duration }) * base.value)
    }
}
