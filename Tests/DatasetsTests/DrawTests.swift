import Tensor
import TestSupport
import Testing

@testable import Datasets

@Suite struct DrawTests {
    @Test func numbersDependOnAllThatTheyAreFor() {
        func first(_ purpose: Draw.Purpose, _ seed: UInt64, _ index: Int) -> UInt32 {
            var draw = Draw(purpose, seed: seed, index: index)
            return draw.word()
        }
        #expect(first(.crop, 1, 2) == first(.crop, 1, 2))
        let others = [first(.crop, 1, 2), first(.orientation, 1, 2), first(.crop, 2, 2), first(.crop, 1, 3)]
        #expect(Set(others).count == 4)
    }

    @Test func numbersAreUniform() {
        var counts = [Int](repeating: 0, count: 10)
        var sum = 0.0
        for index in 0..<4000 {
            var draw = Draw(.crop, seed: 5, index: index)
            for _ in 0..<5 { counts[draw.below(10)] += 1 }
            sum += draw.unit()
        }
        // 20,000 throws: a count is 2000 with a deviation of 42, the mean of 4000 numbers 0.5 with one of 0.0046.
        #expect(counts.allSatisfy { abs($0 - 2000) < 5 * 42 })
        #expect(abs(sum / 4000 - 0.5) < 5 * 0.0046)
    }

    /// Every round has each item once, and rounds differ.
    @Test(arguments: [1, 2, 3, 5, 16, 17, 100, 1000]) func everyItemOnceInARound(_ count: Int) {
        var rounds: [[Int]] = []
        for round in 0..<4 {
            let order = (0..<count).map { item(round * count + $0, of: count, seed: 77) }
            #expect(Set(order) == Set(0..<count))
            rounds.append(order)
        }
        if count >= 16 { #expect(Set(rounds).count == 4) }
    }

    /// No item has a favourite place.
    @Test(arguments: [2, 5, 24]) func everyPlaceHasEveryItemEquallyOften(_ count: Int) {
        let rounds = 3000
        var seen = [Int](repeating: 0, count: count)
        for round in 0..<rounds { seen[item(round * count, of: count, seed: 3)] += 1 }
        let expected = Double(rounds) / Double(count)
        // Chi-squared with count - 1 degrees of freedom, five deviations.
        let chi = seen.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        let freedom = Double(count - 1)
        #expect(chi < freedom + 5 * (2 * freedom).squareRoot())
    }

    /// The eight ways to lay a square, each as often as the others, and each against a plain definition.
    @Test func orientations() {
        var seen: [String: Int] = [:]
        for index in 0..<4000 {
            let lay = Lay(Augmentation(), seed: 9, index: index)
            seen["\(lay.quarterTurns) \(lay.isMirrored)", default: 0] += 1
        }
        #expect(seen.count == 8)
        #expect(seen.values.allSatisfy { abs($0 - 500) < 105 })
        #expect(Lay(.none, seed: 9, index: 1) == Lay())

        let picture = randomTensor(.nhwc(1, 5, 5, 3), seed: 1)
        for mirrored in [false, true] {
            for turns in 0..<4 {
                var expected = picture
                if mirrored { expected = moved(expected) { y, x in (y, 4 - x) } }
                // Clockwise: the top row becomes the right column.
                for _ in 0..<turns { expected = moved(expected) { y, x in (x, 4 - y) } }
                #expect(Lay(quarterTurns: turns, isMirrored: mirrored).apply(to: picture) == expected)
            }
        }
    }

    /// Moves every pixel (y, x) to another place.
    private func moved(_ picture: HostTensor, _ to: (Int, Int) -> (Int, Int)) -> HostTensor {
        var result = picture
        for y in 0..<picture.shape.height {
            for x in 0..<picture.shape.width {
                let (ty, tx) = to(y, x)
                for c in 0..<3 { result[0, ty, tx, c] = picture[0, y, x, c] }
            }
        }
        return result
    }
}
