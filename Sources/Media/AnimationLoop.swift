/// The number of times that an animation is played, which libav's demuxers do not tell.
internal enum AnimationLoop {
    /// 0 for ever, 1 for an animation that says nothing; nil for what is no animation.
    ///
    /// - Parameter format: libav's name of the demuxer.
    static func plays(of path: String, format: String) -> Int? {
        guard path != "-", FileSystem.isFile(path), let size = FileSystem.size(path) else { return nil }
        switch format {
        case "gif": return gif(FileSystem.head(path, count: min(size, 1 << 16)))
        case "apng": return apng(FileSystem.head(path, count: min(size, 1 << 16)))
        default: return nil
        }
    }

    /// The application extension of NETSCAPE2.0, which stands in front of the first picture.
    private static func gif(_ bytes: [UInt8]) -> Int {
        let name = Array("NETSCAPE2.0".utf8)
        guard bytes.count > name.count + 6 else { return 1 }
        for start in 0..<(bytes.count - name.count - 5)
        where bytes[start] == name[0] && bytes[start..<(start + name.count)].elementsEqual(name) {
            let block = start + name.count
            guard bytes[block] == 3, bytes[block + 1] == 1 else { continue }
            return Int(Bytes.little(bytes[(block + 2)..<(block + 4)]))
        }
        return 1
    }

    /// acTL (W3C PNG, third edition).
    private static func apng(_ bytes: [UInt8]) -> Int {
        guard let control = PNGChunks(bytes).first(where: { $0.name == "acTL" }), control.body.count >= 8 else {
            return 1
        }
        return Int(Bytes.big(bytes[(control.body.lowerBound + 4)..<(control.body.lowerBound + 8)]))
    }
}
