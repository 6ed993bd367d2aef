import Tensor
import TestSupport
import Testing
import Weights

@testable import Degradation

/// Kernels, blurs, resizes and sharpening beside SciPy, PyTorch, Pillow and OpenCV.
@Suite struct FilterTests {
    @Test func kernelsAgainstTheirFormulas() throws {
        let golden = try Golden()
        #expect(golden.cases.kernels.count == 10)
        for (index, parameters) in golden.cases.kernels.enumerated() {
            let expected = try golden.values("kernel.\(index)")
            let found = parameters.kernel.padded
            #expect(found.count == 21 * 21 && expected.count == found.count)
            let difference = zip(found, expected).map { abs($0 - $1) }.max() ?? 1
            #expect(difference < 1e-7, "\(parameters.kernel)")
        }
    }

    @Test func sumsAndSymmetry() throws {
        for kernel in try Golden().cases.kernels.map(\.kernel) {
            let weights = kernel.weights
            #expect(weights.count == kernel.size * kernel.size)
            #expect(abs(weights.reduce(0, +) - 1) < 1e-12)
            // Every kernel is its own mirror image through the centre; round ones through the diagonal as well.
            for (a, b) in zip(weights, weights.reversed()) { #expect(abs(a - b) < 1e-15) }
            if case .bell(_, let x, let y, _) = kernel.kind, x != y { continue }
            for row in 0..<kernel.size {
                for column in 0..<kernel.size {
                    let (a, b) = (weights[row * kernel.size + column], weights[column * kernel.size + row])
                    #expect(abs(a - b) < 1e-15)
                }
            }
        }
    }

    @Test func roundGaussiansAreProducts() throws {
        let kernel = BlurKernel.isotropic(sigma: 1.7, size: 13)
        let factor = try #require(kernel.factor)
        for (index, weight) in kernel.weights.enumerated() {
            #expect(abs(weight - factor[index / 13] * factor[index % 13]) < 1e-15)
        }
        // By both ways, over odd sizes and pictures smaller than the kernel.
        for (height, width) in [(40, 33), (5, 7), (1, 9), (3, 1)] {
            let picture = blocks(height, width, seed: 3)
            let general = BlurKernel.isotropic(sigma: 1.7, size: 13, form: .generalised(beta: 1))
            #expect(general.factor == nil)
            #expect(largestDifference(picture.blurred(by: kernel), picture.blurred(by: general)) < 1e-6)
        }
    }

    @Test func mirroring() {
        #expect((-4...8).map { mirrored($0, 3) } == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0])
        #expect((-2...2).map { mirrored($0, 1) } == [0, 0, 0, 0, 0])
    }

    @Test func blurAgainstOpenCV() throws {
        let golden = try Golden()
        let found = blocks(37, 50, seed: 7).blurred(by: golden.cases.kernels[4].kernel)
        #expect(largestDifference(found, try golden.picture("blurred")) < 2e-6)
    }

    @Test func resizesAgainstPyTorchAndPillow() throws {
        let golden = try Golden()
        #expect(golden.cases.resizes.count == 20)
        let source = blocks(37, 50, seed: 7)
        for (index, resize) in golden.cases.resizes.enumerated() {
            let found = source.resized(height: resize.height, width: resize.width, resize.mode)
            let difference = largestDifference(found, try golden.picture("resize.\(index)"))
            // PyTorch computes positions in single precision.
            #expect(difference < 2e-5, "\(resize)")
        }
    }

    @Test(arguments: ResizeMode.allCases) func resizesKeepWhatIsFlat(_ mode: ResizeMode) {
        let flat = HostTensor(.nhwc(1, 13, 17, 3), repeating: 0.4)
        for (height, width) in [(1, 1), (5, 40), (13, 17), (60, 3)] {
            let resized = flat.resized(height: height, width: width, mode)
            #expect(largestDifference(resized, HostTensor(.nhwc(1, height, width, 3), repeating: 0.4)) < 1e-6)
        }
    }

    @Test func sharpeningAgainstOpenCV() throws {
        let expected = try Golden().picture("sharpened")
        let found = sharpened(blocks(70, 64, seed: 9))
        // Where a residual is the threshold to the last bit, one pixel of the mask may fall on the other side.
        #expect(largestDifference(found, expected) < 1e-3)
        #expect(psnr(found, expected) > 90)
        #expect(largestDifference(found, blocks(70, 64, seed: 9)) > 0.05)
    }

    @Test func roundingToBytes() {
        let picture = HostTensor(.nhwc(1, 1, 2, 3), [-1, .nan, 0.5, 0.1 / 255, 254.6 / 255, 7])
        #expect(picture.roundedToBytes.bytes == [0, 0, 128, 0, 255, 255])
        for value in picture.roundedToBytes.values { #expect((value * 255).rounded() / 255 - value < 1e-7) }
    }
}
