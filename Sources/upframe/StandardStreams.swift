#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The three streams that a process is started with, or without: cron and daemons close them.
enum StandardStreams {
    /// Puts something that fails in place of a stream that is closed. Otherwise the next file to be opened would take its
    /// number, and be read or written in its place. Called before anything is opened.
    static func open() {
        // Standard input can then be written only, and the others only be read.
        for (descriptor, mode) in [(Int32(0), O_WRONLY), (1, O_RDONLY), (2, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) < 0 {
            let made = Glibc.open("/dev/null", mode)
            if made >= 0, made != descriptor {
                dup2(made, descriptor)
                close(made)
            }
        }
    }

    /// Writes what lies in standard output's buffer.
    ///
    /// - Throws: `CommandFailure` where it cannot be written: a listing that nobody gets is no success.
    static func flush() throws {
        guard fflush(nil) != 0, errno != EPIPE else { return }
        throw CommandFailure(
            code: 1, message: "standard output: cannot be written (\(String(cString: strerror(errno)))).")
    }
}
