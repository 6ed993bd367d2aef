/// Names of formats as people write them, where libav has another.
internal enum FormatNames {
    static func demuxer(_ name: String) -> String {
        switch name.lowercased() {
        case "y4m", "yuv4mpeg": "yuv4mpegpipe"
        case "mkv", "webm": "matroska"
        case "ts", "m2ts": "mpegts"
        case "raw", "yuv": "rawvideo"
        case "mp4", "m4v": "mov"
        default: name.lowercased()
        }
    }

    static func muxer(_ name: String) -> String {
        switch name.lowercased() {
        case "y4m", "yuv4mpeg": "yuv4mpegpipe"
        case "mkv": "matroska"
        case "ts", "m2ts": "mpegts"
        case "raw", "yuv": "rawvideo"
        case "m4v": "mp4"
        default: name.lowercased()
        }
    }
}
