import Foundation
import Resampling
import Tensor
import TestSupport
import Testing

/// What Pillow says; see Tests/Golden/make_datasets.py.
struct PillowCase: Decodable, Sendable, CustomTestStringConvertible {
    var seed: UInt64
    var height, width, newHeight, newWidth: Int
    var filter: String
    var values: [Float]

    var testDescription: String { "\(filter) \(width)x\(height) to \(newWidth)x\(newHeight)" }

    static let all: [PillowCase] = {
        let data = FileManager.default.contents(atPath: goldenFolder + "/resampling.json") ?? Data()
        return (try? JSONDecoder().decode([PillowCase].self, from: data)) ?? []
    }()
}

@Suite struct AntialiasedFilterTests {
    @Test func theGoldenNumbersAreThere() { #expect(PillowCase.all.count == 16) }

    /// Pillow resizes along x first and keeps floats in between, this along y first: rounding is all that differs.
    @Test(arguments: PillowCase.all) func asPillow(_ golden: PillowCase) throws {
        let filter = try #require(AntialiasedFilter(rawValue: golden.filter))
        let plane = randomTensor(.nhwc(1, golden.height, golden.width, 1), seed: golden.seed, in: 0..<1)
        let expected = HostTensor(.nhwc(1, golden.newHeight, golden.newWidth, 1), golden.values)
        let result = resized(plane, height: golden.newHeight, width: golden.newWidth, filter: filter)
        #expect(largestDifference(result, expected) < 1e-6)

        // Three channels take another way through the code: the plane, doubled, and halved.
        var picture = HostTensor(.nhwc(1, golden.height, golden.width, 3))
        for (index, value) in plane.values.enumerated() {
            (picture.values[3 * index], picture.values[3 * index + 1]) = (value, 2 * value)
            picture.values[3 * index + 2] = value / 2
        }
        let coloured = resized(picture, height: golden.newHeight, width: golden.newWidth, filter: filter)
        for (index, value) in golden.values.enumerated() {
            #expect(abs(coloured.values[3 * index] - value) < 1e-6)
            #expect(abs(coloured.values[3 * index + 1] - 2 * value) < 2e-6)
            #expect(abs(coloured.values[3 * index + 2] - value / 2) < 1e-6)
        }
    }

    /// A window is that part of the whole, bit for bit, at the borders and inside.
    @Test(arguments: AntialiasedFilter.allCases) func aWindowIsAPartOfTheWhole(_ filter: AntialiasedFilter) {
        let picture = randomTensor(.nhwc(1, 61, 47, 3), seed: 9, in: 0..<1)
        for (height, width) in [(22, 18), (61, 31), (80, 90)] {
            let whole = resized(picture, height: height, width: width, filter: filter)
            for (y, x) in [(0, 0), (height - 12, width - 10), (4, 5)] {
                let rows = ResizeAxis(from: 61, to: height, keeping: y..<y + 12, filter: filter)
                let columns = ResizeAxis(from: 47, to: width, keeping: x..<x + 10, filter: filter)
                let part = crop(picture, rows.source, columns.source)
                var result = HostTensor(.nhwc(1, 12, 10, 3))
                Resampler(rows: rows, columns: columns, channels: 3).resize(part, into: &result)
                #expect(result == crop(whole, y..<y + 12, x..<x + 10))
            }
        }
        // It does not need the whole for that.
        let axis = ResizeAxis(from: 4000, to: 1000, keeping: 500..<564, filter: filter)
        #expect(axis.source.count <= 64 * 4 + 8 * Int(filter.support.rounded(.up)))
    }

    /// Pictures of a batch are resized each for itself.
    @Test func batches() {
        let picture = randomTensor(.nhwc(3, 8, 10, 3), seed: 4, in: 0..<1)
        let result = resized(picture, height: 5, width: 4, filter: .bicubic)
        for image in 0..<3 {
            let one = HostTensor(.nhwc(1, 8, 10, 3), Array(picture.values[image * 240..<(image + 1) * 240]))
            let expected = resized(one, height: 5, width: 4, filter: .bicubic)
            #expect(Array(result.values[image * 60..<(image + 1) * 60]) == expected.values)
        }
    }

    private func crop(_ picture: HostTensor, _ rows: Range<Int>, _ columns: Range<Int>) -> HostTensor {
        var result = HostTensor(.nhwc(1, rows.count, columns.count, picture.shape.channels))
        for y in 0..<rows.count {
            for x in 0..<columns.count {
                for c in 0..<picture.shape.channels {
                    result[0, y, x, c] = picture[0, rows.lowerBound + y, columns.lowerBound + x, c]
                }
            }
        }
        return result
    }
}

@Suite struct ResamplerTests {
    private func resized(_ picture: HostTensor, _ height: Int, _ width: Int) -> HostTensor {
        let target = Shape.nhwc(1, height, width, picture.shape.channels)
        var result = HostTensor(target)
        Resampler(from: picture.shape, to: target).resize(picture, into: &result)
        return result
    }

    @Test func theSameSizeIsTheSamePicture() {
        let picture = randomTensor(.nhwc(1, 9, 14, 3), seed: 3)
        #expect(largestDifference(resized(picture, 9, 14), picture) < 1e-6)
    }

    /// Constants stay constant at every size; one sample too.
    @Test(arguments: [(1, 1), (1, 7), (3, 2), (50, 33), (9, 100)]) func constants(_ size: (Int, Int)) {
        for source in [(1, 1), (5, 3), (40, 41)] {
            let picture = HostTensor(.nhwc(1, source.0, source.1, 3), repeating: 0.25)
            #expect(resized(picture, size.0, size.1).values.allSatisfy { abs($0 - 0.25) < 1e-6 })
        }
    }

    /// A slope stays the slope, away from the borders: no shift by half a pixel.
    @Test func aSlopeKeepsItsPlace() {
        let picture = HostTensor(.nhwc(1, 1, 40, 1), (0..<40).map { Float($0) })
        for width in [20, 80, 100] {
            let result = resized(picture, 1, width)
            for x in width / 4..<width * 3 / 4 {
                let expected = (Float(x) + 0.5) * 40 / Float(width) - 0.5
                #expect(abs(result.values[x] - expected) < 0.02)
            }
        }
    }

    /// A pattern finer than the target can show becomes its mean, not a moiré.
    @Test func shrinkingDoesNotAlias() {
        let picture = HostTensor(.nhwc(1, 1, 120, 1), (0..<120).map { $0 % 2 == 0 ? 0 : 1 })
        let result = resized(picture, 1, 30)
        #expect(result.values[5..<25].allSatisfy { abs($0 - 0.5) < 0.01 })
    }
}
