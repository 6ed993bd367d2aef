internal import CFFmpeg
internal import FoundationEssentials
internal import Support
internal import Synchronization

/// The door to libav: its log is kept silent, its last error line is kept for our messages, its codes become text.
internal enum Library {
    /// Lines are kept with a running number, so that an operation can ask for the last one since it began. FFmpeg logs
    /// from its decoder threads too, so a line cannot be tied to a thread; the last one that is younger than the
    /// operation is what is meant in all but contrived cases.
    private struct Tap {
        var count = 0
        var line = ""
        /// The last lines but one, the oldest first.
        var earlier: [String] = []
        /// What of a line has come so far: libav writes some lines in pieces.
        var pending = ""
    }

    private static let tap = Mutex(Tap())

    private static let installed: Void = {
        av_log_set_callback { context, level, format, arguments in
            guard level <= AV_LOG_INFO, let format, let arguments else { return }
            // Of warnings and less only a reader's are looked at: some tell of bytes that a demuxer passes over.
            let owner = Library.owner(of: context)
            guard level <= AV_LOG_ERROR || owner != nil else { return }
            var buffer = [CChar](repeating: 0, count: 1024)
            let length = vsnprintf(&buffer, buffer.count, format, arguments)
            guard length > 0 else { return }
            let text = String(
                decoding: buffer.prefix(min(Int(length), 1023)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if level <= AV_LOG_ERROR || LossWarning.isOne(text) { owner?.log.note(text) }
            if level <= AV_LOG_ERROR { Library.note(text) }
        }
    }()

    /// Who opened the demuxer or decoder that logs; nil for parsers, protocols and everything that is not for reading.
    private static func owner(of context: UnsafeMutableRawPointer?) -> ReadingOwner? {
        // Every context that logs begins with a pointer to its class.
        guard let context, let kind = context.load(as: UnsafePointer<AVClass>?.self) else { return nil }
        let opaque: UnsafeMutableRawPointer? =
            switch kind {
            case avformat_get_class(): context.assumingMemoryBound(to: AVFormatContext.self).pointee.opaque
            case avcodec_get_class(): context.assumingMemoryBound(to: AVCodecContext.self).pointee.opaque
            default: nil
            }
        return opaque.map { Unmanaged<ReadingOwner>.fromOpaque($0).takeUnretainedValue() }
    }

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
            tap.earlier.append(tap.line)
            if tap.earlier.count > 8 { tap.earlier.removeFirst() }
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

    /// The first of the last lines since `mark`, or nil: the cause, where what follows only says that it failed.
    static func firstLine(since mark: Int) -> String? {
        tap.withLock { tap in
            guard tap.count > mark else { return nil }
            return (tap.earlier + [tap.line]).suffix(tap.count - mark).first
        }
    }

    /// libav's text for a code, preceded by its last line where that says more.
    static func reason(_ code: Int32, since mark: Int) -> String {
        reason(code, line: lastLine(since: mark))
    }

    static func reason(_ code: Int32, line: String?) -> String {
        let text = describe(code)
        guard let line, !line.isEmpty else { return text }
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

/// What a demuxer's or a decoder's context of libav points to: its log, and the decoder's memory. Frame threads have
/// contexts of their own that point to the same. Must outlive the context.
internal final class ReadingOwner: Sendable {
    let log = ErrorLog()
    let memory: DecoderMemory?
    /// The one file that the demuxer may open; nil where it may open what libav allows.
    let url: String?
    typealias Opener =
        @convention(c) (
            UnsafeMutablePointer<AVFormatContext>?, UnsafeMutablePointer<UnsafeMutablePointer<AVIOContext>?>?,
            UnsafePointer<CChar>?, Int32, UnsafeMutablePointer<OpaquePointer?>?
        ) -> Int32
    /// libav's own way to open; set before anything is opened.
    nonisolated(unsafe) var opener: Opener?
    private let refusal = Atomic<Bool>(false)

    init(memory: DecoderMemory? = nil, url: String? = nil) { (self.memory, self.url) = (memory, url) }

    /// Whether the demuxer wanted to open another file: a playlist does.
    var hasRefused: Bool { refusal.load(ordering: .acquiring) }

    /// Has a demuxer open nothing but its own file.
    func guardOpening(of context: UnsafeMutablePointer<AVFormatContext>) {
        opener = context.pointee.io_open
        context.pointee.io_open = { context, io, url, flags, options in
            guard let context, let opaque = context.pointee.opaque else { return uf_error_io() }
            let owner = Unmanaged<ReadingOwner>.fromOpaque(opaque).takeUnretainedValue()
            guard let opener = owner.opener, let url, SystemPath.string(url) == owner.url else {
                owner.refusal.store(true, ordering: .releasing)
                return uf_error_not_permitted()
            }
            return opener(context, io, url, flags, options)
        }
    }

    var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
}

/// The lines that libav logs as errors about one file. Written by any thread.
internal final class ErrorLog: Sendable {
    private struct State {
        var lines: [String] = []
        var pending = ""
    }
    private let state = Mutex(State())
    private static let kept = 64

    fileprivate func note(_ text: String) {
        state.withLock { state in
            state.pending += text
            guard state.pending.hasSuffix("\n") else { return }
            for line in state.pending.split(separator: "\n") where !line.allSatisfy({ $0 == " " }) {
                if state.lines.count < Self.kept { state.lines.append(line.trimmingPrefix { $0 == " " }.description) }
            }
            state.pending = ""
        }
    }

    /// The lines since the last call, 64 at most.
    func take() -> [String] {
        state.withLock { state in
            defer { state.lines.removeAll(keepingCapacity: true) }
            return state.lines
        }
    }
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
