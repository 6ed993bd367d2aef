internal import CModels
public import Weights

/// A model that is part of the program: there without a network and without a cache.
public struct BuiltInModel: Sendable {
    public let name: String
    /// Short names.
    public let aliases: [String]
    /// What it is for, in one line.
    public let summary: String
    private let file: @Sendable () -> cm_file

    /// The first is what is used when no model is named.
    public static let all: [BuiltInModel] = [
        BuiltInModel(
            name: "realtime-x2", aliases: ["realtime"], summary: "clean video and pictures, x2; the default, built in",
            file: { cm_realtime_x2() }),
        BuiltInModel(
            name: "realtime-x2-video", aliases: ["realtime-video"],
            summary: "video as compressed as on the web, x2; built in", file: { cm_realtime_x2_video() }),
    ]

    public static func named(_ name: String) -> BuiltInModel? {
        all.first { $0.name == name || $0.aliases.contains(name) }
    }

    /// - Throws: `WeightError`; only a program that was built wrongly does.
    public func load() throws(WeightError) -> Model {
        let file = file()
        return try Model.load(
            Array(UnsafeBufferPointer(start: file.bytes, count: file.count)), name: "the built-in model \(name)")
    }
}

extension ModelCatalogue {
    /// The model that a user means by `text`: a built-in one, one of the catalogue, fetched when it is not in the cache yet,
    /// or a weight file.
    ///
    /// - Parameter report: called before anything that takes long.
    /// - Throws: `CatalogueError`, `WeightError`.
    public func load(_ text: String, report: (Event) -> Void = { _ in }) throws -> Model {
        let model = try BuiltInModel.named(text)?.load() ?? Model.load(path: try resolve(text, report: report))
        if ChildProcess.isEnding { throw CatalogueError.interrupted }
        return model
    }
}
