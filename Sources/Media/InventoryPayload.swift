internal import CFFmpeg

/// A SHA-256 that grows with the data.
internal final class RunningFingerprint {
    private let context: OpaquePointer

    init() {
        guard let made = av_sha_alloc() else { fatalError("out of memory") }
        context = made
        av_sha_init(context, 256)
    }

    deinit { av_free(UnsafeMutableRawPointer(context)) }

    func add(_ bytes: UnsafePointer<UInt8>?, _ count: Int) {
        if let bytes, count > 0 { av_sha_update(context, bytes, numericCast(count)) }
    }

    /// Nothing may be added afterwards.
    func finish() -> Fingerprint {
        var digest = [UInt8](repeating: 0, count: 32)
        av_sha_final(context, &digest)
        return Fingerprint(bytes: digest)
    }
}

extension Fingerprint {
    internal init(of bytes: UnsafeBufferPointer<UInt8>) {
        let running = RunningFingerprint()
        running.add(bytes.baseAddress, bytes.count)
        self = running.finish()
    }

    internal init(of bytes: some Sequence<UInt8>) {
        self = Array(bytes).withUnsafeBufferPointer { Fingerprint(of: $0) }
    }
}

/// What a packet says, apart from how its container wraps it.
internal enum InventoryPayload {
    /// The unwrapped bytes and the wrapping; nil where the packet is as bare as it can be.
    static func unwrapped(_ bytes: UnsafeBufferPointer<UInt8>, codec: AVCodecID) -> (bytes: [UInt8], PacketWrapping)? {
        switch codec {
        case AV_CODEC_ID_AAC: adts(bytes).map { (Array(bytes.dropFirst($0)), .adts) }
        case AV_CODEC_ID_MOV_TEXT: (plain(movText(bytes)), .movText)
        case AV_CODEC_ID_ASS, AV_CODEC_ID_SSA: (plain(dialogue(bytes)), .text)
        case AV_CODEC_ID_SUBRIP, AV_CODEC_ID_TEXT, AV_CODEC_ID_WEBVTT: (plain(Array(bytes)), .text)
        default: nil
        }
    }

    /// The length of the ADTS header, where there is one that fits the packet.
    private static func adts(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        guard bytes.count > 7, bytes[0] == 0xFF, bytes[1] & 0xF6 == 0xF0 else { return nil }
        let length = Int(bytes[3] & 3) << 11 | Int(bytes[4]) << 3 | Int(bytes[5]) >> 5
        guard length == bytes.count else { return nil }
        return bytes[1] & 1 == 0 ? 9 : 7
    }

    /// Sixteen bits of length, that much text, then boxes of styles.
    private static func movText(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        guard bytes.count >= 2 else { return [] }
        return Array(bytes.dropFirst(2).prefix(Int(bytes[0]) << 8 | Int(bytes[1])))
    }

    /// The text of an ASS event: what follows the eighth comma.
    private static func dialogue(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var commas = 0
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: ",") {
            commas += 1
            if commas == 8 { return Array(bytes[(index + 1)...]) }
        }
        return Array(bytes)
    }

    /// Text without tags (`<i>`, `{\an8}`), with single line breaks, and with none at its ends.
    static func plain(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var closing: UInt8?
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            index += 1
            if let end = closing {
                if byte == end { closing = nil }
                continue
            }
            switch byte {
            case UInt8(ascii: "<") where next == UInt8(ascii: "/") || isLetter(next): closing = UInt8(ascii: ">")
            case UInt8(ascii: "{") where next == UInt8(ascii: "\\"): closing = UInt8(ascii: "}")
            case UInt8(ascii: "\\") where next == UInt8(ascii: "N") || next == UInt8(ascii: "n"):
                result.append(10)
                index += 1
            case 13, 0: break
            default: result.append(byte)
            }
        }
        let isSpace: (UInt8) -> Bool = { $0 == 10 || $0 == 32 }
        guard let first = result.firstIndex(where: { !isSpace($0) }),
            let last = result.lastIndex(where: { !isSpace($0) })
        else { return [] }
        return Array(result[first...last])
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) >= 97 && (byte | 0x20) <= 122 }
}
