import Tensor
import Testing

@Suite struct HostMemoryTests {
    @Test func whatCannotBeHad() throws {
        #expect(HostMemory.availableBytes > 1 << 20)
        try HostMemory.require(0x1p20, for: "a picture", remedy: "choose a smaller one")
        for (bytes, text) in [(0x1p70, "1125899906842624 MiB"), (1e300, "e+293 MiB"), (Double.infinity, "inf MiB")] {
            do {
                try HostMemory.require(bytes, for: "a picture", remedy: "choose a smaller one")
                Issue.record("\(bytes) bytes can be had")
            } catch {
                #expect(error.description.hasPrefix("a picture needs ") && error.description.contains(text), "\(error)")
                #expect(error.description.hasSuffix("can be had; choose a smaller one"))
            }
        }
    }

    @Test func countsThatDoNotFit() {
        #expect(Shape([3, 4]).checkedCount == 12 && Shape([]).checkedCount == 1)
        #expect(Shape([1 << 59]).checkedCount == 1 << 59 && Shape([1 << 60]).checkedCount == nil)
        #expect(Shape([1 << 40, 1 << 40]).checkedCount == nil && Shape([1 << 40, 1 << 40, 0]).checkedCount == 0)
        #expect(Shape([.max, .max]).checkedCount == nil && Shape([0, .max, .max]).checkedCount == 0)
    }
}
