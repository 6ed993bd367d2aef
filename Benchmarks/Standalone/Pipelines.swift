import Network
import OperationCases
import Tensor
import VulkanExecutor
import Weights

/// A line of `pipelines --json`: one pipeline.
struct PipelineReport: Codable {
    var label: String
    var uses: Int
    var kernel: String
    var tile: String?
    var subgroupSize: Int?
    var multiplyAdds: Int
    var statistics: [String: Double]
    /// With --code.
    var code: String?
}

/// Makes every pipeline of a network, runs none, and prints what the driver's compiler says of each.
func runPipelines(_ options: CommandLineOptions) throws {
    guard options.arguments.count == 2 else { throw UsageError("pipelines: expected MODEL WxH") }
    let model = try loadModel(options.arguments[0])
    let (width, height) = try parseSize(options.arguments[1])
    let index = try options.vulkanIndex()
    let graph = try model.graph(.nhwc(1, height, width, model.descriptor.inputChannels))
    let pipelines = try VulkanExecutor.describePipelines(
        device: index, precision: options.precision, graph, model.parameters, allTiles: options.tiles)
    for pipeline in pipelines {
        if options.json {
            answer(
                try jsonText(
                    PipelineReport(
                        label: pipeline.label, uses: pipeline.uses, kernel: pipeline.kernel, tile: pipeline.tile,
                        subgroupSize: pipeline.subgroupSize, multiplyAdds: pipeline.multiplyAdds,
                        statistics: Dictionary(
                            pipeline.statistics.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }),
                        code: options.code ? pipeline.code : nil)))
            continue
        }
        let subgroup = pipeline.subgroupSize.map { ", subgroups of \($0)" } ?? ""
        print(
            "\(pipeline.label) (\(pipeline.uses)): \(pipeline.kernel)\(pipeline.tile.map { ", \($0)" } ?? "")\(subgroup)"
        )
        let numbers = pipeline.statistics.map { statistic in
            let whole = Int(exactly: statistic.value)
            return "\(statistic.name) \(whole.map(String.init) ?? "\(statistic.value)")"
        }
        if options.code, let code = pipeline.code { print(code) }
        print("    " + (numbers.isEmpty ? "the driver says nothing of it" : numbers.joined(separator: ", ")))
    }
}
