public import Media

/// One line of a verification: one property of one stream, on both sides.
public struct Finding: Sendable, Hashable, Codable {
    public enum Result: String, Sendable, Hashable, Codable {
        /// The same on both sides, or the same within the container's resolution, which the note then says.
        case ok
        /// Different because an upscaler must make it so: size, codec, guessed tags that are now written.
        case expected
        /// In the input and not in the output.
        case lost
        /// In both, and not the same.
        case changed
    }

    /// "video", "audio 1", "chapters", "file".
    public var stream: String
    public var what: String
    public var input: String
    public var output: String
    public var result: Result
    public var note: String

    public var isLoss: Bool { result == .lost || result == .changed }
}

/// Proves that everything but the pixels came through: compares the inventories of a source and of what was made of it.
public struct Verification: Sendable, Codable {
    public var input: String
    public var output: String
    public var findings: [Finding]

    public var losses: Int { findings.filter(\.isLoss).count }
    public var passed: Bool { losses == 0 }

    /// Reads both files to their ends, decoding the video of both, and compares. Blocks.
    ///
    /// - Throws: `MediaError` for what is not a media file.
    public init(input: String, output: String) throws {
        self.init(try FileInventory(path: input), try FileInventory(path: output))
    }

    public init(_ input: FileInventory, _ output: FileInventory) {
        (self.input, self.output) = (input.path, output.path)
        var list = FindingList()
        list.stream = "file"
        if input.format != output.format {
            list.add("container", input.format, output.format, .expected)
        } else {
            list.add("container", input.format, output.format, .ok)
        }
        let moved = input.shift(in: output)
        let forced = moved == 0 ? Self.forcedShift(input, output) : 0
        let shift = moved + forced
        if moved != 0 {
            list.add(
                "start", seconds(input.startSeconds), seconds(input.startSeconds + moved), .expected,
                "\(output.format) begins at zero; all streams moved together")
        }
        if forced != 0 {
            list.add(
                "start", seconds(0), seconds(shift), .expected,
                "\(output.format) holds no time below zero, which decoding order needs; all streams moved together")
        }
        if let source = input.video, let target = output.video {
            VideoCheck(
                source: source, target: target, shift: shift,
                places: input.frames(inPlacesOf: output, shift: shift),
                isHeld: { output.holds(tag: $0, of: target, besides: input.metadata) }
            ).run(&list)
        }
        for pair in StreamMatch.pairs(input, output) {
            PacketCheck(pair: pair, input: input, output: output, shift: shift).run(&list)
        }
        MetadataCheck.chapters(input, output, shift: moved, &list)
        list.stream = "file"
        MetadataCheck.compare(input.metadata, output.metadata, &list) { tag in
            output.holds(tag: tag, of: nil, besides: input.metadata)
        }
        findings = list.findings
    }

    /// Containers that cannot say that decoding begins before zero begin everything a little later; a frame or two, and
    /// never earlier.
    private static func forcedShift(_ input: FileInventory, _ output: FileInventory) -> Double {
        guard ["mpegts", "mpeg", "flv"].contains(output.format), let a = input.video, let b = output.video,
            let x = a.frames.first, let y = b.frames.first
        else { return 0 }
        let (from, to) = (a.description.timeBase, b.description.timeBase)
        let shift = Double(y.timestamp) * to.value - Double(x.timestamp) * from.value
        return shift > 1.001 * to.value && shift < 0.5 ? shift : 0
    }
}

/// Findings in the making.
struct FindingList {
    var findings: [Finding] = []
    var stream = ""

    mutating func add(_ what: String, _ input: String, _ output: String, _ result: Finding.Result, _ note: String = "")
    {
        findings.append(
            Finding(stream: stream, what: what, input: input, output: output, result: result, note: note))
    }

    /// Equal is right; nothing in the output is a loss; nothing in the input and something in the output needs a word.
    mutating func compare(_ what: String, _ input: String?, _ output: String?, added: Finding.Result = .changed) {
        switch (input, output) {
        case (nil, nil): break
        case (let input?, nil): add(what, input, "-", .lost)
        case (nil, let output?): add(what, "-", output, added)
        case (let input?, let output?): add(what, input, output, input == output ? .ok : .changed)
        }
    }
}
