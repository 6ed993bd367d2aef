/// Random numbers that are the same in every run of the tests (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// What people and broken programs write where a number or a word is expected.
public let hostileValues = [
    "0", "-0", "-1", "1", "2", "3", "7", "16", "63.5", "0.5", "-0.5", "1e-300", "1e-9", "1e9", "1e30", "1e308",
    "-1e308",
    "1e400", "nan", "inf", "-inf", ".nan", ".inf", "-.inf", "2147483647", "2147483648", "-2147483648", "4294967296",
    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
    "99999999999999999999999999", "0x10", "0b1", "1_000", "1:30", "", " ", "~", "null", "true", "no", "auto", "off",
    "word", "../..", "/", ".", "..", "\u{1B}[2J", "a\nb", "\u{202E}abc", "é", "x=y", "=", ",", "1,2", "1/0", "0/1",
    "30000/1001", "1x1", "0x0", "64x36", "99999x99999", "-1x-1", "[]", "[1]", "[1, 2]", "[2, 1]", "[1, 2, 3]",
    "[.nan, .nan]", "[-1, 1e308]", "[[1, 2], [3]]", "[a, b]", "[~]", "{}", "{a: 1}", "{a: {b: [1]}}",
    "{architecture: x}",
    "*a", "&a [*a]", "!!int 3", "!!binary aGk=", "? [1]\n: 2", "'", "\"", "%", "@", "`", "- 1", "# nothing",
    String(repeating: "9", count: 400), String(repeating: "x", count: 5000), String(repeating: "[", count: 2000),
]
