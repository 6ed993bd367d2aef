internal import ArgumentParser
internal import Pipeline

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove that everything but the pixels came through.",
        discussion: """
            Reads both files to their ends and compares them stream by stream: frames and their timestamps, packets of
            sound and subtitles by their hashes, chapters, attachments, covers, metadata, dispositions, languages, shape,
            rotation, fields, colour tags and HDR data. What an upscaler must change (size, codec, guessed tags that are
            now written) is listed as expected. Exit code 1 if anything was lost or changed.
            """)

    @Argument(help: "The source.") var input: String
    @Argument(help: "What was made of it.") var output: String
    @Flag(help: "JSON instead of a table.") var json = false
    @Flag(help: "Only what is not the same.") var differences = false

    func run() throws {
        let verification = try Verification(input: input, output: output)
        if json {
            print(try jsonText(Report(verification)))
        } else {
            print(text(verification))
        }
        if !verification.passed { throw ExitCode(1) }
    }

    private struct Report: Encodable {
        var input: String
        var output: String
        var passed: Bool
        var losses: Int
        var findings: [Finding]

        init(_ verification: Verification) {
            (input, output) = (verification.input, verification.output)
            (passed, losses) = (verification.passed, verification.losses)
            findings = verification.findings
        }
    }

    private func text(_ verification: Verification) -> String {
        let listed = verification.findings.filter { !differences || $0.result != .ok }
        var rows = listed.isEmpty ? [] : [["STREAM", "WHAT", "IN", "OUT", "RESULT", ""]]
        for finding in listed {
            rows.append([
                finding.stream, finding.what, shortened(finding.input), shortened(finding.output),
                finding.result.rawValue, finding.note,
            ])
        }
        let count = verification.findings.count
        let verdict =
            verification.passed
            ? "All \(count) checks passed: nothing but the pixels changed."
            : "\(verification.losses) of \(count) checks failed: \(failures(verification).joined(separator: ", "))."
        return (rows.isEmpty ? "" : table(rows) + "\n") + shown(verdict)
    }

    private func failures(_ verification: Verification) -> [String] {
        verification.findings.filter(\.isLoss).prefix(8).map { "\($0.stream) \($0.what)" }
    }

    /// A comment can be a page; its beginning tells which one it is.
    private func shortened(_ text: String) -> String {
        let line = text.split(separator: "\n").joined(separator: " ")
        return line.count <= 44 ? line : line.prefix(43) + "…"
    }
}
