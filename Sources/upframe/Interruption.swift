internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Ctrl-C and a polite kill: the first asks the job to finish what it has, the second ends the process at once.
enum Interruption {
    private static let handler = Mutex<(@Sendable () -> Void)?>(nil)

    /// Takes SIGINT and SIGTERM over. Called once, before any thread is started: they inherit the mask, so that the
    /// signals reach only the thread that waits for them, where locks may be taken.
    static func install() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                var signals = sigset_t()
                sigemptyset(&signals)
                sigaddset(&signals, SIGINT)
                sigaddset(&signals, SIGTERM)
                var signal: Int32 = 0
                while sigwait(&signals, &signal) == 0 {
                    let body = Interruption.handler.withLock { handler in
                        defer { handler = nil }
                        return handler
                    }
                    guard let body else { _exit(130) }
                    body()
                }
                return nil
            }, nil)
        pthread_detach(thread)
    }

    /// What the first signal does; without one it ends the process.
    static func handle(_ body: (@Sendable () -> Void)?) { handler.withLock { $0 = body } }
}
