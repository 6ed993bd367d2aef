import Foundation
import TestSupport
import Testing

/// A network that copies returns flat colours as they came, from file to file, within one step of their format.
@Suite struct IdentityTests {
    private static let layouts: [(name: String, halvesWidth: Bool, halvesHeight: Bool)] = [
        ("yuv420p", true, true), ("yuv422p", true, false), ("yuv444p", false, false), ("gray", false, false),
    ]

    private static func formats(depths: [Int]) -> [IdentityFormat] {
        var formats: [IdentityFormat] = []
        for layout in layouts {
            for depth in depths {
                let suffix = depth == 8 ? "" : "\(depth)le"
                for matrix in ["bt601", "bt709", "bt2020nc"] {
                    for isFull in [false, true] {
                        formats.append(
                            IdentityFormat(
                                name: layout.name + suffix, depth: depth, matrix: matrix, isFull: isFull,
                                halvesWidth: layout.halvesWidth, halvesHeight: layout.halvesHeight))
                    }
                }
            }
        }
        return formats
    }

    /// Upscales the chart and tells how far its patches moved.
    private func run(
        _ format: IdentityFormat, _ model: IdentityModel, codec: [String] = ["-c:v", "ffv1"], extension ending: String,
        storedAs stored: String? = nil, options: [String]
    ) throws -> (largest: Int, where: String) {
        let folder = try Folder()
        let chart = PatchChart(format: format)
        try chart.data.write(to: URL(fileURLWithPath: folder("chart.raw")))
        let (input, output) = (folder("in.\(ending)"), folder("out.\(ending)"))
        let size = "\(PatchChart.width)x\(PatchChart.height)"
        let raw = ["-f", "rawvideo", "-pixel_format", format.name, "-video_size", size, "-i", folder("chart.raw")]
        let pixels = stored.map { ["-pix_fmt", $0] } ?? ["-pix_fmt", format.name]
        try ffmpeg(raw + codec + pixels + format.tags + [input])
        let result = try Command.run(
            [input, output, "--model", try model.save(folder), "--device", "cpu", "--quiet"] + options)
        try #require(result.status == 0, "\(result.errors)")
        // FFmpeg calls full-range pictures of 8 bits otherwise and would convert them; their bytes lie the same way.
        let shape = format.isRGB ? ["-pix_fmt", format.name] : []
        try ffmpeg(["-i", output, "-f", "rawvideo"] + shape + [folder("out.raw")])
        let back = try Data(contentsOf: URL(fileURLWithPath: folder("out.raw")))
        return try chart.difference(back, scale: model.scale)
    }

    @Test(arguments: formats(depths: [8, 10, 12, 16])) func everyMatrixRangeDepthAndLayout(_ format: IdentityFormat)
        throws
    {
        let (largest, place) = try run(
            format, .doublingConvolutions, extension: "mkv", options: ["--video-codec", "ffv1"])
        #expect(largest <= 1, "\(place)")
    }

    @Test(
        arguments: IdentityModel.allCases,
        [
            IdentityFormat(
                name: "yuv420p", depth: 8, matrix: "bt601", isFull: false, halvesWidth: true, halvesHeight: true),
            IdentityFormat(name: "yuv444p10le", depth: 10, matrix: "bt2020nc", isFull: false),
            IdentityFormat(name: "gbrp12le", depth: 12),
        ])
    func everyNetwork(_ model: IdentityModel, _ format: IdentityFormat) throws {
        let (largest, place) = try run(format, model, extension: "mkv", options: ["--video-codec", "ffv1"])
        #expect(largest <= 1, "\(place)")
    }

    /// Colour that is stored as red, green and blue has no matrix to go through.
    @Test(arguments: [("gbrp", 8), ("gbrp10le", 10), ("gbrp12le", 12), ("gbrp16le", 16)])
    func planarRGB(_ name: String, _ depth: Int) throws {
        let (largest, place) = try run(
            IdentityFormat(name: name, depth: depth), .doublingCompact, extension: "mkv",
            options: ["--video-codec", "ffv1"])
        #expect(largest == 0, "\(place)")
    }

    @Test(arguments: [("gbrp", "rgb24", 8), ("gbrp16le", "rgb48be", 16)])
    func png(_ name: String, _ stored: String, _ depth: Int) throws {
        let (largest, place) = try run(
            IdentityFormat(name: name, depth: depth), .doublingConvolutions, codec: ["-c:v", "png"], extension: "png",
            storedAs: stored, options: [])
        #expect(largest <= 1, "\(place)")
    }

    /// x264 without loss, in mp4: the tags travel in the bitstream.
    @Test(arguments: formats(depths: [8, 10]).filter { !$0.isGrey }) func x264(_ format: IdentityFormat) throws {
        let (largest, place) = try run(
            format, .doublingConvolutions, codec: ["-c:v", "libx264", "-qp", "0"], extension: "mp4",
            options: ["--video-codec", "libx264", "--encoder-option", "qp=0"])
        #expect(largest <= 1, "\(place)")
    }

    /// Chroma in one plane of pairs, as hardware likes it.
    @Test(arguments: ["bt601", "bt709", "bt2020nc"]) func semiPlanar(_ matrix: String) throws {
        let (largest, place) = try run(
            IdentityFormat(
                name: "yuv420p", depth: 8, matrix: matrix, isFull: false, halvesWidth: true, halvesHeight: true),
            .doublingConvolutions, codec: ["-c:v", "rawvideo", "-allow_raw_vfw", "1"], extension: "mkv",
            storedAs: "nv12", options: ["--video-codec", "ffv1", "--pixel-format", "yuv420p"])
        #expect(largest <= 1, "\(place)")
    }
}
