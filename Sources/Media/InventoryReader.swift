internal import CFFmpeg

extension FileInventory {
    /// Reads a file to its end, decodes its main video, and lists what it holds. Blocks; memory grows with the number
    /// of packets and frames (about a hundred bytes each), not with their size.
    ///
    /// - Throws: `MediaError` for what is not a media file or has no video. Packets that cannot be decoded are counted,
    ///   not thrown.
    public init(path: String) throws(MediaError) {
        let reader = try InventoryReader(path: path)
        try reader.readAll()
        self = reader.inventory
    }
}

/// One pass through a file.
private final class InventoryReader {
    private let file: InputFile
    /// Where the file is a folder or a sequence: its pictures, each of which is one frame.
    private let pictures: PictureList?
    private let decoder: VideoDecoder
    private let isPicture: Bool
    private let videoIndex: Int
    private let timeBase: Rational
    private let frameTicks: Int64
    private(set) var inventory: FileInventory
    private var topFirst = 0
    private var bottomFirst = 0
    private var contents: [Int: RunningFingerprint] = [:]
    private var audible: [Int: RunningFingerprint] = [:]

    init(path: String) throws(MediaError) {
        pictures = try path.contains("://") ? nil : PictureList(path: path)
        file = try InputFile(path: pictures?.files[0] ?? path, format: nil, interrupter: Interrupter())
        videoIndex = try file.videoIndex()
        if let pictures { file.pretendSequence(videoIndex, of: pictures.files.count, rate: nil) }
        let video = try file.describeVideo(videoIndex, pictures: pictures?.files.count, awaitsFrame: true)
        isPicture = video.isStillPicture
        decoder = try VideoDecoder(
            file.stream(videoIndex), path: path, threads: isPicture ? 1 : 0, refusesDamage: isPicture)
        timeBase = video.timeBase
        let rate = video.averageFrameRate
        frameTicks =
            rate.isKnown && timeBase.isKnown ? max(1, Int64((1 / (rate.value * timeBase.value)).rounded())) : 1
        inventory = FileInventory(
            path: path, format: pictures == nil ? file.formatName : "sequence of pictures",
            metadata: pictures == nil ? file.metadata : [:], chapters: file.chapters, streams: [])
        inventory.startSeconds = pictures == nil ? Double(file.startTime) / Double(AV_TIME_BASE) : 0
        inventory.hasJumpingClock = pictures == nil && file.hasJumpingClock
        for index in 0..<file.streamCount { inventory.streams.append(Self.describe(file.stream(index))) }
        inventory.streams[videoIndex].picture = Self.picture(file.stream(videoIndex), video)
    }

    private static func describe(_ stream: UnsafeMutablePointer<AVStream>) -> StreamInventory {
        let template = StreamTemplate(stream)
        let parameters = stream.pointee.codecpar.pointee
        var dispositions: Set<String> = []
        for bit in 0..<31 where stream.pointee.disposition & (1 << Int32(bit)) != 0 {
            if let name = String(optionalCString: av_disposition_to_string(1 << Int32(bit))) {
                dispositions.insert(name)
            }
        }
        var setup: Fingerprint?
        if let data = parameters.extradata, parameters.extradata_size > 0 {
            let bytes = UnsafeBufferPointer(start: data, count: Int(parameters.extradata_size))
            // A script of styles ends in a varying number of zeros and line breaks.
            let end =
                template.kind == .subtitle
                ? (bytes.lastIndex { ![0, 10, 13].contains($0) } ?? -1) + 1 : bytes.count
            setup = Fingerprint(of: UnsafeBufferPointer(rebasing: bytes[..<end]))
        }
        return StreamInventory(
            description: template.description,
            metadata: Dictionary(template.metadata, uniquingKeysWith: { first, _ in first }),
            dispositions: dispositions, setup: setup, sampleRate: Int(parameters.sample_rate),
            channels: Int(uf_channel_count(stream.pointee.codecpar)), packets: [], content: nil, picture: nil,
            frames: [],
            damagedPackets: 0)
    }

    private static func picture(_ stream: UnsafeMutablePointer<AVStream>, _ video: VideoDescription)
        -> PictureInventory
    {
        let parameters = stream.pointee.codecpar.pointee
        let layout = PixelLayout(AVPixelFormat(rawValue: parameters.format))
        var picture = PictureInventory(
            video: video, color: ColorDescription(parameters), chromaWidthShift: layout?.chromaWidthShift ?? 0,
            chromaHeightShift: layout?.chromaHeightShift ?? 0, isGrey: layout?.isGrey ?? false,
            fieldOrder: .progressive, displayMatrix: nil, masteringDisplay: nil, lightLevel: nil)
        for position in 0..<uf_side_data_count(stream) {
            guard let side = uf_side_data(stream, position)?.pointee, let data = side.data else { continue }
            picture.take(side.type, data, Int(side.size))
        }
        return picture
    }

    /// A sequence has the frames of its files, one tick apart.
    private func readPictures(_ files: [String]) throws(MediaError) {
        for (index, path) in files.enumerated() {
            let decoded = try StillPicture.decode(path, toleratesDamage: true, interrupter: file.interrupter)
            if decoded.damage != nil { inventory.streams[videoIndex].damagedPackets += 1 }
            let frame = decoded.frame
            frame.pointee.best_effort_timestamp = Int64(index)
            uf_frame_set_duration(frame, 1)
            take(frame)
            var pointer: UnsafeMutablePointer<AVFrame>? = frame
            av_frame_free(&pointer)
        }
        finish()
    }

    func readAll() throws(MediaError) {
        if let pictures { return try readPictures(pictures.files) }
        guard let packet = av_packet_alloc() else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&pointer)
        }
        let mark = Library.mark()
        while true {
            let code = file.read(packet)
            if code == uf_error_again() { continue }
            if code == uf_error_eof() { break }
            guard code >= 0 else {
                throw .readFailed(path: inventory.path, reason: Library.reason(code, since: mark))
            }
            let index = Int(packet.pointee.stream_index)
            // A stream that appears in mid-file.
            while inventory.streams.count <= index {
                inventory.streams.append(Self.describe(file.stream(inventory.streams.count)))
            }
            if index == videoIndex {
                let isDamaged =
                    isPicture
                    ? StillPicture.send(packet, to: decoder, toleratesDamage: true, since: mark) != nil
                    : decoder.send(packet) < 0
                if isDamaged { inventory.streams[index].damagedPackets += 1 }
                takeFrames()
            } else {
                let codec = file.stream(index).pointee.codecpar.pointee.codec_id
                inventory.streams[index].packets.append(Self.record(packet, codec))
                Self.running(&contents, index).add(packet.pointee.data, Int(packet.pointee.size))
                if let zero = Silence.zero(codec), let data = packet.pointee.data {
                    let heard = UnsafeBufferPointer(start: data, count: Int(packet.pointee.size)).filter { $0 != zero }
                    heard.withUnsafeBufferPointer {
                        Self.running(&audible, index).add($0.baseAddress, $0.count)
                    }
                }
            }
            av_packet_unref(packet)
        }
        decoder.flush()
        takeFrames()
        finish()
    }

    private static func record(_ packet: UnsafeMutablePointer<AVPacket>, _ codec: AVCodecID) -> PacketRecord {
        let p = packet.pointee
        let bytes = UnsafeBufferPointer(start: UnsafePointer(p.data), count: Int(p.size))
        let data = Fingerprint(of: bytes)
        let bare = InventoryPayload.unwrapped(bytes, codec: codec)
        return PacketRecord(
            timestamp: p.pts == Library.noTimestamp ? nil : p.pts, duration: p.duration, byteCount: Int(p.size),
            data: data, payload: bare.map { Fingerprint(of: $0.bytes) } ?? data, wrapping: bare?.1,
            isEmpty: bare?.bytes.isEmpty ?? bytes.isEmpty, isHidden: p.flags & AV_PKT_FLAG_DISCARD != 0)
    }

    private func takeFrames() {
        while true {
            switch decoder.receive() {
            case .needsPacket, .ended: return
            case .failed: inventory.streams[videoIndex].damagedPackets += 1
            case .frame(let frame):
                take(frame)
                var pointer: UnsafeMutablePointer<AVFrame>? = frame
                av_frame_free(&pointer)
            }
        }
    }

    private func take(_ frame: UnsafeMutablePointer<AVFrame>) {
        let f = frame.pointee
        let last = inventory.streams[videoIndex].frames.last
        if f.best_effort_timestamp == Library.noTimestamp, !isPicture {
            inventory.streams[videoIndex].untimedFrames += 1
        }
        if VideoFrame.isDamaged(frame) { inventory.streams[videoIndex].damagedFrames += 1 }
        let aspect = inventory.streams[videoIndex].picture?.aspect(of: frame) ?? 1
        let time =
            f.best_effort_timestamp != Library.noTimestamp
            ? f.best_effort_timestamp
            : last.map { $0.timestamp + ($0.duration > 0 ? $0.duration : frameTicks) } ?? 0
        inventory.streams[videoIndex].frames.append(
            FrameRecord(
                timestamp: time, duration: max(0, uf_frame_duration(frame)), width: Int(f.width), height: Int(f.height),
                shape: Double(f.width) / Double(max(1, f.height)) * aspect)
        )
        if uf_frame_is_interlaced(frame) != 0 {
            if uf_frame_is_top_field_first(frame) != 0 { topFirst += 1 } else { bottomFirst += 1 }
        }
        // What the codec carries rather than the container shows in the first frame.
        guard last == nil else { return }
        inventory.streams[videoIndex].picture?.take(frame)
    }

    private static func running(_ all: inout [Int: RunningFingerprint], _ index: Int) -> RunningFingerprint {
        // A subscript with a default would not keep the object.
        if let known = all[index] { return known }
        let made = RunningFingerprint()
        all[index] = made
        return made
    }

    private func finish() {
        for (index, content) in contents { inventory.streams[index].content = content.finish() }
        for (index, content) in audible { inventory.streams[index].audible = content.finish() }
        let frames = inventory.streams[videoIndex].frames.count
        if 2 * (topFirst + bottomFirst) >= max(frames, 1) {
            inventory.streams[videoIndex].picture?.fieldOrder = topFirst >= bottomFirst ? .topFirst : .bottomFirst
        } else if topFirst + bottomFirst == 0,
            let isTop = FieldFlags.topFirst(
                file.stream(videoIndex).pointee.codecpar.pointee)
        {
            // Codecs that know no fields leave them to the container.
            inventory.streams[videoIndex].picture?.fieldOrder = isTop ? .topFirst : .bottomFirst
        }
        // Where a stream ends is said by mp4's edit list and Matroska's tag, not by the last packet in decoding order.
        guard let last = inventory.streams[videoIndex].frames.last else { return }
        let stream = file.stream(videoIndex).pointee
        var end: Int64?
        if file.formatName.hasPrefix("mov,"), stream.duration > 0, stream.start_time != Library.noTimestamp {
            end = stream.start_time + stream.duration
        } else if file.formatName.hasPrefix("matroska,"), timeBase.isKnown,
            let tag = inventory.streams[videoIndex].metadata.first(where: { $0.key.uppercased() == "DURATION" }),
            let seconds = Self.seconds(tag.value)
        {
            end = Int64((seconds / timeBase.value).rounded())
        }
        if let end, end > last.timestamp {
            inventory.streams[videoIndex].frames[frames - 1].duration = end - last.timestamp
        }
    }

    /// "00:00:02.300000000"
    private static func seconds(_ text: String) -> Double? {
        let parts = text.split(separator: ":").map { Double($0) }
        guard parts.count == 3, let hours = parts[0], let minutes = parts[1], let seconds = parts[2] else { return nil }
        return hours * 3600 + minutes * 60 + seconds
    }
}

extension PictureInventory {
    fileprivate mutating func take(_ type: AVPacketSideDataType, _ data: UnsafeMutablePointer<UInt8>, _ size: Int) {
        switch type {
        case AV_PKT_DATA_DISPLAYMATRIX: displayMatrix = Self.matrix(data, size)
        case AV_PKT_DATA_MASTERING_DISPLAY_METADATA: masteringDisplay = MasteringDisplay(data, size)
        case AV_PKT_DATA_CONTENT_LIGHT_LEVEL: lightLevel = LightLevel(data, size)
        default: break
        }
    }

    /// Width to height of a frame's samples: the container's word, or the frame's where the container has none. A frame
    /// that says otherwise than the first one did wins: the shape changes in mid-stream.
    fileprivate func aspect(of frame: UnsafeMutablePointer<AVFrame>) -> Double {
        let own = frame.pointee.sample_aspect_ratio
        guard own.num > 0, own.den > 0 else { return video.sampleAspectRatio.value }
        guard let first = firstAspect, first != Rational(own) else {
            return video.sampleAspectRatio == Rational(1, 1) ? Rational(own).value : video.sampleAspectRatio.value
        }
        return Rational(own).value
    }

    /// Fills what the stream did not say.
    fileprivate mutating func take(_ frame: UnsafeMutablePointer<AVFrame>) {
        // Opacity that lies beside the picture in the file shows in the frame only.
        if let layout = PixelLayout(AVPixelFormat(rawValue: frame.pointee.format)) {
            (video.pixelFormat, video.hasAlpha) = (layout.name, layout.hasAlpha)
            if video.isIncomplete {
                video.isIncomplete = false
                (video.width, video.height) = (Int(frame.pointee.width), Int(frame.pointee.height))
                video.bitDepth = min(max(layout.depth, 8), 16)
                video.isRGB = layout.isRGB || layout.isPalette
                (chromaWidthShift, chromaHeightShift) = (layout.chromaWidthShift, layout.chromaHeightShift)
                isGrey = layout.isGrey
            }
        }
        let aspect = frame.pointee.sample_aspect_ratio
        if aspect.num > 0, aspect.den > 0 {
            firstAspect = Rational(aspect)
            if video.sampleAspectRatio == Rational(1, 1) { video.sampleAspectRatio = Rational(aspect) }
        }
        let own = ColorDescription(frame.pointee)
        if color.matrix == .unspecified { color.matrix = own.matrix }
        if color.range == .unspecified { color.range = own.range }
        if color.primaries == .unspecified { color.primaries = own.primaries }
        if color.transfer == .unspecified { color.transfer = own.transfer }
        if color.chromaLocation == .unspecified { color.chromaLocation = own.chromaLocation }
        for position in 0..<Int(frame.pointee.nb_side_data) {
            guard let side = frame.pointee.side_data[position]?.pointee, let data = side.data else { continue }
            let size = Int(side.size)
            switch side.type {
            case AV_FRAME_DATA_DISPLAYMATRIX: displayMatrix = displayMatrix ?? Self.matrix(data, size)
            case AV_FRAME_DATA_MASTERING_DISPLAY_METADATA:
                masteringDisplay = masteringDisplay ?? MasteringDisplay(data, size)
            case AV_FRAME_DATA_CONTENT_LIGHT_LEVEL: lightLevel = lightLevel ?? LightLevel(data, size)
            default: break
            }
        }
    }

    private static func matrix(_ data: UnsafeMutablePointer<UInt8>, _ size: Int) -> [Int32]? {
        guard size >= 36 else { return nil }
        return (0..<9).map { UnsafeRawPointer(data).loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
    }
}

extension MasteringDisplay {
    fileprivate init?(_ data: UnsafeMutablePointer<UInt8>, _ size: Int) {
        guard size >= MemoryLayout<AVMasteringDisplayMetadata>.size else { return nil }
        let display = UnsafeRawPointer(data).loadUnaligned(as: AVMasteringDisplayMetadata.self)
        func value(_ fraction: AVRational) -> Double { Rational(fraction).value }
        let primaries = display.display_primaries
        let points = [primaries.0, primaries.1, primaries.2, display.white_point]
        chromaticities = display.has_primaries != 0 ? points.flatMap { [value($0.0), value($0.1)] } : []
        let (low, high) = (value(display.min_luminance), value(display.max_luminance))
        luminance = display.has_luminance != 0 && low <= high ? low...high : nil
        if chromaticities.isEmpty, luminance == nil { return nil }
    }
}

extension LightLevel {
    fileprivate init?(_ data: UnsafeMutablePointer<UInt8>, _ size: Int) {
        guard size >= MemoryLayout<AVContentLightMetadata>.size else { return nil }
        let light = UnsafeRawPointer(data).loadUnaligned(as: AVContentLightMetadata.self)
        maximum = Int(light.MaxCLL)
        maximumAverage = Int(light.MaxFALL)
    }
}
