internal import Catalogue
internal import Media
internal import Network
internal import Pipeline
internal import Tensor
internal import TrainingRun
internal import Weights

/// Everything that the library throws: what kind of thing is wrong, and one line for people that names the thing and what
/// can be done.
public struct UpframeError: Error, Sendable, CustomStringConvertible {
    /// What an error is about.
    public enum Kind: Sendable, Hashable, CaseIterable {
        /// A model's file is missing, damaged, of a kind that is not read, or cannot be fetched.
        case model
        /// An input cannot be read, or an output not be written.
        case media
        /// An image in memory is not what it says, or not what the model takes.
        case image
        /// A job's number lies outside of what can be.
        case settings
        /// The device is not there, lacks something, or computes wrong results.
        case deviceUnavailable
        /// The device failed for good while it worked. Open another; what lay in its memory is lost.
        case deviceLost
        /// The device failed otherwise, or gave numbers that are not finite.
        case device
        /// The device or the machine lacks memory.
        case outOfMemory
        /// A training recipe says what cannot be.
        case recipe
        /// Training failed, or its data or its folder are not what they should be.
        case training
        /// The task was cancelled before the work began.
        case cancelled
    }

    public let kind: Kind
    /// One line, with the remedy where there is one.
    public let description: String

    init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }

    /// - Parameter otherwise: the kind where the error does not tell.
    init(_ error: any Error, otherwise: Kind) {
        if let error = error as? UpframeError {
            self = error
            return
        }
        let kind: Kind =
            switch error {
            case let error as ExecutionError: Kind(error)
            case PipelineError.notFinite: .device
            case PipelineError.noThread, is MemoryShortage: .outOfMemory
            case is WeightError, is CatalogueError: .model
            case is MediaError: .media
            case is RecipeError: .recipe
            case is TrainingRunError: .training
            default: otherwise
            }
        self.init(kind, "\(error)")
    }
}

extension UpframeError.Kind {
    init(_ error: ExecutionError) {
        switch error {
        case .missingParameter, .parameterShape, .foreignState: self = .model
        case .outOfMemory: self = .outOfMemory
        case .deviceLost: self = .deviceLost
        case .unavailable: self = .deviceUnavailable
        case .timeout, .failed, .device: self = .device
        }
    }
}
