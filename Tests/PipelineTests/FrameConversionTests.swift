import Network
import Tensor
import TestSupport
import Testing

@testable import Media
@testable import Pipeline
@testable import VulkanExecutor

/// The shaders' conversion of frames against Media's: within one code, for what a format may be.
@Suite(.serialized) struct FrameConversionTests {
    private enum Shared {
        static let fp32 = Result { try executor(.fp32) }
        static let fp16 = Result { try executor(.fp16) }

        static func executor(_ precision: StoragePrecision) throws -> VulkanExecutor {
            try VulkanExecutor(
                device: nil, precision: precision, allowSoftware: true, validation: true, framesInFlight: 2,
                cacheDirectory: nil, bindingLimit: .max)
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var format: String
        var color = ColorDescription(matrix: .bt709, range: .limited, chromaLocation: .left)
        var size = (width: 38, height: 22)
        var testDescription: String {
            "\(format) matrix \(color.matrix.rawValue) \(color.range) \(color.chromaLocation) \(size)"
        }
    }

    static let matrices: [ColorDescription.Matrix] = [.bt709, .smpte170m, .bt2020ncl]
    static let locations: [ColorDescription.ChromaLocation] = [.left, .center, .topLeft, .top, .bottomLeft, .bottom]

    static let cases: [Case] = {
        var cases: [Case] = []
        for matrix in matrices {
            for range in [ColorDescription.Range.limited, .full] {
                for format in ["yuv420p", "yuv422p10le", "yuv444p", "p010le", "nv12"] {
                    cases.append(
                        Case(format: format, color: .init(matrix: matrix, range: range, chromaLocation: .left)))
                }
            }
        }
        for location in locations.dropFirst() {
            for format in ["yuv420p", "yuv420p10le", "yuv422p"] {
                cases.append(
                    Case(format: format, color: .init(matrix: .bt709, range: .limited, chromaLocation: location)))
            }
        }
        cases += [
            "yuv420p12le", "yuv422p12le", "yuv444p12le", "yuv420p16le", "yuv422p16le", "yuv444p16le", "p016le",
            "yuv420p10be", "yuva420p", "yuva444p10le", "nv16", "nv24", "gray", "gray10le", "gray16le",
            "gbrp", "gbrp10le", "gbrp16le", "rgb24", "bgra", "rgb0", "rgb48be", "rgba64le",
        ].map { Case(format: $0) }
        // Chroma of odd sizes, rows that end inside a word, one column and one row.
        for size in [(37, 23), (5, 3), (1, 1), (2, 9), (67, 2)] {
            for format in ["yuv420p", "nv12", "p010le", "rgb24"] {
                cases.append(Case(format: format, size: (width: size.0, height: size.1)))
            }
        }
        cases.append(Case(format: "yuv444p", color: .init(matrix: .ycgco, range: .full)))
        return cases
    }()

    private func identity(_ size: (width: Int, height: Int)) -> Graph {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, size.height, size.width, 3))
        let y = b.apply(.crop(Margins()), x)
        return b.finish([y])
    }

    /// A frame of random codes, as far as the format has bits.
    private func noise(_ test: Case, seed: UInt64) throws -> VideoFrame {
        let (width, height) = test.size
        let maker = try #require(
            PlaneFrameMaker(width: width, height: height, pixelFormat: test.format, color: test.color))
        let format = FrameFormat(maker.description)
        let converter = try PixelConverter(
            encodingWidth: width, height: height, pixelFormat: test.format, color: test.color)
        let blank = try [Float](repeating: 0, count: width * height * 3).withUnsafeBufferPointer {
            try converter.frame(fromRGB: $0, width: width, height: height, timestamp: 7, duration: 2)
        }
        var generator = Philox(key: seed)
        return try maker.frame(like: blank) { plane, first, stride in
            let row = format.rowBytes(plane: plane)
            for y in 0..<format.extent(plane: plane).height {
                let values = generator.uniform(row / format.bytesPerSample)
                for (index, value) in values.enumerated() {
                    let code = UInt16(value * Float(1 << format.depth)) << UInt16(format.shift)
                    let at = y * stride + index * format.bytesPerSample
                    if format.bytesPerSample == 1 {
                        first.storeBytes(of: UInt8(code), toByteOffset: at, as: UInt8.self)
                    } else {
                        first.storeBytes(
                            of: format.isBigEndian ? code.byteSwapped : code, toByteOffset: at, as: UInt16.self)
                    }
                }
            }
        }
    }

    /// What Media makes of a frame.
    private func reference(_ frame: VideoFrame, _ test: Case) throws -> HostTensor {
        let layout = try #require(PixelLayout(named: test.format))
        let color = test.color.resolved(
            height: test.size.height, isRGB: layout.isRGB, isFullRangeFormat: layout.isFullRangeFormat)
        let unpacker = Unpacker(layout: layout, color: color, width: test.size.width, height: test.size.height)
        var result = HostTensor(.nhwc(1, test.size.height, test.size.width, 3))
        result.withUnsafeMutableValues {
            unpacker.rgb(from: frame.frame, rows: 0..<test.size.height, into: $0.baseAddress!, clamp: (0, 1))
        }
        return result
    }

    private func copy(_ frame: VideoFrame, to planes: FramePlanes) {
        for (index, plane) in planes.planes.enumerated() {
            frame.withPlane(index) { first, stride in
                for row in 0..<plane.rows {
                    (plane.address + row * plane.stride).copyMemory(
                        from: first + row * stride, byteCount: plane.rowBytes)
                }
            }
        }
    }

    /// The codes of all planes, row by row, without what pads the rows.
    private func codes(_ format: FrameFormat, _ lend: (Int, (UnsafeRawPointer, Int) -> Void) -> Void) -> [Int] {
        var codes: [Int] = []
        for plane in 0..<format.planeCount {
            lend(plane) { first, stride in
                for row in 0..<format.extent(plane: plane).height {
                    for sample in 0..<format.rowBytes(plane: plane) / format.bytesPerSample {
                        let at = row * stride + sample * format.bytesPerSample
                        if format.bytesPerSample == 1 {
                            codes.append(Int(first.load(fromByteOffset: at, as: UInt8.self)))
                        } else {
                            let code = first.load(fromByteOffset: at, as: UInt16.self)
                            codes.append(Int(format.isBigEndian ? code.byteSwapped : code) >> format.shift)
                        }
                    }
                }
            }
        }
        return codes
    }

    private func worst(_ a: [Int], _ b: [Int]) -> Int {
        a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .max
    }

    /// Half floats have 11 bits: enough for 10.
    private func executors(_ format: FrameFormat) throws -> [VulkanExecutor] {
        try [Shared.fp32.get()] + (format.depth <= 10 ? [Shared.fp16.get()] : [])
    }

    @Test(arguments: cases) func framesToRGB(_ test: Case) throws {
        let frame = try noise(test, seed: 1)
        let expected = try reference(frame, test)
        let description = try #require(
            PlaneDescription(
                pixelFormat: test.format, color: test.color, width: test.size.width, height: test.size.height))
        let layout = FrameLayout(FrameFormat(description))
        for executor in try executors(layout.format) {
            // Copied, and read where a decoder would have written it: behind other frames, with a margin.
            var arrangement = FrameArrangement(starts: [], strides: [], bytes: 6 * layout.format.bytesPerSample)
            for plane in layout.strides.indices {
                arrangement.starts.append(arrangement.bytes)
                arrangement.strides.append(layout.strides[plane] + 2 * layout.format.bytesPerSample)
                arrangement.bytes += arrangement.strides[plane] * layout.format.extent(plane: plane).height
            }
            let given = try #require(FrameLayout(layout.format, arrangement))
            let ring = try FrameRing(executor, given, copies: 1, lends: true)
            let plan = try VulkanPlan(
                executor, identity(test.size), [:], executor.precision, ends: PlanEnds(input: ring))
            let before = [ring.lend(), ring.lend()]
            let lent = try #require(ring.lend())
            let elsewhere = FrameMemory(layout.format)
            for (planes, owner, isCopied) in [
                (elsewhere.planes, elsewhere as AnyObject, true), (given.planes(lent.address), lent, false),
            ] {
                copy(frame, to: planes)
                let ticket = plan.take()
                #expect(try plan.add(planes, owner: owner, to: ticket) == isCopied)
                try plan.launch(ticket)
                var outputs = [HostTensor(expected.shape)]
                try plan.wait(ticket, into: &outputs)
                #expect(largestDifference(outputs[0], expected) * Float(1 << layout.format.depth) < 1)
            }
            #expect(before.allSatisfy { $0 != nil })
            #expect(executor.validationMessages.first == nil)
        }
    }

    @Test(arguments: cases) func framesFromRGB(_ test: Case) throws {
        let (width, height) = test.size
        let picture = randomTensor(.nhwc(1, height, width, 3), seed: 2, in: -0.1..<1.1)
        let converter = try PixelConverter(
            encodingWidth: width, height: height, pixelFormat: test.format, color: test.color)
        let made = try picture.withUnsafeValues {
            try converter.frame(fromRGB: $0, width: width, height: height, timestamp: 0, duration: 0)
        }
        let description = try #require(
            PlaneDescription(pixelFormat: test.format, color: test.color, width: width, height: height))
        let layout = FrameLayout(FrameFormat(description))
        let expected = codes(layout.format) { plane, body in made.withPlane(plane) { body($0, $1) } }
        #expect(Set(expected).count > min(20, width * height) / 2, "there is something to compare")
        for executor in try executors(layout.format) {
            let plan = try VulkanPlan(
                executor, identity(test.size), [:], executor.precision, ends: PlanEnds(output: layout))
            let ticket = try plan.start { target in
                picture.withUnsafeValues { target.copyMemory(from: UnsafeRawBufferPointer($0)) }
            }
            var found: [Int] = []
            try plan.finish(ticket) { memory in
                let planes = layout.planes(UnsafeMutableRawPointer(mutating: memory.baseAddress!)).planes
                found = codes(layout.format) { plane, body in
                    body(UnsafeRawPointer(planes[plane].address), planes[plane].stride)
                }
            }
            #expect(worst(found, expected) <= 1)
            #expect(executor.validationMessages.first == nil)
        }
    }

    /// What the shaders do not serve is refused, not garbled.
    @Test(arguments: ["yuyv422", "pal8", "yuv411p", "rgb565le", "monob", "gbrpf32le", "no such format"])
    func otherFormatsAreLeftToMedia(_ format: String) {
        #expect(PlaneDescription(pixelFormat: format, color: ColorDescription(), width: 8, height: 8) == nil)
        #expect(PlaneFrameMaker(width: 8, height: 8, pixelFormat: format, color: ColorDescription()) == nil)
    }

    /// All of it as the pipeline uses it: several frames in flight through a network, with times that go along.
    @Test func framesThroughANetwork() throws {
        let test = Case(format: "yuv420p", size: (width: 20, height: 12))
        let model = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)
        let graph = model.graph(.nhwc(1, 12, 20, 3))
        let parameters = randomParameters(graph, seed: 4)
        let executor = try Shared.fp32.get()
        let tensors = try executor.plan(graph, parameters: parameters)
        let source = try #require(
            PlaneDescription(pixelFormat: "yuv420p", color: test.color, width: 20, height: 12))
        let maker = try #require(
            PlaneFrameMaker(width: 40, height: 24, pixelFormat: "yuv420p10le", color: test.color))
        let output = FrameFormat(maker.description)
        let plan = try executor.compile(
            graph, parameters: parameters, input: FrameFormat(source), output: output,
            arrangement: nil)
        #expect(plan.framesInFlight == 2 && plan.memoryBytes > 0)
        let converter = try PixelConverter(
            encodingWidth: 40, height: 24, pixelFormat: "yuv420p10le", color: test.color)

        let frames = try (0..<5).map { try noise(test, seed: UInt64(10 + $0)) }
        let expected = try frames.map { frame in
            let result = try tensors.run([reference(frame, test)])[0]
            let made = try result.withUnsafeValues {
                try converter.frame(fromRGB: $0, width: 40, height: 24, timestamp: 0, duration: 0)
            }
            return codes(output) { plane, body in made.withPlane(plane) { body($0, $1) } }
        }
        var tickets: [FrameTicket] = []
        var results: [VideoFrame] = []
        func collect() throws {
            let original = frames[results.count]
            try plan.wait(tickets.removeFirst()) { planes in
                results.append(
                    try maker.frame(like: original) { index, first, stride in
                        let plane = planes.planes[index]
                        for row in 0..<plane.rows {
                            (first + row * stride).copyMemory(
                                from: plane.address + row * plane.stride, byteCount: plane.rowBytes)
                        }
                    })
            }
        }
        for frame in frames {
            if tickets.count == plan.framesInFlight { try collect() }
            let memory = FrameMemory(FrameFormat(source))
            copy(frame, to: memory.planes)
            tickets.append(try plan.submit(memory.planes, owner: memory))
        }
        while !tickets.isEmpty { try collect() }
        for (result, expected) in zip(results, expected) {
            #expect(result.timestamp == 7 && result.duration == 2)
            let found = codes(output) { plane, body in result.withPlane(plane) { body($0, $1) } }
            #expect(worst(found, expected) <= 1)
        }
        #expect(executor.validationMessages.first == nil)
    }
}
