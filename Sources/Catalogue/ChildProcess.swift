internal import Glibc
internal import Synchronization

/// Programs that this process runs and waits for. They end with it: `endAll` is for whoever handles signals.
enum ChildProcess {
    private struct Running {
        var groups: Set<pid_t> = []
        var isEnding = false
    }

    private static let running = Mutex(Running())

    /// True once `endAll` was called.
    static var isEnding: Bool { running.withLock(\.isEnding) }

    /// Outcome of a program.
    enum Ending: Equatable {
        case exited(Int32)
        /// There is no such program.
        case missing
        /// `endAll` was called.
        case interrupted
    }

    /// Runs a program found on the path, without input and in a process group of its own, and waits for it.
    ///
    /// - Parameters:
    ///   - log: a file that takes what the program writes.
    ///   - temporary: the folder where it puts temporary files.
    static func run(_ arguments: [String], log: String, temporary: String) -> Ending {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)

        // A group, so that its own children end too; and signals as any program expects them.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ] { sigaddset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)

        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = [strdup("TMPDIR=\(temporary)")]
        var place = environ
        while let variable = place.pointee {
            if strncmp(variable, "TMPDIR=", 7) != 0 { variables.append(strdup(variable)) }
            place += 1
        }
        variables.append(nil)
        defer { for word in words + variables { free(word) } }

        // Under the lock: a process that is started is known to `endAll`.
        let process: pid_t? = running.withLock { running in
            var process = pid_t()
            guard !running.isEnding, posix_spawnp(&process, arguments[0], &actions, &attributes, words, variables) == 0
            else { return nil }
            running.groups.insert(process)
            return process
        }
        guard let process else { return isEnding ? .interrupted : .missing }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        running.withLock { running in _ = running.groups.remove(process) }
        if isEnding { return .interrupted }
        // The macros of wait(2): an exit status, or the signal that ended it.
        let signal = status & 0x7F
        return .exited(signal == 0 ? (status >> 8) & 0xFF : 128 + signal)
    }

    /// Ends every program that runs and lets no other start. Does not block; any thread.
    static func endAll() {
        running.withLock { running in
            running.isEnding = true
            // No wait for politeness: what they wrote lies in folders that are removed.
            for group in running.groups { kill(-group, SIGKILL) }
        }
    }
}
