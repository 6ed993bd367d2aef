internal import CFFmpeg

/// What a reader makes of damage: it counts what the decoder refused or made up, gathers what the decoder and the demuxer
/// complain of, and decides what of it ends the reading and what is only told.
///
/// Belongs to the reader's thread. Ends nothing itself: it answers with the error to end with.
internal final class DamageWatch {
    /// Packets that could not be decoded, or only in part.
    private(set) var packets = 0
    private(set) var damage = Damage()
    /// Packets before the first whole frame, of a stream that was joined in the middle.
    private var joinedPackets = 0

    private let source: String
    private let toleratesDamage: Bool
    private let isStillPicture: Bool
    private let file: InputFile
    private let decoder: VideoDecoder
    /// What there is against streams that are copied, each a sentence.
    private var heads: [String] = []
    private var hasSeenKey = false
    private var keylessPackets = 0
    /// A whole frame was decoded.
    private var hasSettled = false
    /// Error lines of libav that wait for what the decoder makes of their cause, and the frames that came since.
    private var complaints: [String] = []
    /// Where in the video the first of them came.
    private var complaintSeconds: Double?
    private var framesSinceComplaint = 0
    /// Byte of the file at which the last packet ended.
    private var packetEnd: Int64?
    /// Bytes before the first packet, 65536 at most.
    private var headBytes: Int64 = 0
    /// True for NUT, whose demuxer passes over bytes without a word. Kept, since every packet asks.
    private let checksPositions: Bool

    /// How far the reading has come.
    struct Place {
        /// Where in the video the last packet lies.
        var seconds: Double?
        var packets: Int
        var frames: Int
        /// No more packets come.
        var isDraining: Bool
    }

    init(source: String, options: ReaderOptions, isStillPicture: Bool, file: InputFile, decoder: VideoDecoder) {
        self.source = source
        self.toleratesDamage = options.toleratesDamage
        self.isStillPicture = isStillPicture
        self.file = file
        self.decoder = decoder
        checksPositions = file.formatName == "nut"
    }

    /// Begins anew, for packets of another place.
    func restart() {
        (packets, keylessPackets, hasSeenKey, hasSettled) = (0, 0, false, false)
        packetEnd = nil
        damage = Damage()
        forgetComplaints()
    }

    /// Whether a stream can be copied at all; what there is against it is told.
    func accepts(_ index: Int) -> Bool {
        switch file.soundLack(index) {
        case .shape(let lack)?:
            heads.append("\(source): the sound of stream \(index) shows \(lack); it is left out.")
            return false
        case .head(let reason)?:
            heads.append("\(source): the sound of stream \(index) is damaged (\(reason)); it is copied as it is.")
            return true
        case nil: return true
        }
    }

    /// A packet of any stream was read. NUT's demuxer passes over bytes that it does not understand without a word; between two
    /// packets a file has a few bytes of frame headers, or the head of the file once more.
    func follow(_ packet: UnsafeMutablePointer<AVPacket>) {
        guard checksPositions, packet.pointee.pos >= 0 else { return }
        let position = packet.pointee.pos
        defer { packetEnd = position + Int64(packet.pointee.size) }
        guard let packetEnd else {
            headBytes = min(position, 1 << 16)
            return
        }
        if let passed = passedBytes(from: packetEnd, to: position) {
            complaints.append("\(passed) bytes between two packets are not understood")
        }
    }

    /// Description of the bytes that NUT's demuxer passed over behind the last packet; nil where there are none.
    func lackAtEnd() -> String? {
        guard let packetEnd, let index = ContainerEnd.nutIndex(of: source).map(Int64.init) else { return nil }
        if packetEnd > index { return "its last packet reaches into its index" }
        guard let passed = passedBytes(from: packetEnd, to: index) else { return nil }
        return "\(passed) bytes at its end are not understood"
    }

    private func passedBytes(from start: Int64, to end: Int64) -> Int64? {
        // The demuxer skips the packets of streams that are left out, which looks the same.
        end - start > headBytes + 256 && !file.leavesStreamsOut ? end - start : nil
    }

    /// A packet of the video is about to be decoded.
    func count(_ packet: UnsafeMutablePointer<AVPacket>) {
        if packet.pointee.flags & AV_PKT_FLAG_KEY != 0 {
            hasSeenKey = true
        } else if !hasSeenKey {
            keylessPackets += 1
        }
    }

    /// Goes on after damage, and remembers it.
    func tolerate(_ kind: Damage.Kind, _ path: String, _ reason: String, at seconds: Double?) {
        packets += 1
        damage.add(kind, path: path, reason: reason, seconds: seconds)
    }

    /// A picture of a list ends the reading.
    func refusePicture() { packets += 1 }

    /// Notes damage, which ends the reading, unless it is tolerated or nobody could do without it: a stream that was joined
    /// in the middle begins with pictures whose references are not there, and a transport stream that was cut ends within a
    /// picture.
    ///
    /// - Returns: the error to end with, or nil.
    func note(_ kind: Damage.Kind, _ reason: String, at place: Place) -> MediaError? {
        let kind = isStillPicture ? .picture : kind
        forgetComplaints()
        if !hasSettled, packets < keylessPackets, !isStillPicture {
            packets += 1
            joinedPackets += 1
            return nil
        }
        if toleratesDamage {
            tolerate(kind, source, reason, at: place.seconds)
            return nil
        }
        if place.isDraining, file.isTransportStream {
            damage.add(kind, path: source, reason: reason, seconds: place.seconds)
            return nil
        }
        packets += 1
        guard !isStillPicture else {
            let isLost = !StillPicture.canBeSaved(source, interrupter: file.interrupter)
            return .damagedPicture(path: source, reason: reason, isLost: isLost)
        }
        return .corrupt(
            path: source, seconds: place.seconds, packet: place.frames == 0 ? 0 : place.packets, reason: reason)
    }

    /// Looks for what the decoder made up, and for what it or the demuxer complained of meanwhile.
    ///
    /// - Returns: the error to end with, or nil.
    func inspect(_ frame: VideoFrame, at place: Place) -> MediaError? {
        if isStillPicture {
            guard packets == 0, let reason = StillPicture.complaint(of: decoder, about: frame.frame) else { return nil }
            return note(.picture, reason, at: place)
        }
        if frame.isDamaged {
            let line = (complaints + decoder.log.take() + file.log.take()).last
            return note(.concealed, line ?? "a part is missing", at: place)
        }
        if !hasSettled {
            hasSettled = true
            let (demuxer, decoder) = (file.log.take(), decoder.log.take())
            forgetComplaints()
            // A recording that was joined in the middle begins with what cannot be decoded, which `notes` tells, and with
            // bytes to pass over. Everywhere else what was complained of is missing: the decoder is some frames ahead.
            let isRecording = file.isTransportStream || file.formatName == "mpeg"
            let heard = keylessPackets == 0 ? decoder : []
            if !file.isLive {
                complaints = isRecording ? heard.filter { !HarmlessComplaint.isOfReferences($0) } : demuxer + heard
            }
        }
        return weighComplaints(at: place)
    }

    /// Weighs complaints, which run ahead: frames of before are still in the decoder, and one whose data is damaged may be
    /// refused or come out flagged, which says more. So they wait for some frames.
    ///
    /// - Parameter isLast: nothing more comes out of the decoder.
    /// - Returns: the error to end with, or nil.
    func weighComplaints(isLast: Bool = false, at place: Place) -> MediaError? {
        complaints += (file.log.take() + decoder.log.take()).prefix(max(0, 64 - complaints.count))
        guard !complaints.isEmpty else { return nil }
        if framesSinceComplaint == 0 { complaintSeconds = place.seconds }
        framesSinceComplaint += 1
        guard isLast || framesSinceComplaint > Self.decoderDepth else { return nil }
        let lines = complaints
        var place = place
        place.seconds = complaintSeconds
        forgetComplaints()
        guard let line = lines.first(where: { !HarmlessComplaint.isOne($0) }) ?? lines.first else { return nil }
        guard HarmlessComplaint.isOne(line) || file.isLive || toleratesDamage else {
            return note(.complaint, line, at: place)
        }
        damage.add(.complaint, count: lines.count, path: source, reason: line, seconds: place.seconds)
        return nil
    }

    /// Frames that a decoder holds at most, reordered and in threads.
    private static let decoderDepth = 32

    private func forgetComplaints() {
        _ = file.log.take()
        _ = decoder.log.take()
        complaints = []
        framesSinceComplaint = 0
    }

    /// A source of which nothing could be decoded is an error, whatever is tolerated.
    func nothingCame(isPicture: Bool) -> MediaError {
        let path = damage.isEmpty ? source : damage.path
        let lines = complaints + file.log.take() + decoder.log.take()
        let reason = damage.isEmpty ? lines.first ?? "nothing of it can be decoded" : damage.reason
        if isPicture { return .damagedPicture(path: path, reason: reason, isLost: true) }
        return .corrupt(path: path, seconds: nil, packet: 0, reason: reason)
    }

    /// Packets before the first whole frame that gave none: decoders pass over them without a word, too.
    private func joined(at place: Place) -> Int {
        hasSeenKey ? max(joinedPackets, min(keylessPackets, place.packets - place.frames)) : joinedPackets
    }

    /// What a person should know of a source and only showed itself while it was read, each a sentence.
    func notes(of source: SourceDescription, at place: Place) -> [String] {
        let joinedPackets = joined(at: place)
        var notes = heads
        if let path = source.picture == nil ? nil : source.path {
            let pages = PictureMetadata.pages(in: path)
            if pages > 1 { notes.append("\(path): holds \(pages) pictures; only the first is read.") }
            if PictureMetadata.hasSeparateAlpha(in: path), !source.video.hasAlpha {
                notes.append("\(path): its transparency cannot be read by this FFmpeg and is left out.")
            }
        }
        if joinedPackets > 0 {
            notes.append(
                "\(source.path): begins in the middle of a recording; \(joinedPackets) packets before the first whole "
                    + "frame cannot be decoded.")
        }
        if file.isTransportStream, file.pipe == nil, ContainerEnd.endsWithinPacket(source.path) {
            notes.append("\(source.path): was cut within a packet at its end; what is there was taken.")
        }
        if let jump = file.clock.jumps.first {
            let more = file.clock.jumps.count > 1 ? ", and \(file.clock.jumps.count - 1) times more" : ""
            notes.append(
                "\(source.path): its clock jumps\(MediaError.moment(jump.seconds)) by "
                    + "\((jump.distance * 1000).rounded() / 1000) s\(more); what follows is joined without a gap.")
        }
        return notes
    }
}
