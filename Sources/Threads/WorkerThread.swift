#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Seconds of a clock that never jumps.
public func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Blocks the thread; signals do not shorten it.
public func sleepSeconds(_ seconds: Double) {
    let end = monotonicSeconds() + seconds
    while true {
        let left = end - monotonicSeconds()
        guard left > 0 else { return }
        var time = timespec(tv_sec: Int(left), tv_nsec: Int((left - left.rounded(.down)) * 1e9))
        nanosleep(&time, nil)
    }
}

/// Gives the calling thread a name for debuggers and profilers, where the system has a file for it (Linux; 15 characters).
private func nameThread(_ name: String) {
    guard let file = fopen("/proc/thread-self/comm", "w") else { return }
    fputs(String(name.prefix(15)), file)
    fclose(file)
}

/// A joinable thread.
public final class WorkerThread: @unchecked Sendable {
    private var handle = pthread_t()
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts at once.
    public convenience init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        // Only a system out of threads fails here; nothing sensible can go on.
        self.init(ifPossible: name, body)!
    }

    /// Starts at once; nil where the system, or the process's limit of memory, has no room for another thread.
    public init?(ifPossible name: String, _ body: @escaping @Sendable () -> Void) {
        let retained = Unmanaged.passRetained(
            Body {
                nameThread(name)
                body()
            })
        let argument = retained.toOpaque()
        let status = pthread_create(
            &handle, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, argument)
        guard status == 0 else {
            retained.release()
            return nil
        }
    }

    public func join() { pthread_join(handle, nil) }
}

/// The first error of several threads, and the flag that all of them look at.
public final class FirstError: @unchecked Sendable {
    private let monitor = Monitor()
    private var error: (any Error)?

    public init() {}

    /// Keeps `error` if it is the first; true then.
    public func record(_ error: any Error) -> Bool {
        monitor.change {
            if self.error != nil { return false }
            self.error = error
            return true
        }
    }

    public var value: (any Error)? { monitor.change { error } }
}
