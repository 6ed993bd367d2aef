/// What a caller of a training run cannot foresee. One line each, with the remedy.
public enum TrainingRunError: Error, Equatable, CustomStringConvertible {
    case folderInUse(path: String)
    /// Files lie there that are no run's.
    case foreignFolder(path: String, file: String)
    case unwritable(path: String, reason: String)
    case noCheckpoint(path: String)
    case notACheckpoint(path: String)
    /// The checkpoint is of other networks than the recipe's.
    case otherNetwork(path: String, role: String, found: String, expected: String)
    case alreadyFinished(path: String, step: Int, steps: Int)
    /// The weights to start from are another network's.
    case otherStart(path: String, found: String, expected: String)
    case missingFeature(path: String, tensor: String)
    case nothingToDegrade
    case noTraining(device: String)

    public var description: String {
        switch self {
        case .folderInUse(let path):
            "\(path): holds a training run already; resume it, or name another folder."
        case .foreignFolder(let path, let file):
            "\(path): holds files that are no training run's ('\(file)'); name a new or empty folder."
        case .unwritable(let path, let reason): "\(path): cannot be written (\(reason)); choose another folder."
        case .noCheckpoint(let path): "\(path): no checkpoint to resume from; start anew."
        case .notACheckpoint(let path):
            "\(path): not a checkpoint of a training run; name the run's folder."
        case .otherNetwork(let path, let role, let found, let expected):
            "\(path): its \(role) is \(found), the recipe's is \(expected); use the recipe that it was made by, or another "
                + "folder."
        case .alreadyFinished(let path, let step, let steps):
            "\(path): has taken \(step) of \(steps) steps already; raise 'steps' to go on."
        case .otherStart(let path, let found, let expected):
            "\(path): holds \(found), the recipe's generator is \(expected); make them the same, or start from nothing."
        case .missingFeature(let path, let tensor):
            "\(path): lacks '\(tensor)'; 'perceptual.weights' names torchvision's VGG19, saved as safetensors."
        case .nothingToDegrade:
            "the recipe's data are pairs: their small pictures are taken as they are, and there is nothing to preview."
        case .noTraining(let device): "\(device) cannot train; use the CPU."
        }
    }
}
