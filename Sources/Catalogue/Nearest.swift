/// Names that a mistyped one may mean.
public enum NearestNames {
    /// Up to three of `names` that are like `text`, the nearest first.
    public static func of(_ text: String, among names: [String]) -> [String] {
        let text = text.lowercased()
        let scored = names.map { name in
            // A part of a name counts as near: "anime" is no misspelling of "x4plus-anime", yet means it.
            (
                name: name,
                distance: min(
                    editDistance(text, name.lowercased()),
                    name.lowercased().contains(text) && text.count >= 3 ? 1 : .max)
            )
        }
        return scored.filter { $0.distance <= max(2, text.count / 3) }
            .sorted { ($0.distance, $0.name.count, $0.name) < ($1.distance, $1.name.count, $1.name) }
            .prefix(3).map(\.name)
    }

    /// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
    static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[b.count]
    }
}
