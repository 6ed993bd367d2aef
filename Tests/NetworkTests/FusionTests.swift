import Network
import Planning
import Tensor
import TestSupport
import Testing

/// What becomes one step.
@Suite struct FusionTests {
    private func steps(_ build: (inout GraphBuilder, Value) -> Value) throws -> [Step] {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 9, 11, 20))
        let y = build(&b, x)
        return Planner.plan(b.finish([y])).steps
    }

    /// SPAN's gate: the convolution's result is read twice, and the step computes all of it.
    @Test func aGateIsPartOfItsConvolution() throws {
        let steps = try steps { b, x in
            let y = b.convolution(x, "c", to: 20)
            let sum = b.apply(.add, y, x)
            let gate = b.apply(.affine(scale: 1, offset: -0.5), b.apply(.pointwise(.sigmoid), y))
            return b.apply(.multiply, sum, gate)
        }
        #expect(steps.count == 1 && steps[0].kind == .convolution)
    }

    /// Its steps are its convolutions, but for the normalisation in front.
    @Test func spanIsConvolutionsOnly() throws {
        for isNormalised in [false, true] {
            let network = SPAN(features: 16, isNormalised: isNormalised)
            let steps = Planner.plan(network.graph(.nhwc(1, 9, 11, 3))).steps
            #expect(steps.count { $0.kind == .convolution } == 22)
            #expect(steps.count == (isNormalised ? 23 : 22))
        }
    }

    /// `(x + y) * tanh(conv(y))`
    @Test func aGateOfTwoOperands() throws {
        let steps = try steps { b, x in
            let y = b.leakyReLU(x, 0.1)
            let gate = b.apply(.pointwise(.tanh), b.convolution(y, "c", to: 20))
            return b.apply(.multiply, b.apply(.add, x, y), gate)
        }
        #expect(steps.map(\.kind) == [.pointwise, .convolution])
    }

    /// Each convolution computes what depends on it alone, and the first what depends on both.
    @Test func twoConvolutions() throws {
        let steps = try steps { b, x in
            let gate = b.apply(.pointwise(.sigmoid), b.convolution(x, "d", to: 20))
            return b.apply(.multiply, b.leakyReLU(b.convolution(x, "c", to: 20), 0.1), gate)
        }
        #expect(steps.map(\.kind) == [.convolution, .convolution])
    }

    /// A cluster with more operands than a step reads is cut.
    @Test func tooManyOperands() throws {
        let steps = try steps { b, x in
            var y = b.convolution(x, "c", to: 20)
            for index in 0..<4 {
                y = b.apply(.add, y, b.apply(.crop(Margins(top: index)), b.apply(.pad(Margins(top: index), .zero), x)))
            }
            return y
        }
        let results = steps.filter { $0.kind != .move }
        #expect(results.map(\.kind) == [.convolution, .pointwise])
        for step in results { #expect(step.reads.count <= 3) }
    }
}
