import Foundation
import TestSupport

/// The kinds of file that upscalers are known to get wrong, each made by FFmpeg.
let matrixCases: [MatrixCase] =
    timeCases + streamCases + geometryCases + colorCases + formCases

// MARK: Time

private let timeCases: [MatrixCase] =
    variableRate.to("out.mp4", "out.mkv")
    + variableRateMatroska.to("out.mp4", "out.mkv")
    + [
        MatrixCase(name: "start offset", input: "in.ts", output: "out.ts") { folder in
            // MPEG-TS begins at 1.4 s unless told otherwise.
            try ffmpeg(picture() + tone(440) + quickH264 + ["-bf", "2", "-c:a", "aac", folder("in.ts")])
        },
        MatrixCase(name: "start offset", input: "in.ts", output: "out.mp4") { folder in
            try ffmpeg(picture() + tone(440) + quickH264 + ["-bf", "2", "-c:a", "aac", folder("in.ts")])
        },
        MatrixCase(name: "start offset", input: "in.mkv", output: "out.mkv") { folder in
            try ffmpeg(
                picture() + tone(440) + quickH264
                    + ["-c:a", "flac", "-output_ts_offset", "1.4", folder("in.mkv")])
        },
        MatrixCase(name: "start offset", input: "in.mp4", output: "out.mp4") { folder in
            try ffmpeg(
                picture() + tone(440) + quickH264
                    + ["-bf", "2", "-c:a", "aac", "-output_ts_offset", "1.4", folder("in.mp4")])
        },
        MatrixCase(name: "sound ahead of the picture", input: "in.mp4", output: "out.mp4") { folder in
            try ffmpeg(
                ["-itsoffset", "0.35"] + picture() + tone(440) + quickH264
                    + ["-bf", "2", "-c:a", "aac", folder("in.mp4")])
        },
        MatrixCase(name: "two hours", input: "in.mkv", output: "out.mkv") { folder in
            try ffmpeg(
                picture() + tone(440) + quickH264
                    + ["-c:a", "aac", "-output_ts_offset", "7200", folder("in.mkv")])
        },
        MatrixCase(name: "two hours", input: "in.ts", output: "out.ts") { folder in
            try ffmpeg(
                picture() + tone(440) + quickH264
                    + ["-c:a", "aac", "-output_ts_offset", "7200", folder("in.ts")])
        },
        MatrixCase(name: "two hours", input: "in.mp4", output: "out.mp4") { folder in
            try ffmpeg(
                picture() + tone(440) + quickH264
                    + ["-c:a", "aac", "-output_ts_offset", "7200", folder("in.mp4")])
        },
        MatrixCase(name: "one frame", input: "in.mp4", output: "out.mp4") { folder in
            try ffmpeg(picture() + quickH264 + ["-frames:v", "1", folder("in.mp4")])
        },
        MatrixCase(name: "one frame", input: "in.mkv", output: "out.mkv") { folder in
            try ffmpeg(picture() + quickH264 + ["-frames:v", "1", folder("in.mkv")])
        },
    ]

private let variableRate = MatrixCase(name: "variable rate", input: "in.mp4", output: "") { folder in
    try ffmpeg(
        picture(rate: 50, seconds: 2)
            + ["-vf", "select='lt(mod(n,7),2)+gt(n,60)',setpts=PTS+if(gt(N\\,20)\\,0.317/TB\\,0)", "-vsync", "vfr"]
            + quickH264 + ["-bf", "2", "-video_track_timescale", "90000", folder("in.mp4")])
}

private let variableRateMatroska = MatrixCase(name: "variable rate", input: "in.mkv", output: "") { folder in
    try ffmpeg(
        picture(rate: 30, seconds: 2) + ["-vf", "setpts=(0.02*N+0.002*N*N)/TB", "-vsync", "vfr"] + quickH264
            + ["-bf", "2", folder("in.mkv")])
}

// MARK: Streams

private let streamCases: [MatrixCase] =
    threeTracks(["aac", "ac3", "aac"], "in.mp4").to("out.mp4", "out.mkv")
    + threeTracks(["aac", "flac", "libopus"], "in.mkv").to("out.mkv")
    + threeTracks(["aac", "mp2", "ac3"], "in.ts").to("out.ts", "out.mkv")
    + styledSubtitles.to("out.mkv")
    + plainSubtitles("in.mkv", "srt").to("out.mkv", "out.mp4")
    + plainSubtitles("in.mp4", "mov_text").to("out.mp4", "out.mkv")
    + chapters("in.mkv").to("out.mkv", "out.mp4")
    + chapters("in.mp4").to("out.mp4", "out.mkv")
    + cover("in.mp4").to("out.mp4", "out.mkv")
    + coverMatroska.to("out.mkv", "out.mp4")

private func threeTracks(_ codecs: [String], _ name: String) -> MatrixCase {
    MatrixCase(name: "three tracks", input: name, output: "") { folder in
        var arguments = picture() + tone(440) + tone(660) + tone(880)
        arguments += ["-map", "0", "-map", "1", "-map", "2", "-map", "3"] + quickH264 + ["-bf", "2"]
        for (index, (codec, language)) in zip(codecs, ["eng", "fra", "jpn"]).enumerated() {
            arguments += ["-c:a:\(index)", codec, "-metadata:s:a:\(index)", "language=\(language)"]
            if !name.hasSuffix(".ts") { arguments += ["-metadata:s:a:\(index)", "title=Track \(index)"] }
        }
        if name.hasSuffix(".mkv") { arguments += ["-disposition:a:0", "0", "-disposition:a:1", "default"] }
        try ffmpeg(arguments + [folder(name)])
    }
}

/// Two lines, the second of them styled and on two rows.
private func writeSubtitles(_ folder: Folder) throws {
    _ = try folder.write(
        "s.srt",
        "1\n00:00:00,120 --> 00:00:00,480\nFirst line\n\n2\n00:00:00,520 --> 00:00:00,960\n<i>Second</i>\nrow two\n\n")
}

private let styledSubtitles = MatrixCase(name: "styled subtitles and fonts", input: "in.mkv", output: "") { folder in
    try writeSubtitles(folder)
    // FFmpeg does not look into fonts, and neither does the command.
    _ = try folder.write("one.ttf", String(repeating: "glyphs ", count: 300))
    _ = try folder.write("two.ttf", String(repeating: "other ", count: 200))
    let mime = "mimetype=application/x-truetype-font"
    try ffmpeg(
        picture() + ["-i", folder("s.srt"), "-map", "0", "-map", "1"] + quickH264
            + [
                "-c:s", "ass", "-metadata:s:s:0", "language=ger", "-metadata:s:s:0", "title=Signs",
                "-disposition:s:0", "default+forced", "-attach", folder("one.ttf"), "-attach", folder("two.ttf"),
                "-metadata:s:t", mime, folder("in.mkv"),
            ])
}

private func plainSubtitles(_ name: String, _ codec: String) -> MatrixCase {
    MatrixCase(name: "plain subtitles", input: name, output: "") { folder in
        try writeSubtitles(folder)
        try ffmpeg(
            picture() + tone(440) + ["-i", folder("s.srt"), "-map", "0", "-map", "1", "-map", "2"] + quickH264
                + ["-c:a", "aac", "-c:s", codec, "-metadata:s:s:0", "language=ger", folder(name)])
    }
}

private func chapters(_ name: String) -> MatrixCase {
    MatrixCase(name: "chapters and tags", input: name, output: "") { folder in
        let marks = [(0, 333, "Opening"), (333, 700, "Ümläut"), (700, 1000, "End & rest")]
        let text = marks.map { "[CHAPTER]\nTIMEBASE=1/1000\nSTART=\($0.0)\nEND=\($0.1)\ntitle=\($0.2)\n" }
        let tags = "title=A film\nartist=Somebody\ncomment=Said twice; or not\n"
        _ = try folder.write("marks.txt", ";FFMETADATA1\n" + tags.replacing(";", with: "\\;") + text.joined())
        try ffmpeg(
            picture() + tone(440)
                + ["-i", folder("marks.txt"), "-map", "0", "-map", "1", "-map_metadata", "2", "-map_chapters", "2"]
                + quickH264 + ["-c:a", "aac", folder(name)])
    }
}

private func writeCover(_ folder: Folder) throws {
    try ffmpeg(
        ["-f", "lavfi", "-i", "testsrc=size=120x120", "-frames:v", "1", "-pix_fmt", "yuvj420p", folder("cover.jpg")])
}

private func cover(_ name: String) -> MatrixCase {
    MatrixCase(name: "cover", input: name, output: "") { folder in
        try writeCover(folder)
        try ffmpeg(
            picture() + tone(440) + ["-i", folder("cover.jpg"), "-map", "0", "-map", "1", "-map", "2"] + quickH264
                + ["-c:a", "aac", "-c:v:1", "copy", "-disposition:v:1", "attached_pic", folder(name)])
    }
}

private let coverMatroska = MatrixCase(name: "cover", input: "in.mkv", output: "") { folder in
    try writeCover(folder)
    try ffmpeg(
        picture() + tone(440) + quickH264
            + [
                "-c:a", "aac", "-attach", folder("cover.jpg"), "-metadata:s:t", "mimetype=image/jpeg",
                "-metadata:s:t", "filename=cover.jpg", folder("in.mkv"),
            ])
}

// MARK: Geometry

private let geometryCases: [MatrixCase] =
    rotated.to("out.mp4", "out.mov", "out.mkv")
    + shaped("in.mp4").to("out.mp4", "out.mkv") + shaped("in.mkv").to("out.mkv")
    + interlaced.to("out.mp4", "out.mkv")
    + [
        MatrixCase(name: "size change", input: "in.ts", output: "out.mkv", make: makeSizeChange),
        MatrixCase(name: "size change", input: "in.ts", output: "out.mp4", make: makeSizeChange),
        MatrixCase(name: "odd size", input: "in.mkv", output: "out.mkv") { folder in
            try ffmpeg(
                picture("64x64") + ["-vf", "scale=35:27", "-c:v", "libx264", "-pix_fmt", "yuv444p", folder("in.mkv")])
        },
    ]

private let rotated = MatrixCase(name: "rotation", input: "in.mp4", output: "") { folder in
    try ffmpeg(picture() + quickH264 + [folder("plain.mp4")])
    try ffmpeg("-i", folder("plain.mp4"), "-c", "copy", "-metadata:s:v:0", "rotate=90", folder("in.mp4"))
}

private func shaped(_ name: String) -> MatrixCase {
    MatrixCase(name: "sample aspect 4:3", input: name, output: "") { folder in
        try ffmpeg(picture() + ["-vf", "setsar=4/3"] + quickH264 + [folder(name)])
    }
}

private let interlaced = MatrixCase(name: "interlaced", input: "in.mp4", output: "") { folder in
    try ffmpeg(
        picture("64x64", rate: 50)
            + ["-vf", "interlace=scan=tff,setfield=tff", "-c:v", "libx264", "-flags", "+ilme+ildct"]
            + ["-x264-params", "tff=1", "-pix_fmt", "yuv420p", folder("in.mp4")])
}

@Sendable func makeSizeChange(_ folder: Folder) throws {
    try ffmpeg(picture(seconds: 0.6) + quickH264 + ["-g", "5", folder("a.ts")])
    try ffmpeg(picture("96x80", seconds: 0.6) + quickH264 + ["-output_ts_offset", "0.6", folder("b.ts")])
    var data = try Data(contentsOf: URL(fileURLWithPath: folder("a.ts")))
    data += try Data(contentsOf: URL(fileURLWithPath: folder("b.ts")))
    try data.write(to: URL(fileURLWithPath: folder("in.ts")))
}

// MARK: Colour

private let colorCases: [MatrixCase] =
    hdr("in.mp4").to("out.mp4", options: ["--video-codec", "libx265", "--preset", "ultrafast"])
    + hdr("in.mp4").to("out.mkv") + hdr("in.mkv").to("out.mkv")
    + hdr("in.mkv").to("out.mp4", options: ["--video-codec", "libx265", "--preset", "ultrafast"])
    + hlg.to("out.mkv", options: ["--video-codec", "libx265", "--preset", "ultrafast"])
    + fullRange.to("out.mp4", "out.mkv")
    + [
        MatrixCase(name: "untagged 709", input: "in.mp4", output: "out.mp4") { folder in
            try ffmpeg(
                picture("1280x720", seconds: 0.12) + ["-vf", "scale=out_color_matrix=bt709:out_range=limited"]
                    + quickH264 + [folder("in.mp4")])
        },
        MatrixCase(name: "tagged 709", input: "in.mkv", output: "out.mp4") { folder in
            try ffmpeg(
                picture() + ["-vf", "scale=out_color_matrix=bt709:out_range=limited"] + quickH264
                    + ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
                    + ["-color_range", "tv", folder("in.mkv")])
        },
    ]

private let hdrParameters =
    "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:hdr10=1:repeat-headers=1:"
    + "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400:"
    + "log-level=none"

private func hdr(_ name: String) -> MatrixCase {
    MatrixCase(name: "HDR10", input: name, output: "") { folder in
        try ffmpeg(
            picture("128x96", seconds: 0.4)
                + ["-vf", "scale=out_color_matrix=bt2020", "-c:v", "libx265", "-preset", "ultrafast"]
                + ["-pix_fmt", "yuv420p10le", "-x265-params", hdrParameters, "-tag:v", "hvc1"]
                + ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "smpte2084"]
                + ["-color_range", "tv", folder(name)])
    }
}

private let hlg = MatrixCase(name: "HLG", input: "in.mkv", output: "") { folder in
    try ffmpeg(
        picture("128x96", seconds: 0.4)
            + ["-vf", "scale=out_color_matrix=bt2020", "-c:v", "libx265", "-preset", "ultrafast"]
            + ["-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"]
            + ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "arib-std-b67"]
            + ["-color_range", "tv", folder("in.mkv")])
}

private let fullRange = MatrixCase(name: "full-range 601", input: "in.mp4", output: "") { folder in
    try ffmpeg(
        picture() + ["-vf", "scale=out_range=full:out_color_matrix=bt601"] + quickH264
            + ["-color_range", "pc", "-colorspace", "smpte170m", "-color_primaries", "smpte170m"]
            + ["-color_trc", "smpte170m", folder("in.mp4")])
}

// MARK: Formats of pixels and files

private let formCases: [MatrixCase] =
    ["yuv422p", "yuv444p", "yuv422p10le", "yuv444p10le", "gray"].map { format in
        MatrixCase(name: format, input: "in.mkv", output: "out.mkv") { folder in
            try ffmpeg(picture() + ["-c:v", "libx264", "-pix_fmt", format, folder("in.mkv")])
        }
    }
    + ["gray12le", "yuv420p12le", "yuv444p16le", "gbrp10le", "yuva420p"].map { format in
        MatrixCase(
            name: format, input: "in.mkv", output: "out.mkv", options: ["--video-codec", "ffv1"]
        ) { folder in
            try ffmpeg(picture() + ["-c:v", "ffv1", "-pix_fmt", format, folder("in.mkv")])
        }
    }
    + [
        MatrixCase(name: "alpha sequence", input: "in_%03d.png", output: "out_%03d.png", make: makeAlpha),
        MatrixCase(
            name: "alpha sequence", input: "in_%03d.png", output: "out.mkv", options: ["--video-codec", "ffv1"],
            make: makeAlpha),
        MatrixCase(name: "alpha picture", input: "in_001.png", output: "out.png", make: makeAlpha),
    ]

@Sendable private func makeAlpha(_ folder: Folder) throws {
    try ffmpeg(
        picture(seconds: 0.2) + ["-vf", "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*4'", "-pix_fmt", "rgba"]
            + [folder("in_%03d.png")])
}
