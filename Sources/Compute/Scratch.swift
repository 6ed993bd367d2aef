/// Memory for the structures that one Vulkan call reads: they point at each other, so they need stable addresses.
/// Everything placed here is freed together.
final class Scratch {
    private var blocks: [UnsafeMutableRawPointer] = []

    /// A copy of a plain C structure, with an address that lasts as long as this object.
    func place<T: BitwiseCopyable>(_ value: T) -> UnsafeMutablePointer<T> {
        let pointer = UnsafeMutablePointer<T>.allocate(capacity: 1)
        pointer.initialize(to: value)
        blocks.append(UnsafeMutableRawPointer(pointer))
        return pointer
    }

    func place<T: BitwiseCopyable>(array: [T]) -> UnsafeMutablePointer<T> {
        let pointer = UnsafeMutablePointer<T>.allocate(capacity: max(1, array.count))
        pointer.initialize(from: array, count: array.count)
        blocks.append(UnsafeMutableRawPointer(pointer))
        return pointer
    }

    /// A C string.
    func place(_ string: String) -> UnsafePointer<CChar> {
        UnsafePointer(place(array: Array(string.utf8CString)))
    }

    func place(strings: [String]) -> UnsafePointer<UnsafePointer<CChar>?> {
        let pointers: [UnsafePointer<CChar>?] = strings.map { place($0) }
        return UnsafePointer(place(array: pointers))
    }

    deinit {
        for block in blocks { block.deallocate() }
    }
}

/// A fixed-size C array of characters, up to its first zero.
func string<T>(fromCharacters tuple: T) -> String {
    withUnsafeBytes(of: tuple) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// The bytes of a fixed-size C array as lowercase hexadecimal digits.
func hexadecimal<T>(_ tuple: T) -> String {
    withUnsafeBytes(of: tuple) { bytes in
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
