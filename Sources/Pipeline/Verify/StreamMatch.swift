internal import Media

/// A stream of the input and what became of it.
struct StreamPair {
    /// "audio 1", counted from 0 within its kind as players count.
    var name: String
    var source: StreamInventory
    /// Nil where nothing in the output resembles it.
    var target: StreamInventory?
}

/// Which stream of the output came of which stream of the input. Containers number and order streams as they like, so
/// content decides first, then language and codec, then order.
enum StreamMatch {
    static func pairs(_ input: FileInventory, _ output: FileInventory) -> [StreamPair] {
        var free = output.streams.filter { $0.picture == nil && !isChapterTrack($0, output) }
        var counts: [String: Int] = [:]
        var pairs: [StreamPair] = []
        for source in input.streams where source.picture == nil && !isChapterTrack(source, input) {
            let kind = kindName(source)
            let name = "\(kind) \(counts[kind, default: 0])"
            counts[kind, default: 0] += 1
            let scores = free.enumerated().filter { kindName($0.element) == kind }
                .map { (position: $0.offset, score: score(source, $0.element)) }
            // The first of equals: order decides.
            let best = scores.reduce(nil as (position: Int, score: Int)?) { best, next in
                best.map { next.score > $0.score } ?? true ? next : best
            }
            let target = best.map { free.remove(at: $0.position) }
            pairs.append(StreamPair(name: name, source: source, target: target))
        }
        return pairs
    }

    static func kindName(_ stream: StreamInventory) -> String {
        if stream.description.isAttachedPicture { return "cover" }
        return stream.description.kind.rawValue
    }

    private static func score(_ a: StreamInventory, _ b: StreamInventory) -> Int {
        var score = 0
        let payloads = Set(b.packets.lazy.filter { !$0.isEmpty }.prefix(64).map(\.payload))
        if a.packets.lazy.filter({ !$0.isEmpty }).prefix(8).contains(where: { payloads.contains($0.payload) }) {
            score += 8
        }
        if a.description.kind == .attachment, a.setup == b.setup { score += 8 }
        if a.description.language == b.description.language { score += 2 }
        if a.description.codec == b.description.codec { score += 1 }
        return score
    }

    /// mp4 and mov keep chapters in a track of text that libav shows as data; the chapters themselves are compared.
    private static func isChapterTrack(_ stream: StreamInventory, _ file: FileInventory) -> Bool {
        file.format.hasPrefix("mov,") && stream.description.kind == .data && stream.description.codec == "bin_data"
            && !file.chapters.isEmpty
    }
}
