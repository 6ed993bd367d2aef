internal import CFFmpeg

/// Two fields into one picture by libavfilter's bwdif: as many frames come out as go in, each at its own time. It looks
/// at the neighbours in time, so a frame comes out when the next one is there.
internal final class Deinterlacer {
    private struct Passport {
        var timestamp: Int64
        var duration: Int64
        var isKey: Bool
        var arrival: Double?
    }

    private let path: String
    private let all: Bool
    private var graph: UnsafeMutablePointer<AVFilterGraph>?
    private var source: UnsafeMutablePointer<AVFilterContext>?
    private var sink: UnsafeMutablePointer<AVFilterContext>?
    private var shape: (width: Int, height: Int, format: AVPixelFormat) = (0, 0, AV_PIX_FMT_NONE)
    /// The filter is given running numbers for times: nothing that it computes with them can touch the true ones.
    private var waiting: [Int64: Passport] = [:]
    private var count: Int64 = 0

    /// - Parameter all: treats every frame as interlaced; otherwise those that are flagged.
    init(path: String, all: Bool) {
        self.path = path
        self.all = all
    }

    deinit { avfilter_graph_free(&graph) }

    func push(_ frame: VideoFrame) throws(MediaError) -> [VideoFrame] {
        // The filter's own limit.
        guard frame.width >= 3, frame.height >= 3 else { return try finish() + [frame] }
        var ready: [VideoFrame] = []
        if shape != (frame.width, frame.height, frame.format) {
            ready = try finish()
            try open(frame)
        }
        guard let clone = av_frame_clone(frame.frame) else { fatalError("out of memory") }
        var pointer: UnsafeMutablePointer<AVFrame>? = clone
        defer { av_frame_free(&pointer) }
        clone.pointee.pts = count
        waiting[count] = Passport(
            timestamp: frame.timestamp, duration: frame.duration, isKey: frame.isKey, arrival: frame.arrival)
        count += 1
        let mark = Library.mark()
        let code = av_buffersrc_add_frame(source, clone)
        guard code >= 0 else { throw failed(Library.reason(code, since: mark)) }
        return ready + (try receive())
    }

    /// What is still inside.
    func finish() throws(MediaError) -> [VideoFrame] {
        guard graph != nil else { return [] }
        _ = av_buffersrc_add_frame(source, nil)
        let rest = try receive()
        avfilter_graph_free(&graph)
        shape = (0, 0, AV_PIX_FMT_NONE)
        return rest
    }

    private func receive() throws(MediaError) -> [VideoFrame] {
        var ready: [VideoFrame] = []
        while true {
            guard let frame = av_frame_alloc() else { fatalError("out of memory") }
            let mark = Library.mark()
            let code = av_buffersink_get_frame(sink, frame)
            guard code >= 0 else {
                var pointer: UnsafeMutablePointer<AVFrame>? = frame
                av_frame_free(&pointer)
                if code == uf_error_again() || code == uf_error_eof() { return ready }
                throw failed(Library.reason(code, since: mark))
            }
            let number = av_rescale_q(frame.pointee.pts, av_buffersink_get_time_base(sink), Self.tick)
            guard let passport = waiting.removeValue(forKey: number) else {
                preconditionFailure("bwdif gives one frame for each that it is given")
            }
            ready.append(
                VideoFrame(
                    owning: frame, timestamp: passport.timestamp, duration: passport.duration, isKey: passport.isKey,
                    arrival: passport.arrival))
        }
    }

    private static let tick = AVRational(num: 1, den: 1000)

    private func open(_ frame: VideoFrame) throws(MediaError) {
        guard let made = avfilter_graph_alloc() else { fatalError("out of memory") }
        graph = made
        made.pointee.nb_threads = 0
        let mark = Library.mark()
        func add(_ filter: String, _ arguments: String) throws(MediaError) -> UnsafeMutablePointer<AVFilterContext>? {
            var context: UnsafeMutablePointer<AVFilterContext>?
            guard let kind = avfilter_get_by_name(filter) else { throw failed("this FFmpeg has no filter \(filter)") }
            let code = avfilter_graph_create_filter(&context, kind, filter, arguments, nil, made)
            guard code >= 0 else { throw failed(Library.reason(code, since: mark)) }
            return context
        }
        let size = "video_size=\(frame.width)x\(frame.height)"
        source = try add(
            "buffer", "\(size):pix_fmt=\(frame.format.rawValue):time_base=1/1000:pixel_aspect=1/1")
        let bwdif = try add("bwdif", "mode=send_frame:parity=auto:deint=\(all ? "all" : "interlaced")")
        // Formats that bwdif does not read are converted on the way in and back on the way out.
        let format = try add("format", "pix_fmts=\(frame.pixelFormat)")
        sink = try add("buffersink", "")
        var code = avfilter_link(source, 0, bwdif, 0)
        if code >= 0 { code = avfilter_link(bwdif, 0, format, 0) }
        if code >= 0 { code = avfilter_link(format, 0, sink, 0) }
        if code >= 0 { code = avfilter_graph_config(made, nil) }
        guard code >= 0 else { throw failed(Library.reason(code, since: mark)) }
        shape = (frame.width, frame.height, frame.format)
    }

    private func failed(_ reason: String) -> MediaError {
        .deinterlacingFailed(path: path, reason: reason)
    }
}
