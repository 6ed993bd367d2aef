internal import CFFmpeg

/// The streams of a file that is to be written, made from those of the source: what the muxer is told before the first
/// packet.
internal enum OutputStreams {
    static func addVideo(
        to muxer: UnsafeMutablePointer<AVFormatContext>, encoder: VideoEncoder, source: SourceDescription,
        container: Container, path: String
    ) throws(MediaError) -> UnsafeMutablePointer<AVStream> {
        guard let stream = avformat_new_stream(muxer, nil) else { fatalError("out of memory") }
        let template = source.videoTemplate
        guard avcodec_parameters_from_context(stream.pointee.codecpar, encoder.context) >= 0 else {
            fatalError("out of memory")
        }
        stream.pointee.time_base = encoder.timeBase
        stream.pointee.avg_frame_rate = template.averageFrameRate
        stream.pointee.r_frame_rate = template.realFrameRate
        stream.pointee.sample_aspect_ratio = encoder.context.pointee.sample_aspect_ratio
        stream.pointee.disposition = template.disposition & ~AV_DISPOSITION_ATTACHED_PIC
        for (key, value) in template.metadata
        where !["encoder", "rotate", "alpha_mode"].contains(key.lowercased()) {
            let value = key.lowercased() == "timecode" ? source.timeCode(value) : value
            av_dict_set(&stream.pointee.metadata, key, container.tag(key, value), 0)
        }
        // What describes the picture as a whole goes along; what describes the old bitstream does not.
        let carried: Set<AVPacketSideDataType> = [
            AV_PKT_DATA_DISPLAYMATRIX, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
            AV_PKT_DATA_STEREO3D, AV_PKT_DATA_SPHERICAL,
        ]
        let hdr = HighDynamicRange(source)
        var sideData = template.sideData.filter { carried.contains($0.type) }
        func add(_ type: AVPacketSideDataType, _ bytes: [UInt8]?) {
            if let bytes, !sideData.contains(where: { $0.type == type }) { sideData.append((type, bytes)) }
        }
        add(AV_PKT_DATA_MASTERING_DISPLAY_METADATA, hdr.mastering)
        add(AV_PKT_DATA_CONTENT_LIGHT_LEVEL, hdr.light)
        if container.carriesRotation { add(AV_PKT_DATA_DISPLAYMATRIX, source.first.displayMatrix) }
        if !container.carriesRotation { sideData.removeAll { $0.type == AV_PKT_DATA_DISPLAYMATRIX } }
        for side in sideData {
            _ = side.bytes.withUnsafeBufferPointer {
                uf_add_side_data(stream, side.type, $0.baseAddress, $0.count)
            }
        }
        return stream
    }

    static func addCopy(
        of template: StreamTemplate, to muxer: UnsafeMutablePointer<AVFormatContext>, container: Container,
        parameters: UnsafeMutablePointer<AVCodecParameters>? = nil
    ) -> UnsafeMutablePointer<AVStream> {
        guard let stream = avformat_new_stream(muxer, nil),
            avcodec_parameters_copy(stream.pointee.codecpar, parameters ?? template.parameters) >= 0
        else { fatalError("out of memory") }
        stream.pointee.codecpar.pointee.codec_tag =
            parameters == nil ? container.codecTag(for: template.parameters.pointee) : 0
        stream.pointee.time_base = template.timeBase
        stream.pointee.avg_frame_rate = template.averageFrameRate
        stream.pointee.disposition = template.disposition
        for (key, value) in template.metadata {
            av_dict_set(&stream.pointee.metadata, key, container.tag(key, value), 0)
        }
        // Side data of the stream lie in its parameters since FFmpeg 6.1, and were copied with them.
        if uf_side_data_count(stream) == 0 {
            for side in template.sideData {
                _ = side.bytes.withUnsafeBufferPointer {
                    uf_add_side_data(stream, side.type, $0.baseAddress, $0.count)
                }
            }
        }
        return stream
    }

    /// Matroska keeps a cover as an attached file. False where its bytes are not known.
    static func attach(
        _ template: StreamTemplate, to muxer: UnsafeMutablePointer<AVFormatContext>
    ) -> Bool {
        let types = [
            AV_CODEC_ID_MJPEG.rawValue: ("jpg", "image/jpeg"), AV_CODEC_ID_PNG.rawValue: ("png", "image/png"),
            AV_CODEC_ID_BMP.rawValue: ("bmp", "image/bmp"), AV_CODEC_ID_GIF.rawValue: ("gif", "image/gif"),
            AV_CODEC_ID_WEBP.rawValue: ("webp", "image/webp"),
        ]
        guard let picture = template.attachedPicture, !picture.isEmpty,
            let (ending, type) = types[template.parameters.pointee.codec_id.rawValue]
        else { return false }
        guard let stream = avformat_new_stream(muxer, nil),
            let extra = av_mallocz(numericCast(picture.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)))
        else { fatalError("out of memory") }
        extra.copyMemory(from: picture, byteCount: picture.count)
        let parameters = stream.pointee.codecpar
        parameters?.pointee.codec_type = AVMEDIA_TYPE_ATTACHMENT
        parameters?.pointee.codec_id = template.parameters.pointee.codec_id
        parameters?.pointee.extradata = extra.assumingMemoryBound(to: UInt8.self)
        parameters?.pointee.extradata_size = Int32(picture.count)
        for (key, value) in template.metadata { av_dict_set(&stream.pointee.metadata, key, value, 0) }
        // The names by which players know a cover.
        av_dict_set(&stream.pointee.metadata, "filename", "cover." + ending, AV_DICT_DONT_OVERWRITE)
        av_dict_set(&stream.pointee.metadata, "mimetype", type, AV_DICT_DONT_OVERWRITE)
        return true
    }

    static func copyMetadata(
        _ source: SourceDescription, to muxer: UnsafeMutablePointer<AVFormatContext>, clock: OutputClock
    ) {
        // The brands and the creating program describe the old container.
        let own: Set<String> = ["major_brand", "minor_version", "compatible_brands", "encoder"]
        for (key, value) in source.metadata.sorted(by: { $0.key < $1.key }) where !own.contains(key.lowercased()) {
            let value = key.lowercased() == "timecode" ? source.timeCode(value) : value
            av_dict_set(&muxer.pointee.metadata, key, value, 0)
        }
        guard !source.chapters.isEmpty else { return }
        let list = av_calloc(source.chapters.count, MemoryLayout<UnsafeMutablePointer<AVChapter>?>.stride)
        guard let list else { fatalError("out of memory") }
        let chapters = list.assumingMemoryBound(to: UnsafeMutablePointer<AVChapter>?.self)
        for (position, chapter) in source.chapters.enumerated() {
            guard let memory = av_mallocz(MemoryLayout<AVChapter>.size) else { fatalError("out of memory") }
            let entry = memory.assumingMemoryBound(to: AVChapter.self)
            entry.pointee.id = numericCast(chapter.id)
            entry.pointee.time_base = chapter.timeBase.av
            entry.pointee.start = clock.shifted(chapter.start, chapter.timeBase.av)
            entry.pointee.end = clock.shifted(chapter.end, chapter.timeBase.av)
            for (key, value) in chapter.metadata.sorted(by: { $0.key < $1.key }) {
                av_dict_set(&entry.pointee.metadata, key, value, 0)
            }
            chapters[position] = entry
        }
        muxer.pointee.chapters = chapters
        muxer.pointee.nb_chapters = UInt32(source.chapters.count)
    }
}
