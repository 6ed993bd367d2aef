internal import COpenBLAS
internal import Synchronization

/// The number of threads that OpenBLAS splits a product among: one setting for the whole process, which a program that
/// uses OpenBLAS itself may have chosen. It is 1 while plans run, and what it was before and afterwards.
final class BLASThreads: Sendable {
    static let shared = BLASThreads(read: { openblas_get_num_threads() }, write: { openblas_set_num_threads($0) })

    private struct Setting {
        /// Bodies of `withOne` at work.
        var users = 0
        /// The thread count that the process had set before the first of them.
        var before: Int32 = 1
    }

    private let setting = Mutex(Setting())
    private let read: @Sendable () -> Int32
    private let write: @Sendable (Int32) -> Void

    /// - Parameters:
    ///   - read, write: the process's setting; tests have one of their own.
    init(read: @escaping @Sendable () -> Int32, write: @escaping @Sendable (Int32) -> Void) {
        (self.read, self.write) = (read, write)
    }

    /// Runs `body` with one thread to a product, and puts the process's setting back after the last such body. The pool
    /// splits the work itself: threads below its own would only fight for the same cores.
    func withOne<R>(_ body: () throws -> R) rethrows -> R {
        setting.withLock { setting in
            if setting.users == 0 {
                setting.before = read()
                if setting.before != 1 { write(1) }
            }
            setting.users += 1
        }
        defer {
            setting.withLock { setting in
                setting.users -= 1
                if setting.users == 0, setting.before != 1 { write(setting.before) }
            }
        }
        return try body()
    }
}
