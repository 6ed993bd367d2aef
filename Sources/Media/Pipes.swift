internal import CFFmpeg
internal import Support

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Seconds on the clock that never jumps; the one of `VideoFrame.arrival` and `DeliveredFrame.written`.
internal func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Bytes from a pipe, with a note of when they came. libav's own reader of pipes blocks where nobody can stop it.
internal final class PipeInput {
    let context: UnsafeMutablePointer<AVIOContext>
    private let descriptor: Int32
    private let isOurs: Bool
    private let interrupter: Interrupter
    private var received: Int64 = 0
    /// Seconds spent waiting for somebody to write.
    private(set) var waited = 0.0
    /// Where each read ended and when: probing reads ahead of what is later handed out.
    private var arrivals: [(end: Int64, time: Double)] = []
    private var firstArrival = 0
    private static let bufferSize: Int32 = 1 << 16
    /// How long a blocked read waits before it looks whether somebody wants it to stop.
    private static let patience: Int32 = 50

    /// `path` is `-` or names a pipe; opening the latter waits for its writer.
    init(path: String, interrupter: Interrupter) throws(MediaError) {
        isOurs = path != "-"
        self.interrupter = interrupter
        descriptor = isOurs ? open(path.systemPath, O_RDONLY) : 0
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: FileSystem.lastError) }
        // The context is made last, since it points here.
        let box = Box()
        self.box = box
        guard
            let made = uf_make_io(
                Self.bufferSize, Unmanaged.passUnretained(box).toOpaque(),
                { opaque, bytes, count in
                    guard let opaque, let bytes else { return uf_error_io() }
                    return Unmanaged<Box>.fromOpaque(opaque).takeUnretainedValue().owner?.read(bytes, count)
                        ?? uf_error_eof()
                }, nil)
        else { fatalError("out of memory") }
        context = made
        box.owner = self
    }

    private final class Box {
        unowned(unsafe) var owner: PipeInput?
    }
    private let box: Box

    deinit {
        uf_free_io(context)
        if isOurs { close(descriptor) }
    }

    private func read(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int32) -> Int32 {
        while true {
            if interrupter.isInterrupted { return uf_error_exit() }
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let start = monotonicSeconds()
            let ready = poll(&request, 1, Self.patience)
            waited += monotonicSeconds() - start
            if ready == 0 || (ready < 0 && errno == EINTR) { continue }
            let got = systemRead(descriptor, bytes, Int(count))
            if got > 0 {
                received += Int64(got)
                arrivals.append((received, monotonicSeconds()))
                return Int32(got)
            }
            if got == 0 { return uf_error_eof() }
            if errno != EINTR, errno != EAGAIN { return -errno }
        }
    }

    /// When the byte before `position` came; the latest arrival where the position is not known.
    func arrival(of position: Int64?) -> Double {
        guard let last = arrivals.last else { return monotonicSeconds() }
        guard let position else { return last.time }
        // Positions only grow, so what lies before is not asked for again.
        while firstArrival < arrivals.count - 1, arrivals[firstArrival].end < position { firstArrival += 1 }
        if firstArrival > 1024 {
            arrivals.removeFirst(firstArrival)
            firstArrival = 0
        }
        return arrivals[firstArrival].time
    }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}

/// Bytes to a pipe. A reader that leaves is noticed and told apart from a failure, and the signal that the system sends
/// for it does not end the process.
internal final class PipeOutput {
    let context: UnsafeMutablePointer<AVIOContext>
    /// The other end was closed.
    private(set) var isReaderGone = false
    private let descriptor: Int32
    private let isOurs: Bool
    private static let bufferSize: Int32 = 1 << 16

    /// `path` is `-` or names a pipe or device; opening a pipe waits for its reader.
    init(path: String) throws(MediaError) {
        isOurs = path != "-"
        descriptor = isOurs ? open(path.systemPath, O_WRONLY) : 1
        guard descriptor >= 0 else { throw .writeFailed(path: path, reason: FileSystem.lastError) }
        let box = Box()
        self.box = box
        guard
            let made = uf_make_io(
                Self.bufferSize, Unmanaged.passUnretained(box).toOpaque(), nil,
                { opaque, bytes, count in
                    guard let opaque, let bytes else { return uf_error_io() }
                    return Unmanaged<Box>.fromOpaque(opaque).takeUnretainedValue().owner?.write(bytes, count)
                        ?? uf_error_io()
                })
        else { fatalError("out of memory") }
        context = made
        context.pointee.seekable = 0
        box.owner = self
    }

    private final class Box {
        unowned(unsafe) var owner: PipeOutput?
    }
    private let box: Box

    deinit {
        uf_free_io(context)
        if isOurs { close(descriptor) }
    }

    private func write(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int32) -> Int32 {
        if isReaderGone { return uf_error_pipe() }
        var done = 0
        while done < Int(count) {
            let (put, code) = Self.quietWrite(descriptor, bytes + done, Int(count) - done)
            if put >= 0 {
                done += put
            } else if code == EPIPE {
                isReaderGone = true
                return uf_error_pipe()
            } else if code == EAGAIN {
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&request, 1, 50)
            } else if code != EINTR {
                return -code
            }
        }
        return count
    }

    /// `write` without SIGPIPE: it is held back on this thread and, if it came, taken away again. A library has no
    /// business with the whole process's way of treating signals.
    private static func quietWrite(_ descriptor: Int32, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> (Int, Int32) {
        #if os(Linux)
            var pipe = sigset_t()
            var before = sigset_t()
            var pending = sigset_t()
            sigemptyset(&pipe)
            sigaddset(&pipe, SIGPIPE)
            sigpending(&pending)
            let wasPending = sigismember(&pending, SIGPIPE) == 1
            pthread_sigmask(SIG_BLOCK, &pipe, &before)
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
            let put = systemWrite(descriptor, bytes, count)
            let code = errno
            // A write that was cut short by the reader's leaving brings the signal, too.
            if put < count, !wasPending {
                var now = timespec()
                while sigtimedwait(&pipe, nil, &now) < 0, errno == EINTR {}
            }
            return (put, code)
        #else
            let put = systemWrite(descriptor, bytes, count)
            return (put, errno)
        #endif
    }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
