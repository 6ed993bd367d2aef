internal import CFFmpeg
internal import FoundationEssentials
internal import Synchronization

/// The door to libav: its log is kept silent, its last error line is kept for our messages, its codes become text.
internal enum Library {
    /// Lines are kept with a running number, so that an operation can ask for the last one since it began. FFmpeg logs
    /// from its decoder threads too, so a line cannot be tied to a thread; the last one that is younger than the
    /// operation is what is meant in all but contrived cases.
    private struct Tap {
        var count = 0
        var line = ""
        /// What of a line has come so far: libav writes some lines in pieces.
        var pending = ""
    }

    private static let tap = Mutex(Tap())

    private static let installed: Void = {
        av_log_set_callback { _, level, format, arguments in
            guard level <= AV_LOG_ERROR, let format, let arguments else { return }
            var buffer = [CChar](repeating: 0, count: 1024)
            let length = vsnprintf(&buffer, buffer.count, format, arguments)
            guard length > 0 else { return }
            let text = String(
                decoding: buffer.prefix(min(Int(length), 1023)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            Library.note(text)
        }
    }()

    /// Makes libav silent. Every entry point of the module calls it first.
    static func prepare() {
        _ = installed
    }

    private static func note(_ text: String) {
        tap.withLock { tap in
            tap.pending += text
            guard tap.pending.hasSuffix("\n") else { return }
            let lines = tap.pending.split(separator: "\n")
            tap.pending = ""
            guard let last = lines.last(where: { !$0.allSatisfy { $0 == " " } }) else { return }
            tap.line = last.trimmingPrefix(while: { $0 == " " }).description
            tap.count += 1
        }
    }

    /// A mark to give to `lastLine(since:)`.
    static func mark() -> Int { tap.withLock { $0.count } }

    /// The last error line that libav logged since `mark`, or nil.
    static func lastLine(since mark: Int) -> String? {
        tap.withLock { $0.count > mark ? $0.line : nil }
    }

    /// libav's text for a code, preceded by its last line where that says more.
    static func reason(_ code: Int32, since mark: Int) -> String {
        let text = describe(code)
        guard let line = lastLine(since: mark), !line.isEmpty else { return text }
        let trimmed = line.last == "." ? String(line.dropLast()) : line
        return trimmed.contains(text) ? trimmed : "\(text): \(trimmed)"
    }

    static func describe(_ code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        av_strerror(code, &buffer, buffer.count)
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static var noTimestamp: Int64 { uf_no_pts() }
}

/// Stops a reader's blocking calls from any thread, once and for all.
public final class Interrupter: Sendable {
    private let flag = Atomic<Bool>(false)

    public init() {}

    /// Makes the reader's running and later calls throw `MediaError.interrupted`. Callable from any thread, any number
    /// of times; not from a signal handler.
    public func interrupt() {
        flag.store(true, ordering: .releasing)
    }

    public var isInterrupted: Bool { flag.load(ordering: .acquiring) }
}

/// An AVDictionary that frees itself.
internal final class OptionDictionary {
    var pointer: OpaquePointer?

    init(_ entries: [(String, String)] = []) {
        for (key, value) in entries { set(key, value) }
    }

    deinit { av_dict_free(&pointer) }

    func set(_ key: String, _ value: String) {
        av_dict_set(&pointer, key, value, 0)
    }

    var entries: [(String, String)] { Self.entries(of: pointer) }

    static func entries(of dictionary: OpaquePointer?) -> [(String, String)] {
        var result: [(String, String)] = []
        var entry: UnsafeMutablePointer<AVDictionaryEntry>?
        while let next = av_dict_get(dictionary, "", entry, AV_DICT_IGNORE_SUFFIX) {
            result.append((String(cString: next.pointee.key), String(cString: next.pointee.value)))
            entry = next
        }
        return result
    }
}

extension String {
    /// A C string of libav's, or nil.
    internal init?(optionalCString pointer: UnsafePointer<CChar>?) {
        guard let pointer else { return nil }
        self.init(cString: pointer)
    }
}
