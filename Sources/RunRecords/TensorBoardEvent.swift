/// One event of TensorBoard: `tensorflow.Event`, of whose fields these are written, by hand, in protocol buffers' encoding.
struct TensorBoardEvent {
    enum Content {
        /// What a file begins with: "brain.Event:2".
        case version(String)
        case scalars([(tag: String, value: Float)])
        case picture(tag: String, PNGPicture)
        /// Steps from this event's on, in earlier files, do not count any more.
        case restart
    }

    /// Seconds since 1970.
    var wallTime: Double
    var step: Int
    var content: Content

    /// The message's bytes.
    var message: [UInt8] {
        var event = ProtocolBuffer()
        event.double(1, wallTime)
        event.integer(2, step)
        switch content {
        case .version(let text): event.bytes(3, Array(text.utf8))
        case .scalars(let values):
            var summary = ProtocolBuffer()
            for (tag, number) in values {
                var value = ProtocolBuffer()
                value.bytes(1, Array(tag.utf8))
                value.float(2, number)
                summary.bytes(1, value.encoded)
            }
            event.bytes(5, summary.encoded)
        case .picture(let tag, let picture):
            var image = ProtocolBuffer()
            image.integer(1, picture.height)
            image.integer(2, picture.width)
            image.integer(3, picture.channels)
            image.bytes(4, picture.bytes)
            var value = ProtocolBuffer()
            value.bytes(1, Array(tag.utf8))
            value.bytes(4, image.encoded)
            var summary = ProtocolBuffer()
            summary.bytes(1, value.encoded)
            event.bytes(5, summary.encoded)
        case .restart:
            var session = ProtocolBuffer()
            session.integer(1, 1)
            event.bytes(7, session.encoded)
        }
        return event.encoded
    }

    /// The message as a record of an event file: its length in eight bytes, their masked checksum, the message, its masked
    /// checksum; little endian.
    var record: [UInt8] {
        let message = message
        let length = littleEndian(UInt64(message.count))
        return length + littleEndian(CRC32C.masked(length)) + message + littleEndian(CRC32C.masked(message))
    }
}

/// A PNG file, and what its header says.
struct PNGPicture {
    let bytes: [UInt8]
    let width: Int
    let height: Int
    /// 1 gray, 2 gray with opacity, 3 colour, 4 colour with opacity: what TensorBoard calls the colour space.
    let channels: Int

    init?(_ bytes: [UInt8]) {
        func number(_ at: Int) -> Int { bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        guard bytes.count >= 33, bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
            bytes[12..<16].elementsEqual("IHDR".utf8), let channels = [0: 1, 2: 3, 3: 3, 4: 2, 6: 4][bytes[25]]
        else { return nil }
        (self.bytes, self.width, self.height, self.channels) = (bytes, number(16), number(20), channels)
    }
}

/// A message under construction, in protocol buffers' encoding (version 3: numbers that are zero stay away).
private struct ProtocolBuffer {
    private(set) var encoded: [UInt8] = []

    private mutating func variable(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            encoded.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        encoded.append(UInt8(rest))
    }

    private mutating func key(_ field: Int, _ kind: Int) { variable(UInt64(field << 3 | kind)) }

    mutating func integer(_ field: Int, _ value: Int) {
        if value == 0 { return }
        key(field, 0)
        variable(UInt64(bitPattern: Int64(value)))
    }

    mutating func double(_ field: Int, _ value: Double) {
        key(field, 1)
        encoded += littleEndian(value.bitPattern)
    }

    /// Written also when it is zero: it is one of several, and says which.
    mutating func float(_ field: Int, _ value: Float) {
        key(field, 5)
        encoded += littleEndian(value.bitPattern)
    }

    mutating func bytes(_ field: Int, _ value: [UInt8]) {
        key(field, 2)
        variable(UInt64(value.count))
        encoded += value
    }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
