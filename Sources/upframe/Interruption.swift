internal import Media
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Ctrl-C, a polite kill and a terminal that closes: the first asks the job to finish what it has, the second ends the
/// process at once, without its half-written files.
///
/// The signal's handler only writes a byte to a pipe, which is all that a handler may do; a thread reads it, where locks
/// may be taken. (Masking and waiting for signals would not do: libraries start threads of their own before `main`.)
enum Interruption {
    private static let handler = Mutex<(@Sendable () -> Void)?>(nil)
    /// The pipe's ends; written once, before the handler is installed.
    nonisolated(unsafe) private static var ends: (read: Int32, write: Int32) = (-1, -1)

    /// Takes SIGINT and SIGTERM over, and SIGHUP unless it is ignored (nohup). Called once.
    static func install() {
        var descriptors: [Int32] = [-1, -1]
        guard pipe(&descriptors) == 0 else { return }
        ends = (descriptors[0], descriptors[1])
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                var byte: UInt8 = 0
                while read(Interruption.ends.read, &byte, 1) == 1 {
                    let body = Interruption.handler.withLock { handler in
                        defer { handler = nil }
                        return handler
                    }
                    guard let body else { Interruption.end() }
                    body()
                }
                return nil
            }, nil)
        pthread_detach(thread)
        // Whoever started the process may have blocked them: masks are inherited.
        var signals = sigset_t()
        sigemptyset(&signals)
        var numbers = [SIGINT, SIGTERM]
        var action = sigaction()
        if sigaction(SIGHUP, nil, &action) == 0, !isIgnored(action) { numbers.append(SIGHUP) }
        for number in numbers { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in numbers {
            signal(number) { _ in
                var byte: UInt8 = 1
                _ = write(Interruption.ends.write, &byte, 1)
            }
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Glibc)
            let handler = action.__sigaction_handler.sa_handler
        #else
            let handler = action.__sigaction_u.__sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == 1  // SIG_IGN
    }

    /// Ends the process at once, without its half-written files.
    static func end() -> Never {
        UnfinishedFiles.removeAll()
        _exit(130)
    }

    /// What the first signal does; without one it ends the process.
    static func handle(_ body: (@Sendable () -> Void)?) { handler.withLock { $0 = body } }
}
