internal import ArgumentParser
internal import FoundationEssentials
internal import Media
internal import Metrics
internal import Pipeline

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Measure how much two pictures or videos differ: PSNR, SSIM, MS-SSIM.",
        discussion: """
            Frames are compared in order, as gamma-encoded RGB and as luma in studio swing (the matrix of A; BT.601 for RGB
            pictures). SSIM has a Gaussian window of 11 x 11 with sigma 1.5, MS-SSIM five scales, fewer for small pictures.
            """)

    @Argument(help: "A picture or video.") var a: String
    @Argument(help: "What to compare it with.") var b: String
    @Option(help: ArgumentHelp("Bring both to the size of one of them.", valueName: "a|b")) var scaleTo: String?
    @Option(help: ArgumentHelp("Draw the measures over the frames, as SVG.", valueName: "file.svg")) var plot: String?
    @Option(help: ArgumentHelp("Write a picture or video with A left and B right.", valueName: "file"))
    var sideBySide: String?
    @Option(help: ArgumentHelp("Write a picture or video with A left and B right of a line.", valueName: "file"))
    var wipe: String?
    @Option(help: ArgumentHelp("FFmpeg's name of the encoder for those.", valueName: "name")) var videoCodec: String?
    @Option(
        help: ArgumentHelp("Their quality, lower is better.", valueName: "n"), transform: number(in: OptionRange.crf))
    var crf: Double?
    @Flag(help: "Replace existing files.") var overwrite = false
    @Flag(help: "JSON instead of a table, with every frame.") var json = false

    func validate() throws {
        if let scaleTo, ComparisonOptions.Side(rawValue: scaleTo) == nil {
            throw ValidationError("--scale-to \(scaleTo): expected a or b")
        }
        if sideBySide != nil, wipe != nil { throw ValidationError("--side-by-side and --wipe exclude one another") }
        if let plot, !plot.lowercased().hasSuffix(".svg") {
            throw ValidationError("--plot \(plot): plots are SVG; end the name in .svg")
        }
    }

    func run() throws {
        if let plot, fileExists(plot), !overwrite {
            throw CommandFailure(code: 1, message: "\(plot): exists already; choose another name or pass --overwrite.")
        }
        var options = ComparisonOptions(a: a, b: b)
        options.scaleTo = scaleTo.flatMap(ComparisonOptions.Side.init)
        options.composite = sideBySide.map { ($0, .sideBySide) } ?? wipe.map { ($0, .wipe) }
        options.encoder = EncoderSettings(codec: videoCodec, crf: crf)
        options.overwrite = overwrite
        let comparison = try Comparison.run(options)
        if let plot {
            do { try ComparisonPlot.svg(comparison).write(toFile: plot, atomically: true, encoding: .utf8) } catch {
                throw CommandFailure(code: 1, message: "\(plot): cannot be written (\(error)); choose another folder.")
            }
        }
        print(json ? try jsonText(Report(comparison)) : text(comparison))
        guard comparison.framesOfA == comparison.framesOfB else {
            throw CommandFailure(
                code: 1,
                message: "\(a) has \(comparison.framesOfA) frames and \(b) \(comparison.framesOfB); "
                    + "the first \(comparison.frames.count) were compared.")
        }
    }

    private func text(_ comparison: Comparison) -> String {
        let metrics = comparison.frames.map(\.metrics)
        func row(_ name: String, _ overall: Double, _ each: [Double], _ show: (Double) -> String) -> [String] {
            [name, show(overall), show(each.min() ?? overall), show(each.max() ?? overall)]
        }
        let scales = comparison.scales == 5 ? "" : " (\(comparison.scales) scales)"
        return table([
            ["\(comparison.width)x\(comparison.height)", "OVERALL", "LOWEST", "HIGHEST"],
            row("PSNR RGB", comparison.psnrRGB, metrics.map(\.psnrRGB), decibels),
            row("PSNR Y", comparison.psnrY, metrics.map(\.psnrY), decibels),
            row("SSIM", comparison.ssim, metrics.map(\.ssim), share),
            row("MS-SSIM\(scales)", comparison.multiScaleSSIM, metrics.map(\.multiScale.similarity), share),
            ["frames", "\(comparison.frames.count)", "", ""],
        ])
    }

    private func decibels(_ value: Double) -> String { value.isFinite ? "\(fixed(value, 3)) dB" : "equal" }
    private func share(_ value: Double) -> String { fixed(value, 5) }

    /// JSON has no infinity: the decibels of equal frames are null.
    private struct Report: Encodable {
        struct Numbers: Encodable {
            var psnrRGB: Double?
            var psnrY: Double?
            var ssim: Double
            var msSSIM: Double
        }
        struct Frame: Encodable {
            var seconds: Double
            var metrics: Numbers
        }
        var a: String
        var b: String
        var width: Int
        var height: Int
        var framesOfA: Int
        var framesOfB: Int
        var msSSIMScales: Int
        var overall: Numbers
        var frames: [Frame]

        init(_ comparison: Comparison) {
            func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
            (a, b) = (comparison.a, comparison.b)
            (width, height) = (comparison.width, comparison.height)
            (framesOfA, framesOfB) = (comparison.framesOfA, comparison.framesOfB)
            msSSIMScales = comparison.scales
            overall = Numbers(
                psnrRGB: finite(comparison.psnrRGB), psnrY: finite(comparison.psnrY), ssim: comparison.ssim,
                msSSIM: comparison.multiScaleSSIM)
            frames = comparison.frames.map {
                Frame(
                    seconds: $0.seconds,
                    metrics: Numbers(
                        psnrRGB: finite($0.metrics.psnrRGB), psnrY: finite($0.metrics.psnrY), ssim: $0.metrics.ssim,
                        msSSIM: $0.metrics.multiScale.similarity))
            }
        }
    }
}

/// With so many decimals, always.
private func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((abs(value) * scale).rounded())
    let fraction = String(String(Int(scale) + scaled % Int(scale)).dropFirst())
    return "\(value < 0 && scaled > 0 ? "-" : "")\(scaled / Int(scale)).\(fraction)"
}
