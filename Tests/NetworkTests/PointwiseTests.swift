import Foundation
import Network
import Testing

@testable import upframe_generate

/// The table of pointwise functions and what is made from it.
@Suite struct PointwiseTests {
    /// The texts in the repository are those of the table.
    @Test func generatedFilesAreCurrent() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        for (path, text) in PointwiseText.files {
            let stored = try String(contentsOf: root.appending(path: path), encoding: .utf8)
            #expect(stored == text, "\(path): run `swift run upframe-generate`")
        }
    }

    /// The body of each function in single precision against its meaning in double, over its range and beyond.
    @Test(arguments: PointwiseFunction.Name.allCases) func bodiesAreTheirMeanings(_ name: PointwiseFunction.Name) {
        let (function, row) = (name.example, name.example.row)
        let range = row.range
        for step in 0...1000 {
            let x = range.lowerBound + Float(step) / 1000 * (range.upperBound - range.lowerBound)
            for y in [-1.5, 0, 0.25, 2] as [Float] {
                let found = evaluate(row.body, [x, y], function.numbers)
                let expected = row.value(Double(x), Double(y))
                #expect(abs(Double(found) - expected) <= 1e-6 * max(1, abs(expected)), "\(name)(\(x), \(y))")
            }
        }
    }

    /// Every function has an example of itself, a code of its own, and not more numbers than kernels have room for.
    @Test func names() {
        for (index, name) in PointwiseFunction.Name.allCases.enumerated() {
            #expect(name.example.name == name && name.example.code == index + 1)
            #expect(name.example.numbers.count <= 3 && (1...2).contains(name.example.operandCount))
        }
    }

    private func evaluate(_ expression: Scalar, _ operands: [Float], _ numbers: [Float]) -> Float {
        func value(_ expression: Scalar) -> Float { evaluate(expression, operands, numbers) }
        switch expression {
        case .operand(let index): return operands[index]
        case .constant(let index): return numbers[index]
        case .number(let number): return number
        case .unary(.exponential, let x): return exp(value(x))
        case .unary(.logarithm, let x): return log(value(x))
        case .unary(.squareRoot, let x): return value(x).squareRoot()
        case .unary(.absolute, let x): return abs(value(x))
        case .unary(.floor, let x): return value(x).rounded(.down)
        case .unary(.inverse, let x): return 1 / value(x)
        case .binary(.add, let x, let y): return value(x) + value(y)
        case .binary(.subtract, let x, let y): return value(x) - value(y)
        case .binary(.multiply, let x, let y): return value(x) * value(y)
        case .binary(.divide, let x, let y): return value(x) / value(y)
        case .binary(.minimum, let x, let y): return min(value(x), value(y))
        case .binary(.maximum, let x, let y): return max(value(x), value(y))
        case .whereLess(let x, let y, let yes, let no): return value(x) < value(y) ? value(yes) : value(no)
        }
    }
}
