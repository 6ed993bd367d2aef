internal import CFFmpeg

/// Decodes one picture file to its one frame.
internal enum StillPicture {
    /// A frame, which the caller owns, and what is damaged about it.
    struct Decoded {
        var frame: UnsafeMutablePointer<AVFrame>
        var damage: String?
    }

    /// - Parameter toleratesDamage: makes do with what can be decoded.
    /// - Throws: `MediaError.damagedPicture` for anything damaged, or with nothing to be decoded; what opening throws.
    static func decode(
        _ path: String, toleratesDamage: Bool, interrupter: Interrupter
    ) throws(MediaError) -> Decoded {
        let file = try InputFile(path: path, format: nil, interrupter: interrupter, isLookedInto: false)
        guard file.streamCount > 0 else { throw .notMedia(path: path, reason: "it holds no picture") }
        let mark = Library.mark()
        let decoder = try VideoDecoder(file.stream(0), path: path, threads: 1, refusesDamage: true)
        guard let packet = av_packet_alloc() else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&pointer)
        }
        var damage: String?
        func note(_ reason: String) throws(MediaError) {
            guard toleratesDamage else {
                let isLost = !canBeSaved(path, interrupter: interrupter)
                throw .damagedPicture(path: path, reason: reason, isLost: isLost)
            }
            damage = damage ?? reason
        }
        func lost(_ reason: String) -> MediaError {
            .damagedPicture(
                path: path, reason: damage ?? reason,
                isLost: toleratesDamage || !canBeSaved(path, interrupter: interrupter))
        }
        var isFlushed = false
        while true {
            switch decoder.receive() {
            case .frame(let frame):
                if damage == nil, let reason = complaint(of: decoder, about: frame) {
                    do { try note(reason) } catch {
                        var pointer: UnsafeMutablePointer<AVFrame>? = frame
                        av_frame_free(&pointer)
                        throw error
                    }
                }
                if let metadata = PictureMetadata(contentsOf: path) { lay(frame, metadata) }
                return Decoded(frame: frame, damage: damage)
            case .failed(let code):
                throw lost(Library.reason(code, since: mark))
            case .ended:
                throw lost(Library.lastLine(since: mark) ?? "no picture came")
            case .needsPacket:
                var code: Int32 = 0
                repeat { code = av_read_frame(file.context, packet) } while code == uf_error_again()
                if code >= 0 {
                    defer { av_packet_unref(packet) }
                    if let reason = send(packet, to: decoder, toleratesDamage: toleratesDamage, since: mark) {
                        try note(reason)
                    }
                } else {
                    guard !isFlushed else { throw lost("no picture came") }
                    isFlushed = true
                    decoder.flush()
                }
            }
        }
    }

    /// Gives a frame the display matrix that its file asks for, where the decoder did not: libav heeds JPEG's EXIF only.
    static func lay(_ frame: UnsafeMutablePointer<AVFrame>, _ metadata: PictureMetadata) {
        guard metadata.orientation != 1, av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX) == nil else {
            return
        }
        let matrix = Orientation(exif: metadata.orientation).displayMatrix
        guard let side = av_frame_new_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX, matrix.count) else {
            fatalError("out of memory")
        }
        side.pointee.data.update(from: matrix, count: matrix.count)
    }

    /// Whether something of a damaged picture can be decoded; a file's, since a pipe is read once.
    static func canBeSaved(_ path: String, interrupter: Interrupter) -> Bool {
        guard path != "-", FileSystem.isFile(path),
            let decoded = try? decode(path, toleratesDamage: true, interrupter: interrupter)
        else { return false }
        var pointer: UnsafeMutablePointer<AVFrame>? = decoded.frame
        av_frame_free(&pointer)
        return true
    }

    /// What a decoder says against a picture that it gave all the same; nil for a sound one.
    static func complaint(of decoder: VideoDecoder, about frame: UnsafeMutablePointer<AVFrame>) -> String? {
        let line = decoder.log.take().first { !HarmlessComplaint.isOne($0) }
        return line ?? (VideoFrame.isDamaged(frame) ? "parts of it cannot be decoded" : nil)
    }

    /// Gives a picture's packet to a decoder that refuses damage; one that is damaged is given again, where that is
    /// tolerated, for what can be decoded of it.
    ///
    /// - Returns: what is damaged, or nil.
    static func send(
        _ packet: UnsafeMutablePointer<AVPacket>, to decoder: VideoDecoder, toleratesDamage: Bool, since mark: Int
    ) -> String? {
        var damage = packet.pointee.flags & AV_PKT_FLAG_CORRUPT != 0 || lacksEnd(packet) ? "the data end early" : nil
        if damage == nil {
            let code = decoder.send(packet)
            if code < 0 { damage = Library.reason(code, since: mark) }
        }
        if damage != nil, toleratesDamage {
            decoder.tolerateDamage()
            _ = decoder.send(packet)
        }
        return damage
    }

    private static func lacksEnd(_ packet: UnsafeMutablePointer<AVPacket>) -> Bool {
        guard let data = packet.pointee.data else { return false }
        let bytes = UnsafeBufferPointer(start: data, count: Int(packet.pointee.size))
        return JPEGEnd.isJPEG(bytes) && !JPEGEnd.isThere(bytes)
    }
}

/// Whether a JPEG has its end: decoders fill what is missing with grey and call it a picture.
public enum JPEGEnd {
    /// The end-of-image marker somewhere behind the beginning of the coded data (ITU-T T.81, annex B). A thumbnail in the
    /// header has its own, which does not count; cameras write more behind the end.
    ///
    /// - Parameter bytes: a whole file, which begins as a JPEG does.
    public static func isThere(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBufferPointer { isThere($0) } }

    static func isJPEG(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF
    }

    static func isThere(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var position = 2
        while position + 4 <= bytes.count, bytes[position] == 0xFF {
            let marker = bytes[position + 1]
            if marker == 0xFF {
                position += 1
                continue
            }
            if marker == 0xDA {
                var end = bytes.count - 2
                while end > position {
                    if bytes[end] == 0xFF, bytes[end + 1] == 0xD9 { return true }
                    end -= 1
                }
                return false
            }
            position += 2 + (Int(bytes[position + 2]) << 8 | Int(bytes[position + 3]))
        }
        return false
    }
}
