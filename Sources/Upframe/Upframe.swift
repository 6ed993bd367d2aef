// Upframe: the library as its users see it. One import, a few types: a model (`UpscalingModel`), images in memory
// (`RGBImage`, `ImageUpscaler`), files from end to end (`UpscalingJob`), training (`TrainingJob`), where all of that runs
// (`Device`), and what can go wrong (`UpframeError`).
//
// It is a door and no more: each type hands its work to the module that does it. Nothing of those modules' types is shown
// here, so that they may change. Whatever blocks (a network, a decoder, a driver, a download) runs on a thread of its own,
// never on Swift's cooperative pool, and that thread is joined before the call returns. Failures are thrown; none stops
// the process.
internal import Threads

/// Runs `body` on a thread of its own and waits for it without holding a thread of the cooperative pool.
///
/// - Parameters:
///   - otherwise: the kind of errors that do not say what they are about.
///   - cancellation: told when the task is cancelled meanwhile.
func offPool<R: Sendable>(
    otherwise: UpframeError.Kind, cancellation: Cancellation = Cancellation(),
    _ body: @escaping @Sendable () throws -> R
) async throws(UpframeError) -> R {
    var thread: WorkerThread?
    let result: Result<R, UpframeError> = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            thread = WorkerThread(ifPossible: "upframe") {
                let result: Result<R, UpframeError>
                do { result = .success(try body()) } catch {
                    result = .failure(UpframeError(error, otherwise: otherwise))
                }
                continuation.resume(returning: result)
            }
            if thread == nil {
                continuation.resume(
                    returning: .failure(UpframeError(.outOfMemory, "the system has no room for another thread")))
            }
        }
    } onCancel: {
        cancellation.cancel()
    }
    // Its last act was to resume this.
    thread?.join()
    return try result.get()
}

/// Carries a task's cancellation to work that is stopped by calling it. Safe to share between threads.
final class Cancellation: Sendable {
    private struct State {
        var isCancelled = false
        var stop: (@Sendable () -> Void)?
    }

    private let monitor = Monitor()
    // Unchecked: touched inside the monitor only.
    private nonisolated(unsafe) var state = State()

    var isCancelled: Bool { monitor.change { state.isCancelled } }

    /// Stops the work, or the work that is attached later.
    func cancel() {
        let stop = monitor.change {
            state.isCancelled = true
            return state.stop
        }
        stop?()
    }

    /// - Parameter stop: called once the task is cancelled, on any thread; at once where it is already.
    func attach(_ stop: @escaping @Sendable () -> Void) {
        let isCancelled = monitor.change {
            state.stop = stop
            return state.isCancelled
        }
        if isCancelled { stop() }
    }
}
