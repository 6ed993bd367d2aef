public import Tensor

/// What can be wrong with a weight file. Descriptions are one line, name the file and the tensor, and say what to do
/// where something can be done.
public enum WeightError: Error, Equatable, Sendable {
    case missing(path: String)
    case directory(path: String)
    /// The system refuses to read it, in its own words.
    case unreadable(path: String, reason: String)
    case notWeights(path: String)
    /// A known kind of file that this package does not read.
    case unsupportedFormat(path: String, format: String, remedy: String)
    case truncated(path: String, expectedBytes: Int, foundBytes: Int)
    case corruptHeader(path: String, reason: String)
    case overlap(path: String, tensor: String, other: String)
    case unknownType(path: String, tensor: String, type: String)
    case unknownArchitecture(path: String, keys: [String])
    /// A known architecture with a tensor that does not belong to it.
    case unexpectedTensor(path: String, tensor: String, architecture: String)
    case missingTensor(path: String, tensor: String, expected: Shape)
    case wrongShape(path: String, tensor: String, found: Shape, expected: Shape)
    /// A tensor is missing that a parameter is computed from.
    case missingPart(path: String, tensor: String, parameter: String)
    /// The tensors that a parameter is computed from do not fit one another or the network.
    case unfittingParts(path: String, parameter: String, reason: String)
    /// The file describes a network that is none for images.
    case unusableNetwork(path: String, reason: String)
    /// An ncnn layer that this package cannot compute.
    case unknownLayer(path: String, layer: String, reason: String)
    /// The tensors are not those that the file's own SHA-256 was made from.
    case damaged(path: String)
    case unwritable(path: String, reason: String)
    /// A value has no 16-bit form.
    case outOfRange(path: String, tensor: String, value: Float)
    /// A weight is infinite or no number.
    case notFinite(path: String, tensor: String, value: Float)
}

extension WeightError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missing(let path): "\(path): there is no such file"
        case .directory(let path): "\(path): is a folder, name a weight file in it"
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .notWeights(let path):
            "\(path): is not a weight file (expected safetensors, or ncnn's .param with its .bin beside it)"
        case .unsupportedFormat(let path, let format, let remedy): "\(path): is \(format); \(remedy)"
        case .truncated(let path, let expected, let found):
            "\(path): is cut short: \(found) bytes, expected \(expected); copy or download it again"
        case .corruptHeader(let path, let reason): "\(path): the header is corrupt: \(reason)"
        case .overlap(let path, let tensor, let other):
            "\(path): the header is corrupt: the data of tensor '\(tensor)' overlap those of '\(other)'"
        case .unknownType(let path, let tensor, let type):
            "\(path): tensor '\(tensor)' has element type \(type), expected F32, F16, BF16 or F64"
        case .unknownArchitecture(let path, let keys):
            "\(path): is of no known architecture; its \(keys.count) tensors begin with "
                + keys.prefix(4).map { "'\($0)'" }.joined(separator: ", ")
        case .unexpectedTensor(let path, let tensor, let architecture):
            "\(path): tensor '\(tensor)' is no part of \(architecture): a variant that is not known"
        case .missingTensor(let path, let tensor, let expected):
            "\(path): lacks tensor '\(tensor)', expected \(expected)"
        case .wrongShape(let path, let tensor, let found, let expected):
            "\(path): tensor '\(tensor)' is \(found), expected \(expected)"
        case .missingPart(let path, let tensor, let parameter):
            "\(path): lacks tensor '\(tensor)', of which '\(parameter)' is made"
        case .unfittingParts(let path, let parameter, let reason):
            "\(path): the tensors of which '\(parameter)' is made do not fit: \(reason)"
        case .unusableNetwork(let path, let reason): "\(path): its network cannot be used: \(reason)"
        case .unknownLayer(let path, let layer, let reason): "\(path): layer '\(layer)': \(reason)"
        case .damaged(let path):
            "\(path): is damaged: its tensors do not match the SHA-256 that it states; copy or download it again"
        case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
        case .outOfRange(let path, let tensor, let value):
            "\(path): tensor '\(tensor)' holds \(value), too large for 16 bits; write it as fp32"
        case .notFinite(let path, let tensor, let value):
            "\(path): tensor '\(tensor)' holds \(value), which no network computes with: the file is damaged, or its "
                + "training failed; use another one"
        }
    }
}
