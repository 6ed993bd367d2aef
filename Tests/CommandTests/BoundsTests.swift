import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import upframe

/// What is typed and what files hold never ends the program by a trap, and never reaches a terminal as it is.
@Suite struct BoundsTests {
    // MARK: Numbers of options

    /// The options of every subcommand, as the parser describes itself.
    private struct Help: Decodable {
        struct Command: Decodable {
            var commandName: String
            var subcommands: [Command]?
            var arguments: [Argument]?
        }
        struct Argument: Decodable {
            struct Name: Decodable {
                var kind: String
                var name: String
            }
            var kind: String
            var names: [Name]?
        }
        var command: Command
    }

    private func commands() throws -> [(words: [String], options: [String], positions: Int)] {
        let help = try JSONDecoder().decode(Help.self, from: Data(Upframe._dumpHelp().utf8))
        var result: [(words: [String], options: [String], positions: Int)] = []
        func add(_ command: Help.Command, _ words: [String]) {
            let arguments = command.arguments ?? []
            let options = arguments.filter { $0.kind == "option" }.flatMap { $0.names ?? [] }
                .filter { $0.kind == "long" }.map { "--" + $0.name }
            result.append((words, options, arguments.count { $0.kind == "positional" }))
            for inner in command.subcommands ?? [] where inner.commandName != "help" {
                add(inner, words + [inner.commandName])
            }
        }
        for command in help.command.subcommands ?? [] where command.commandName != "help" {
            add(command, [command.commandName])
        }
        return result
    }

    /// Random options with random values: parsed to what the commands work with, or refused in a line.
    @Test func hostileOptionsAreSurvived() throws {
        var random = SeededGenerator(seed: 5)
        let commands = try commands()
        #expect(commands.count >= 11 && commands.flatMap(\.options).count >= 40)
        // Every option once with every value would be many; each with some.
        var parsed = 0
        for (words, options, positions) in commands where !options.isEmpty {
            for number in 0..<(8 * options.count) {
                var line = words + (0..<positions).map { "file\($0).mkv" }
                line.append(options[number % options.count] + "=" + hostileValues.randomElement(using: &random)!)
                if Bool.random(using: &random) {
                    line.append(
                        options.randomElement(using: &random)! + "=" + hostileValues.randomElement(using: &random)!)
                }
                do {
                    let command = try Upframe.parseAsRoot(line)
                    parsed += 1
                    guard let command = command as? UpscaleCommand else { continue }
                    _ = (command.source.readerOptions, command.size.target(isRaw: command.source.isRaw))
                    _ = (command.target.settings(isRaw: false), command.work.tiling)
                } catch {
                    #expect(Upframe.exitCode(for: error) == .validationFailure, "\(line)")
                    #expect(shown(Upframe.message(for: error)).unicodeScalars.count <= 1010)
                }
            }
        }
        #expect(parsed > 20)
    }

    @Test func rangesOfOptions() throws {
        func message(_ words: String...) -> String {
            do {
                _ = try Upframe.parseAsRoot(["in.mp4", "out.mp4"] + words)
                return ""
            } catch { return Upframe.message(for: error) }
        }
        for (option, good, bad) in [
            ("--threads", ["1", "1024"], ["0", "-1", "1025", "2147483648", "9223372036854775808", "x", "1.5"]),
            ("--crf", ["0", "63", "18.5"], ["-1", "64", "inf", "nan", "1e308"]),
            ("--scale", ["0.001", "64"], ["0", "-1", "65", "nan", "inf", "1e-300"]),
            ("--tile", ["16", "65536", "auto", "off"], ["15", "65537", "9223372036854775807", "-16"]),
            ("--start", ["0", "1e9", "1:02:03.5"], ["-1", "1e308", "99999999999999999999", "nan", "999999999:0"]),
            ("--duration", ["1"], ["inf", "1e10"]),
            ("--rate", ["25", "30000/1001", "0.001"], ["0", "1e-9", "1/0", "0/1", "9223372036854775807/1", "1001"]),
            ("--memory-limit", ["1", "800M", "1T"], ["0", "-1", "nan", "inf", "1e300", "999999999T"]),
            ("--max-latency", ["0.001", "3600"], ["0", "-1", "nan", "inf", "3601"]),
            ("--size", ["1x1", "65536x65536"], ["0x1", "65537x1", "-1x-1", "1x", "9223372036854775808x1"]),
        ] {
            for value in good { #expect(message("\(option)=\(value)").isEmpty, "\(option) \(value)") }
            for value in bad {
                let words = message("\(option)=\(value)")
                #expect(words.contains(option) && words.contains(value), "\(option) \(value): \(words)")
            }
        }
    }

    /// An answer before anything is allocated or written.
    @Test func aPictureWithoutRoom() throws {
        let result = try Command.run("bench", "--size", "65536x65536", "--network-only", "--device", "cpu")
        #expect(result.status == 1 && result.errors.contains("65536x65536 pixels needs 491520 MiB"))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    // MARK: What reaches a terminal

    @Test func textsAreShownEscaped() {
        #expect(shown("a model, größer — 模型 👩‍🚀") == "a model, größer — 模型 👩‍🚀")
        #expect(shown("\u{1B}[2Ja\r\nb\t\u{7F}\u{9B}1m") == "\\u{1b}[2Ja\\u{d}\\u{a}b\\u{9}\\u{7f}\\u{9b}1m")
        #expect(shown("\u{202E}x\u{2066}\u{200F}\u{2028}") == "\\u{202e}x\\u{2066}\\u{200f}\\u{2028}")
        let long = shown("begin " + String(repeating: "\u{1B}", count: 1_000_000) + " end")
        #expect(long.hasPrefix("begin \\u{1b}") && long.hasSuffix(" end") && long.contains(" … "))
        #expect(long.unicodeScalars.count <= 1003)
        #expect(shown(String(repeating: "x", count: 1000)).count == 1000)
        // In tables, and as JSON, which says the same.
        #expect(table([["a\u{1B}", "b\n"]]) == "a\\u{1b}  b\\u{a}")
        let json = plainJSON(Data("{\"a\":\"\u{7F}\u{9B}\u{202E}\"}".utf8))
        #expect(json == #"{"a":"\u007f\u009b\u202e"}"#)
        #expect(
            try! JSONDecoder().decode([String: String].self, from: Data(json.utf8)) == ["a": "\u{7F}\u{9B}\u{202E}"])
    }

    /// Names out of a file and out of the command line, in messages and in listings.
    @Test func namesAreShownEscaped() throws {
        let folder = try Folder()
        func isPlain(_ result: ProcessResult) -> Bool {
            let all = [UInt8](result.stdout + result.stderr)
            return all.allSatisfy { $0 == 0x0A || $0 >= 0x20 && $0 != 0x7F } && all.count < 4000
        }
        let header =
            #"{"\u001b[2J\nupframe: all is well\#(String(repeating: "x", count: 100_000))":"#
            + #"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
        let bytes =
            withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
            + Data(count: 4)
        try bytes.write(to: URL(fileURLWithPath: folder("m.safetensors")))
        let info = try Command.run("models", "info", folder("m.safetensors"))
        #expect(info.status == 1 && isPlain(info) && info.errors.split(separator: "\n").count == 1, "\(info.errors)")
        for words in [["\u{1B}[2J.mp4", "o.mp4"], ["--\u{1B}[2J"], ["in.mp4", "o.mp4", "--crf", "\u{1B}\n"]] {
            let result = try Command.run(words)
            #expect(result.status != 0 && isPlain(result) && result.errors.split(separator: "\n").count == 1)
        }
    }

    // MARK: Children and signals

    /// A model is being fetched when a signal comes: pip ends, its folder goes.
    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func fetchesEndWithTheirProcess(_ signal: Int32) throws {
        let folder = try Folder()
        for name in ["python3", "pip3", "pip"] {
            // It stays, has a child of its own, and leaves a folder with a file where programs put temporary ones.
            _ = try folder.write(
                name,
                "#!/bin/sh\nmkdir -p $TMPDIR/inner\necho x >$TMPDIR/inner/file\nsleep 600 &\necho $$ $! >\(folder("pids.new"))\nmv \(folder("pids.new")) \(folder("pids"))\nwait\n"
            )
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder(name))
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Command.path)
        process.arguments = ["models", "fetch", "animevideov3"]
        process.environment = [
            "PATH": folder.path + ":/usr/bin:/bin", "XDG_CACHE_HOME": folder("cache"), "HOME": folder.path,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        var pids: [Int32] = []
        while pids.isEmpty, process.isRunning {
            usleep(10_000)
            let text = (try? String(contentsOfFile: folder("pids"), encoding: .utf8)) ?? ""
            pids = text.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
        }
        #expect(pids.count == 2)
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        let work = try FileManager.default.contentsOfDirectory(atPath: folder("cache/upframe"))
        #expect(work.filter { $0.hasPrefix("work-") }.isEmpty, "\(work)")
        // Killed ones may stand in the table of processes for a moment.
        for pid in pids {
            var tries = 0
            while isAlive(pid), tries < 3000 {
                usleep(10_000)
                tries += 1
            }
            #expect(!isAlive(pid))
        }
    }

    /// A benchmark's clip and result lie in a folder that goes with it.
    @Test func benchmarksLeaveNothing() throws {
        let folder = try Folder()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Command.path)
        process.arguments = ["bench", "--size", "64x36", "--device", "cpu", "--runs", "1", "--json"]
        process.environment = ["TMPDIR": folder.path, "PATH": "/usr/bin:/bin", "HOME": folder.path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        while folder.contents.isEmpty, process.isRunning { usleep(1000) }
        process.terminate()
        process.waitUntilExit()
        // A machine may be done before the signal comes.
        #expect([0, 130].contains(process.terminationStatus) && folder.contents.isEmpty, "\(folder.contents)")
    }

    private func isAlive(_ pid: Int32) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        return !status.contains(") Z ")
    }
}
