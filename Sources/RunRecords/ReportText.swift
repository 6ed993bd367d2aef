// Numbers, times and bytes as a report shows them.

/// `text` for the inside of elements and of quoted attributes.
func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "&": result += "&amp;"
        case "\"": result += "&quot;"
        // Control characters have no place in XML, not even escaped.
        case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t": result += "\u{FFFD}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// RFC 4648, with padding.
func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let count = min(3, bytes.count - start)
        var word = 0
        for index in 0..<3 { word = word << 8 | (index < count ? Int(bytes[start + index]) : 0) }
        for index in 0..<4 { text.append(index <= count ? alphabet[word >> (18 - 6 * index) & 63] : UInt8(ascii: "=")) }
    }
    return String(decoding: text, as: UTF8.self)
}

/// 12345678 as "12 345 678", with narrow spaces that do not break.
func grouped(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
        if index > 0 && (digits.count - index) % 3 == 0 { text += "\u{202F}" }
        text.append(digit)
    }
    return text
}

/// With so many digits behind the point.
func fixed(_ x: Double, _ digits: Int) -> String {
    guard x.isFinite else { return "–" }
    let factor = (0..<digits).reduce(1.0) { factor, _ in factor * 10 }
    let scaled = (abs(x) * factor).rounded()
    guard scaled < 1e18 else { return "\(x)" }
    let whole = String(Int(scaled))
    let padded = String(repeating: "0", count: max(0, digits + 1 - whole.count)) + whole
    let sign = x < 0 && scaled > 0 ? "-" : ""
    return sign + padded.dropLast(digits) + (digits > 0 ? "." + padded.suffix(digits) : "")
}

/// With three or four significant digits: "0.0213", "27.31", "2.00e-04".
func brief(_ x: Double) -> String {
    guard x.isFinite else { return "–" }
    let size = abs(x)
    if size == 0 { return "0" }
    if size >= 1e5 || size < 1e-3 { return scientific(x, digits: 2) }
    return fixed(x, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4)
}

func scientific(_ x: Double, digits: Int) -> String {
    var (mantissa, exponent) = (abs(x), 0)
    while mantissa >= 10 {
        mantissa /= 10
        exponent += 1
    }
    while mantissa > 0 && mantissa < 1 {
        mantissa *= 10
        exponent -= 1
    }
    var text = fixed(mantissa, digits)
    if text.hasPrefix("10") {
        text = fixed(mantissa / 10, digits)
        exponent += 1
    }
    return "\(x < 0 ? "-" : "")\(text)e\(exponent)"
}

/// "3 h 5 min", "4 min 10 s", "12 s".
func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e15 else { return "–" }
    let whole = Int(seconds.rounded())
    if whole >= 3600 { return "\(whole / 3600) h \(whole % 3600 / 60) min" }
    return whole >= 60 ? "\(whole / 60) min \(whole % 60) s" : "\(whole) s"
}
