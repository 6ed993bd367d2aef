// upframe-bench: what measures networks on a machine that has neither Swift nor FFmpeg.
//
// It checks the kernels (every case that the tests run, on any executor), times networks as a whole, layer by layer and
// from frame to frame, times single operations, answers `Benchmarks/peers` line by line, and makes a page of what was
// measured. Built by `Benchmarks/standalone` as one file with the Swift library inside; inside this package it is an
// ordinary target.
import Measure
import Network

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let usage = """
    usage: upframe-bench COMMAND [--device cpu|vulkan|vulkan:N|reference] [--threads N] [--isa portable|avx2|avx512]
                         [--precision fp16|fp32] [--json]

    device                    open the device, which tests its kernels, and say what it is
    cases                     run every operation and network case; compare with the reference;
                              --seconds S: as many as fit into S
    network MODEL WxH         time a network: a weight file, or animevideov3-x2, animevideov3-x4, x4plus, x4plus-anime
                              with random weights, or compact:FxN and half:FxN (F features, N convolutions, twice as
                              large a result; half works at half resolution); --seconds S (5), --layers
    frames MODEL WxH          time a network from 8-bit 4:2:0 frames to 8-bit 4:2:0 frames, several in flight, and check
                              it; --seconds S (5)
    pipelines MODEL WxH       make a network's pipelines on a Vulkan device, run none, and print what the driver's compiler
                              says of each; --tiles: with every tile that a convolution can have; --code: with its code
    peak                      measure what the device's arithmetic can do at most
    operations                time single operations; --seconds S (0.5) each
    train compact|gan         time a recipe's steps; --seconds S (5) for each of --rounds N (3), --layers
    report FOLDER             make RESULTS.md of what `run` left in FOLDER
    serve                     read 'load FILE WxH INPUT OUTPUT', 'load-device' with the same, 'train CASE' and
                              'run SECONDS' from standard input, answer in JSON

    """

/// Says something on standard error.
func complain(_ text: String) { _ = text.withCString { write(2, $0, strlen($0)) } }

do {
    let options = try CommandLineOptions(Array(CommandLine.arguments.dropFirst()))
    switch options.command {
    case "device": try runDevice(options)
    case "report": try runReport(options)
    case "cases": try runCases(options)
    case "serve": try serve(options)
    case "peak":
        guard let executor = try options.openExecutor() as? any PeakMeasuringExecutor else {
            throw UsageError("\(options.device) cannot measure its peak")
        }
        let peak = try executor.measurePeak()
        if options.json {
            print(try jsonText(LayerReport.Peak(peak)))
        } else {
            print("\(Int(peak.flops / 1e9)) GFLOP/s, \(peak.unit)")
        }
    case "pipelines": try runPipelines(options)
    case "operations": try runOperations(options)
    case "network": try runNetwork(options)
    case "frames": try runFrames(options)
    case "train": try runTraining(options)
    default: throw UsageError("unknown command '\(options.command)'")
    }
} catch let error as UsageError {
    complain("upframe-bench: \(error.description)\n\(usage)")
    exit(2)
} catch {
    complain("upframe-bench: \(error)\n")
    exit(1)
}
