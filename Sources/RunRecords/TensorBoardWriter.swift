/// Writes an event file that TensorBoard reads while it grows (`tensorboard --logdir FOLDER`).
///
/// Every writer begins a file of its own; TensorBoard puts the files of a folder together by their names, which begin with
/// the time. A resumed run says at which step it goes on, and what earlier files say of later steps is not shown any more.
/// Owned by one thread at a time.
public final class TensorBoardWriter {
    /// The file's path.
    public let path: String
    private var file: AppendingFile

    /// - Parameters:
    ///   - folder: where the file is made; made itself when it is missing.
    ///   - resumedAt: the first step that this run takes, when an earlier one took those before.
    /// - Throws: `RecordError.unwritable`.
    public convenience init(folder: String, resumedAt step: Int? = nil) throws(RecordError) {
        try self.init(folder: folder, resumedAt: step, now: wallTime(), host: hostName())
    }

    init(folder: String, resumedAt step: Int?, now: Double, host: String) throws(RecordError) {
        try makeFolder(folder)
        // Two writers in one second must not share a file.
        let part = String(UInt32.random(in: 0 ... .max), radix: 36)
        path = "\(folder)/events.out.tfevents.\(Int(now)).\(host).\(part)"
        file = try AppendingFile(path)
        try write(TensorBoardEvent(wallTime: now, step: 0, content: .version("brain.Event:2")))
        if let step { try write(TensorBoardEvent(wallTime: now, step: step, content: .restart)) }
        try flush()
    }

    /// Adds numbers of one step. Tags with slashes are shown in groups by what stands before the first.
    ///
    /// - Throws: `RecordError.unwritable`; the numbers are kept for the next try.
    public func add(_ scalars: [String: Float], step: Int) throws(RecordError) {
        try add(scalars, step: step, now: wallTime())
    }

    func add(_ scalars: [String: Float], step: Int, now: Double) throws(RecordError) {
        let sorted = scalars.sorted { $0.key < $1.key }.map { (tag: $0.key, value: $0.value) }
        try write(TensorBoardEvent(wallTime: now, step: step, content: .scalars(sorted)))
    }

    /// Adds a picture.
    ///
    /// - Parameter png: a PNG file's bytes.
    /// - Throws: `RecordError.notPNG`, `.unwritable`.
    public func add(picture png: [UInt8], _ tag: String, step: Int) throws(RecordError) {
        try add(picture: png, tag, step: step, now: wallTime())
    }

    func add(picture png: [UInt8], _ tag: String, step: Int, now: Double) throws(RecordError) {
        guard let picture = PNGPicture(png) else { throw .notPNG(name: tag) }
        try write(TensorBoardEvent(wallTime: now, step: step, content: .picture(tag: tag, picture)))
    }

    /// Hands everything so far to the system, so that TensorBoard sees it.
    public func flush() throws(RecordError) { try file.flush() }

    private func write(_ event: TensorBoardEvent) throws(RecordError) { try file.append(event.record) }

    deinit { try? file.flush() }
}
