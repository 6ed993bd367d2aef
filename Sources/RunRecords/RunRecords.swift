// RunRecords: what a long run leaves behind for people to look at.
//
// Three forms of the same numbers: `RunLog`, a line of JSON for each record, which programs read and from which a resumed
// run goes on; `TensorBoardWriter`, event files that TensorBoard shows while the run goes on; `RunReport`, one HTML file at
// the end that needs nothing beside itself. `PictureStrip` lays pictures out for the latter two; how they become PNG is
// the caller's business.
//
// Nothing here knows what is trained: records are names and numbers. Files are written by two small types in
// `RecordFile`, which loses at most the last line when the machine stops.

/// What can go wrong with a record's file.
public enum RecordError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case unwritable(path: String, reason: String)
    /// A line that is no record, though others follow it.
    case damaged(path: String, line: Int)
    /// Bytes that were given as a PNG picture are none.
    case notPNG(name: String)

    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "'\(path)' cannot be read: \(reason)"
        case .unwritable(let path, let reason): "'\(path)' cannot be written: \(reason)"
        case .damaged(let path, let line):
            "line \(line) of '\(path)' is no record of a run: mend or delete the line, or move the file away"
        case .notPNG(let name): "'\(name)' is no PNG picture"
        }
    }
}
