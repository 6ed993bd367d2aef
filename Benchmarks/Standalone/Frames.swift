import Measure
import Network
import Tensor
import VulkanExecutor
import Weights

/// Memory for a frame, its rows as a decoder would lay them.
private final class FrameMemory {
    let planes: FramePlanes
    private let memory: UnsafeMutableRawPointer?
    private let lent: LentMemory?

    /// Of the plan's, where it has any to lend.
    init(_ format: FrameFormat, _ lent: LentMemory?) {
        let arrangement = FrameArrangement(format)
        let own = lent == nil ? UnsafeMutableRawPointer.allocate(byteCount: arrangement.bytes, alignment: 64) : nil
        (memory, self.lent) = (own, lent)
        guard let base = lent?.address ?? own else { preconditionFailure("one of both is there") }
        planes = FramePlanes(format, arrangement, at: base)
    }

    deinit { memory?.deallocate() }

    /// Random codes.
    func fill(seed: UInt64) {
        var random = Philox(key: seed)
        for plane in planes.planes {
            for row in 0..<plane.rows {
                for (column, value) in random.uniform(plane.rowBytes, in: 0..<256).enumerated() {
                    (plane.address + row * plane.stride).storeBytes(
                        of: UInt8(value), toByteOffset: column, as: UInt8.self)
                }
            }
        }
    }
}

extension FrameFormat {
    /// 8-bit 4:2:0 as most video has it: BT.709, limited range, chroma beside the left luma samples.
    fileprivate static func yuv420(_ width: Int, _ height: Int) -> FrameFormat {
        var format = FrameFormat(
            width: width, height: height, kind: .lumaAndChroma, depth: 8,
            components: (0..<3).map { Component(plane: $0, step: 1, offset: 0) })
        format.horizontal = Resampling(
            even: [0, 0, 1, 0, 0], odd: [0, 0, 0.5, 0.5, 0], halving: [0, 0.25, 0.5, 0.25, 0, 0])
        format.vertical = Resampling(
            even: [0, 0.25, 0.75, 0, 0], odd: [0, 0, 0.75, 0.25, 0], halving: [0, 0, 0.5, 0.5, 0, 0])
        format.luma = (1 / 219, -16 / 219)
        format.chroma = (1 / 224, -128 / 224)
        format.toRGB = [0, 1.5748, -0.187324, -0.468124, 1.8556, 0]
        format.fromRGB = [0.2126, 0.7152, 0.0722, -0.114572, -0.385428, 0.5, 0.5, -0.454153, -0.045847]
        return format
    }

    private func clamped(_ at: Int, _ size: Int) -> Int { min(max(at, 0), size - 1) }

    /// A frame as a picture, as slowly as it can be said.
    fileprivate func picture(_ frame: FramePlanes) -> HostTensor {
        func code(_ plane: Int, _ y: Int, _ x: Int) -> Float {
            let plane = frame.planes[plane]
            return Float((plane.address + y * plane.stride).load(fromByteOffset: x, as: UInt8.self))
        }
        var values: [Float] = []
        for y in 0..<height {
            let (rows, rowWeights) = (y / 2, y % 2 == 0 ? vertical!.even : vertical!.odd)
            for x in 0..<width {
                let (columns, weights) = (x / 2, x % 2 == 0 ? horizontal!.even : horizontal!.odd)
                let uv = (1...2).map { plane -> Float in
                    let size = extent(plane: plane)
                    var sum: Float = 0
                    for i in 0..<5 where rowWeights[i] != 0 {
                        for j in 0..<5 where weights[j] != 0 {
                            sum +=
                                rowWeights[i] * weights[j]
                                * code(plane, clamped(rows + i - 2, size.height), clamped(columns + j - 2, size.width))
                        }
                    }
                    return sum * chroma.scale + chroma.bias
                }
                let first = code(0, y, x) * luma.scale + luma.bias
                for row in 0..<3 {
                    values.append(min(max(first + toRGB[2 * row] * uv[0] + toRGB[2 * row + 1] * uv[1], 0), 1))
                }
            }
        }
        return HostTensor(.nhwc(1, height, width, 3), values)
    }

    /// The codes that a picture becomes, plane by plane and row by row.
    fileprivate func codes(_ picture: HostTensor) -> [Int] {
        func value(_ row: Int, _ y: Int, _ x: Int) -> Float {
            (0..<3).reduce(0) {
                $0 + fromRGB[3 * row + $1] * min(max(picture.values[(y * width + x) * 3 + $1], 0), 1)
            }
        }
        var codes: [Int] = []
        for plane in 0..<3 {
            let size = extent(plane: plane)
            for y in 0..<size.height {
                for x in 0..<size.width {
                    var found: Float = 0
                    if plane == 0 {
                        found = (value(0, y, x) - luma.bias) / luma.scale
                    } else {
                        for i in 0..<6 where vertical!.halving[i] != 0 {
                            for j in 0..<6 where horizontal!.halving[j] != 0 {
                                let (row, column) = (clamped(2 * y + i - 2, height), clamped(2 * x + j - 2, width))
                                found += vertical!.halving[i] * horizontal!.halving[j] * value(plane, row, column)
                            }
                        }
                        found = (found - chroma.bias) / chroma.scale
                    }
                    codes.append(Int(min(max(found.rounded(), 0), 255)))
                }
            }
        }
        return codes
    }
}

/// What `frames --json` prints.
struct FramesReport: Codable {
    var model: String
    var device: String
    /// How numbers were stored in the end.
    var precision: String
    var width: Int
    var height: Int
    var framesAtOnce: Int
    var framesInFlight: Int
    /// Frames a second, those of a decoder copied to where the device reads.
    var copied: Double
    /// The same, with frames written to where the device reads; nil where it lends no memory.
    var lent: Double?
    var planBytes: Int
    /// Of a small network on small frames, from frames made into pictures and back by a program as plain as can be; in codes
    /// of 255. (In half floats a deep network enlarges the last bit of its input.)
    var largestDifference: Int
}

/// Times a network from 8-bit 4:2:0 frames to 8-bit 4:2:0 frames, as many in flight as there can be, and checks it.
func runFrames(_ options: CommandLineOptions) throws {
    guard options.arguments.count == 2 else { throw UsageError("frames: expected MODEL WxH") }
    let model = try loadModel(options.arguments[0])
    let (width, height) = try parseSize(options.arguments[1])
    guard let executor = try options.openExecutor() as? any FrameExecutor else {
        throw UsageError("frames: \(options.device) takes no frames")
    }
    let filling = (executor as? any BatchingExecutor)?.fillingPixels ?? 0
    let atOnce = min(64, max(1, filling / (width * height)))
    let difference = try largestDifference(loadModel("compact:8x1"), executor)
    var made = try? compile(model, executor, width, height, atOnce)
    if made == nil { made = try compile(model, executor, width, height, 1) }
    guard let (plan, format) = made else { preconditionFailure("compiled or thrown") }
    let seconds = options.seconds ?? 5
    let copied = try rate(plan, format, seconds, lends: false)
    let lent = try plan.lend == nil ? nil : rate(plan, format, seconds, lends: true)
    let report = FramesReport(
        model: options.arguments[0], device: executor.name,
        precision: (plan as? VulkanFramePlan)?.precision.rawValue ?? "", width: width, height: height,
        framesAtOnce: plan.framesAtOnce, framesInFlight: plan.framesInFlight, copied: copied, lent: lent,
        planBytes: plan.memoryBytes, largestDifference: difference)
    if options.json {
        print(try jsonText(report))
    } else {
        print(
            "\(report.model) \(width)x\(height), \(report.precision), from frames to frames on \(executor.name): "
                + "\(fixed(report.copied, 1)) fps"
                + (report.lent.map { ", \(fixed($0, 1)) fps from where decoders write" } ?? "")
                + ", \(report.framesAtOnce) at once, \(report.framesInFlight) in flight, largest difference "
                + "\(report.largestDifference) of 255")
    }
    guard report.largestDifference <= 1 else {
        throw FileError(description: "frames come out wrong on \(executor.name)")
    }
}

private func compile(
    _ model: Model, _ executor: any FrameExecutor, _ width: Int, _ height: Int, _ frames: Int
) throws -> (plan: any FramePlan, input: FrameFormat) {
    let graph = try model.graph(.nhwc(frames, height, width, 3))
    let (input, result) = (FrameFormat.yuv420(width, height), graph.shape(graph.outputs[0]))
    let plan = try executor.compile(
        graph, parameters: model.parameters, input: input, output: .yuv420(result.width, result.height),
        arrangement: FrameArrangement(input))
    return (plan, input)
}

/// Frames a second, after as many to warm up as can be in flight.
private func rate(_ plan: any FramePlan, _ format: FrameFormat, _ seconds: Double, lends: Bool) throws -> Double {
    let memory = (0..<4).map { _ in FrameMemory(format, lends ? plan.lend?() : nil) }
    for (index, memory) in memory.enumerated() { memory.fill(seed: UInt64(index)) }
    var tickets: [FrameTicket] = []
    var (submitted, collected) = (0, 0)
    func step(_ goesOn: Bool) throws {
        if goesOn && plan.hasRoom {
            let next = memory[submitted % memory.count]
            tickets.append(try plan.submit(next.planes, owner: next))
            submitted += 1
        } else {
            _ = try plan.wait(tickets.removeFirst())
            collected += 1
        }
    }
    while collected < plan.framesInFlight { try step(true) }
    let (start, before) = (secondsNow(), collected)
    while secondsNow() - start < seconds || collected - before < plan.framesInFlight { try step(true) }
    let found = Double(collected - before) / (secondsNow() - start)
    while !tickets.isEmpty { try step(false) }
    return found
}

/// Frames in a batch that never gets full, one copied and one lent.
private func largestDifference(_ model: Model, _ executor: any FrameExecutor) throws -> Int {
    let (plan, input) = try compile(model, executor, 50, 34, 3)
    let memory = [FrameMemory(input, nil), FrameMemory(input, plan.lend?())]
    var tickets: [FrameTicket] = []
    for (index, memory) in memory.enumerated() {
        memory.fill(seed: UInt64(index + 9))
        tickets.append(try plan.submit(memory.planes, owner: memory))
    }
    let tensors = try executor.compile(
        model.graph(.nhwc(1, 34, 50, 3)), parameters: model.parameters)
    var worst = 0
    for (ticket, memory) in zip(tickets, memory) {
        let result = try tensors.run([input.picture(memory.planes)])[0]
        let expected = FrameFormat.yuv420(result.shape.width, result.shape.height).codes(result)
        let made = try plan.wait(ticket)
        let found = made.planes.planes.flatMap { plane in
            (0..<plane.rows).flatMap { row in
                UnsafeRawBufferPointer(start: plane.address + row * plane.stride, count: plane.rowBytes).map { Int($0) }
            }
        }
        // A picture of one colour would say nothing.
        guard found.count == expected.count, Set(expected).count > 20 else { return .max }
        worst = max(worst, zip(found, expected).map { abs($0 - $1) }.max() ?? .max)
    }
    return worst
}
