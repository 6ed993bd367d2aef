// upframe: the command. One file per subcommand; everything that does work lies in the rooms below.
//
// Standard output carries data (a listing, JSON, a video when the output is `-`), standard error carries words. Exit
// codes: 0 done, 1 failed, 2 the command line is wrong, 130 interrupted.

internal import ArgumentParser
internal import Catalogue
internal import Support

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

@main
struct Upframe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upframe",
        abstract: "Make video and pictures larger and sharper.",
        discussion: """
            upframe in.mp4 out.mp4                       twice the size, with the default model
            upframe in.png out.png --model x4plus        a photograph, four times the size
            upframe in.mkv out.mkv --fit 1920x1080       as large as fits
            upframe train recipe.yaml                    a model of your own
            upframe models                               what there is
            """,
        version: "upframe 0.1.0",
        subcommands: [
            UpscaleCommand.self, TrainCommand.self, ModelsCommand.self, BenchCommand.self, DevicesCommand.self,
            VerifyCommand.self,
            CompareCommand.self,
        ],
        defaultSubcommand: UpscaleCommand.self)

    static func main() {
        // A reader that goes away is an error of the write call, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        // So is a file that may not grow any more.
        signal(SIGXFSZ, SIG_IGN)
        StandardStreams.open()
        Interruption.install()
        do {
            var command = try parseAsRoot(Array(SystemPath.arguments.dropFirst()))
            try command.run()
            try StandardStreams.flush()
            terminate(0)
        } catch let error as CommandFailure {
            say(error.message)
            terminate(error.code)
        } catch CatalogueError.interrupted {
            terminate(130)
        } catch {
            if let status = error as? ExitCode { terminate(status.rawValue) }
            // ArgumentParser's own: help and version are no errors, the rest is a wrong command line.
            let status = exitCode(for: error)
            if status == .success {
                print(fullMessage(for: error))
                do { try StandardStreams.flush() } catch {
                    say((error as? CommandFailure)?.message ?? "\(error)")
                    terminate(1)
                }
                terminate(0)
            }
            if status == .validationFailure {
                say(message(for: error).split(separator: "\n").joined(separator: " "), "; see 'upframe --help'")
                terminate(2)
            }
            let (text, ending) = line(error)
            say(text, ending)
            terminate(1)
        }
    }
}

/// An error with its exit code.
struct CommandFailure: Error {
    var code: Int32
    var message: String

    /// The command line is wrong.
    static func usage(_ message: String) -> CommandFailure { CommandFailure(code: 2, message: message) }
}

/// Ends the process without the farewells that libraries have registered: one that could not start its threads for lack of
/// memory waits for them for ever.
private func terminate(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
}

/// Tells people something, on one line of standard error.
///
/// - Parameter ending: what follows `text` even where that is too long to be shown whole.
func say(_ text: String, _ ending: String = "") { standardError("upframe: \(shown(text))\(ending)\n") }

/// Writes words to standard error, whole: one call, no buffer.
func standardError(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        bytes = bytes.dropFirst(count)
    }
}
