internal import CFFmpeg

/// Frames of 256 colours out of frames of any: each with the palette that suits it, dithered, and with one transparent
/// colour where a pixel is more than half transparent. For GIF, whose encoder takes palettes.
///
/// libavfilter's palettegen and paletteuse, in a graph of its own for each frame: they would hold frames back otherwise.
internal enum PaletteFilter {
    /// - Parameter frame: of `bgra`.
    /// - Returns: a frame of `pal8` with the same times; the caller owns it. Nil where libavfilter lacks the filters.
    static func apply(_ frame: UnsafeMutablePointer<AVFrame>) -> UnsafeMutablePointer<AVFrame>? {
        var graph = avfilter_graph_alloc()
        defer { avfilter_graph_free(&graph) }
        let f = frame.pointee
        let text =
            "buffer@in=video_size=\(f.width)x\(f.height):pix_fmt=bgra:time_base=1/100:pixel_aspect=1/1,split[a][b];"
            + "[a]palettegen=stats_mode=single:reserve_transparent=1[p];"
            + "[b][p]paletteuse=new=1:alpha_threshold=128,buffersink@out"
        var (open, ends): (UnsafeMutablePointer<AVFilterInOut>?, UnsafeMutablePointer<AVFilterInOut>?)
        let code = avfilter_graph_parse2(graph, text, &open, &ends)
        avfilter_inout_free(&open)
        avfilter_inout_free(&ends)
        guard code >= 0, avfilter_graph_config(graph, nil) >= 0,
            let input = avfilter_graph_get_filter(graph, "buffer@in"),
            let output = avfilter_graph_get_filter(graph, "buffersink@out"),
            av_buffersrc_write_frame(input, frame) >= 0, av_buffersrc_add_frame(input, nil) >= 0,
            let made = av_frame_alloc()
        else { return nil }
        guard av_buffersink_get_frame(output, made) >= 0 else {
            var pointer: UnsafeMutablePointer<AVFrame>? = made
            av_frame_free(&pointer)
            return nil
        }
        made.pointee.pts = f.pts
        uf_frame_set_duration(made, uf_frame_duration(frame))
        return made
    }
}
