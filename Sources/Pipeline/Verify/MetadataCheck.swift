internal import Media

/// Tags: what the user or the author wrote, without what muxers and encoders write of themselves.
enum MetadataCheck {
    static func meaningful(_ metadata: [String: String]) -> [String: String] {
        var result: [String: String] = [:]
        for (key, value) in metadata where Tags.describeTheWork(key, value) {
            result[key.lowercased()] = normalised(key.lowercased(), value)
        }
        return result
    }

    /// Dates are written with and without fractions of a second.
    private static func normalised(_ name: String, _ value: String) -> String {
        guard name == "creation_time", let point = value.firstIndex(of: ".") else { return value }
        return String(value[..<point]) + (value.hasSuffix("Z") ? "Z" : "")
    }

    /// - Parameter isHeld: whether the output's container has a place for a tag.
    static func compare(
        _ source: [String: String], _ target: [String: String], _ list: inout FindingList,
        isHeld: (String) -> Bool = { _ in true }
    ) {
        let (source, target) = (meaningful(source), meaningful(target))
        var same = 0
        for (key, value) in source.sorted(by: { $0.key < $1.key }) {
            switch target[key] {
            case value: same += 1
            case let other?: list.add("metadata \(key)", value, other, .changed)
            case nil where !isHeld(key): list.add("metadata \(key)", value, "-", .expected, noPlace)
            case nil: list.add("metadata \(key)", value, "-", .lost)
            }
        }
        for (key, value) in target.sorted(by: { $0.key < $1.key }) where source[key] == nil {
            list.add("metadata \(key)", "-", value, .expected, "added by the muxer")
        }
        if same > 0 { list.add("metadata", "\(source.count) tags", "\(same) the same", .ok) }
    }

    private static let noPlace = "the container has no place for it"

    static func language(
        _ source: StreamInventory, _ target: StreamInventory, _ list: inout FindingList, isHeld: Bool = true
    ) {
        func known(_ stream: StreamInventory) -> String? {
            stream.description.language.flatMap {
                $0 == "und" || $0.isEmpty ? nil : LanguageCode.bibliographic($0)
            }
        }
        if let language = known(source), known(target) == nil, !isHeld {
            return list.add("language", language, "-", .expected, noPlace)
        }
        list.compare("language", known(source), known(target))
    }

    /// - Parameter isFirst: the first of its kind, which players take when no stream is marked.
    static func dispositions(
        _ source: StreamInventory, _ target: StreamInventory, isFirst: Bool, _ list: inout FindingList
    ) {
        let (a, b) = (source.dispositions, target.dispositions)
        func text(_ set: Set<String>) -> String { set.isEmpty ? "-" : set.sorted().joined(separator: " ") }
        let missing = a.subtracting(b)
        let extra = b.subtracting(a)
        if missing.isEmpty, extra.isEmpty {
            if !a.isEmpty { list.add("dispositions", text(a), text(b), .ok) }
            return
        }
        // The first track is the default, said or not: Matroska and mp4 say it, MPEG-TS does not.
        if missing.union(extra) == ["default"], isFirst || missing.isEmpty {
            list.add("dispositions", text(a), text(b), .expected, "the first track is the default, said or not")
            return
        }
        list.add("dispositions", text(a), text(b), missing.isEmpty ? .changed : .lost)
    }

    static func chapters(
        _ input: FileInventory, _ output: FileInventory, shift: Double, _ list: inout FindingList
    ) {
        list.stream = "chapters"
        let (a, b) = (input.chapters, output.chapters)
        guard !a.isEmpty || !b.isEmpty else { return }
        guard a.count == b.count else {
            list.add("count", "\(a.count)", "\(b.count)", b.count < a.count ? .lost : .changed)
            return
        }
        list.add("count", "\(a.count)", "\(b.count)", .ok)
        var times = TimeComparison(source: a[0].timeBase, target: b[0].timeBase, shift: shift)
        var titles = 0
        for (index, (x, y)) in zip(a, b).enumerated() {
            times.compare(index, x.start, y.start)
            times.compare(index, x.end, y.end)
            var metadata = FindingList(stream: "chapter \(index)")
            compare(x.metadata, y.metadata, &metadata)
            list.findings += metadata.findings.filter(\.isLoss)
            if !metadata.findings.contains(where: \.isLoss) { titles += 1 }
        }
        list.add("times", "\(2 * a.count)", "\(2 * b.count)", times.result, times.note)
        list.add("titles", "\(a.count)", "\(titles) the same", titles == a.count ? .ok : .changed)
    }
}
