internal import Catalogue
internal import Network
internal import Tensor
internal import Training
internal import Weights

/// The tensors that a run begins with, under the names of the trainer's state.
struct StartingNetworks {
    var parameters: Parameters = [:]

    /// Draws weights, or reads those that the recipe starts from.
    ///
    /// - Throws: `WeightError`, `CatalogueError`, `TrainingRunError`.
    init(_ recipe: Recipe, note: (String) -> Void) throws {
        let generator: Parameters
        if recipe.startFrom.isEmpty {
            generator = recipe.generator.initialParameters(seed: recipe.seed)
        } else {
            let model = try ModelCatalogue().load(recipe.startFrom) { note($0.description) }
            let found =
                model.architecture.map { description(of: $0, name: type(of: $0).name) } ?? model.definition.name
            let expected = description(of: recipe.generator, name: type(of: recipe.generator).name)
            guard found == expected else {
                throw TrainingRunError.otherStart(path: recipe.startFrom, found: found, expected: expected)
            }
            generator = model.parameters
        }
        for (name, tensor) in generator { parameters["g." + name] = tensor }
        if let discriminator = recipe.discriminator {
            for (name, tensor) in discriminator.initialParameters(seed: recipe.seed, side: recipe.data.crop) {
                parameters["d." + name] = tensor
            }
        }
        if recipe.perceptual.weight != 0 {
            let layers = VGGFeatures.layerNames.filter { recipe.rules.perceptualWeights[$0] != nil }
            var builder = GraphBuilder()
            let side = recipe.data.crop
            _ = VGGFeatures(layers: layers).build(&builder, builder.input("x", .nhwc(1, side, side, 3)))
            let file = try SafetensorsFile(path: recipe.perceptual.weights)
            for (name, value) in builder.allParameters {
                guard file.entries[name]?.shape == builder.shape(value) else {
                    throw TrainingRunError.missingFeature(path: recipe.perceptual.weights, tensor: name)
                }
                parameters["vgg." + name] = try file.tensor(name)
            }
        }
    }
}

extension Recipe {
    /// Target sides by step.
    var cropSchedule: CropSchedule {
        get throws {
            guard data.firstCrop > 0, data.firstCrop < data.crop, data.growUntil > 0 else {
                return try CropSchedule(side: data.crop)
            }
            // The least that is a multiple of both.
            let scale = generator.descriptor.scale
            var unit = scale
            while let discriminator, unit % discriminator.sides.multiple != 0 { unit += scale }
            return try CropSchedule(growingFrom: data.firstCrop, to: data.crop, over: data.growUntil, multiple: unit)
        }
    }
}
