import Tensor
import Testing

@Suite struct PhiloxTests {
    /// The known-answer vectors that the authors of Random123 publish for philox4x32-10.
    @Test func knownAnswers() {
        let zero = Philox.block(key: 0, counter: 0)
        #expect(zero == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        let ones = Philox.block(key: .max, counter: .max, stream: .max)
        #expect(ones == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        let pi = Philox.block(
            key: 0x299f_31d0_a409_3822, counter: 0x85a3_08d3_243f_6a88, stream: 0x0370_7344_1319_8a2e)
        #expect(pi == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func aSequenceGoesOnFromItsCounter() {
        var whole = Philox(key: 7)
        let all = whole.uniform(64)
        var late = Philox(key: 7, counter: 8)
        #expect(Array(all[32...]) == late.uniform(32))
        #expect(all.allSatisfy { (0..<1).contains($0) })
        #expect(abs(all.reduce(0, +) / 64 - 0.5) < 0.15)
    }
}
