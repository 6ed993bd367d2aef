internal import Compute
internal import Network
internal import Planning
internal import Synchronization
internal import Tensor

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Which tile each layer shape is computed with, and figures of the device: measured on first use, and kept on disk under
/// the device, its driver and the kernels' fingerprint. Safe to share between threads.
///
/// A table that cannot be read or written costs time, never a result; a tile that is not among a layer's own is ignored.
final class TileTable: Sendable {
    private let device: Device
    private let path: String?
    private let measures: Bool

    private struct Contents {
        var tiles: [String: ConvolutionTile]
        /// Figures of the device by name; see `figure`.
        var figures: [String: Double]
        var forced: ConvolutionTile?
        var isChanged = false
    }
    private let contents: Mutex<Contents>

    init(_ device: Device, directory: String?, measures: Bool) {
        self.device = device
        self.measures = measures
        path = directory.map {
            "\($0)/tiles-\(device.capabilities.identity)-\(KernelLibrary.fingerprint).txt"
        }
        let stored = path.flatMap { FileManager.default.contents(atPath: $0) }
        let text = stored.map { String(decoding: $0, as: UTF8.self) } ?? ""
        contents = Mutex(Contents(tiles: TileTable.read(text), figures: TileTable.readFigures(text)))
    }

    /// A figure of the device, as the table has it or `measure` finds it; nil where nothing is measured.
    func figure(_ name: String, _ measure: () throws -> Double) throws -> Double? {
        guard measures else { return nil }
        if let known = contents.withLock({ $0.figures[name] }) { return known }
        let found = try measure()
        contents.withLock {
            $0.figures[name] = found
            $0.isChanged = true
        }
        save()
        return found
    }

    /// What every convolution is computed with that can be; for tests.
    var forced: ConvolutionTile? {
        get { contents.withLock { $0.forced } }
        set { contents.withLock { $0.forced = newValue } }
    }

    /// The launches, convolutions with their best tiles.
    ///
    /// - Parameter memory: of a plan that is not in use; what lies in its arena is lost.
    func chosen(
        for launches: [Launch], _ executor: VulkanExecutor, _ memory: PlanMemory, _ precision: StoragePrecision
    ) throws -> [Launch] {
        let multiplication = executor.multiplication.with(precision)
        return try launches.map { launch in
            guard let convolution = launch.convolution else { return launch }
            let capabilities = executor.device.capabilities
            let key = TileTable.key(launch, convolution.step)
            let forced = forced
            let candidates = ConvolutionKernel.tiles(
                convolution.step, capabilities, multiplication, sums: convolution.sums, all: forced != nil
            ).filter { tile in
                guard tile.isWinograd else { return true }
                // Four rows at the least must fit into a binding.
                let part = launch.with(tile, capabilities, multiplication)
                return launch.winogradWeights != nil
                    && (try? part.pieces(capabilities, bindingLimit: executor.bindingLimit)) != nil
            }
            // Not a matter of measuring: it rounds otherwise than direct sums, and a picture's tiles, which are computed in
            // plans of their own, must come out as the whole picture's do.
            if forced == nil, let winograd = candidates.first(where: \.isWinograd) {
                return launch.with(winograd, capabilities, multiplication)
            }
            if let known = forced ?? contents.withLock({ $0.tiles[key] }), candidates.contains(known) {
                return launch.with(known, capabilities, multiplication)
            }
            guard measures, candidates.count > 1, launch.work >= TileTable.worthwhileWork else {
                return launch.with(candidates[0], capabilities, multiplication)
            }
            let best = try TileTable.best(candidates, launch, executor, memory, multiplication)
            contents.withLock {
                $0.tiles[key] = best
                $0.isChanged = true
            }
            return launch.with(best, capabilities, multiplication)
        }
    }

    // MARK: Measuring

    /// Multiply-adds below which no tile is worth a measurement.
    private static let worthwhileWork = 4_000_000
    /// Multiply-adds of one measurement at most: a millisecond or so of a GPU, a tenth of a second of a software driver.
    private static let measuredWork = (gpu: 20_000_000_000, software: 20_000_000)

    private static func best(
        _ candidates: [ConvolutionTile], _ launch: Launch, _ executor: VulkanExecutor, _ memory: PlanMemory,
        _ multiplication: Multiplication
    ) throws -> ConvolutionTile {
        let capabilities = executor.device.capabilities
        let limit = capabilities.isSoftware ? measuredWork.software : measuredWork.gpu
        // Whole tiles of rows, and at least one of the tallest.
        let rows = max(32, launch.rows.count * limit / max(launch.work, 1) / 32 * 32)
        let status = try DeviceBuffer(executor.device, bytes: bindingAlignment)
        // Seconds a row: not every tile is measured on as many.
        var best = (tile: candidates[0], seconds: Double.infinity)
        for tile in candidates {
            var part = launch.with(tile, capabilities, multiplication)
            part.rows = launch.rows.prefix(rows)
            part.images = 1
            guard let piece = try part.pieces(capabilities, bindingLimit: executor.bindingLimit).first else { continue }
            let passes = Pass.passes(part, piece, memory, nil, status.slice())
            let recorder = try CommandRecorder(
                executor.device, dispatches: passes.count, storageBuffers: passes.count * KernelLibrary.bindings,
                timestamps: 2)
            recorder.timestamp(0)
            for pass in passes { try recorder.dispatch(pass, executor.kernels) }
            recorder.timestamp(1)
            let commands = try recorder.finish()
            // The first run compiles and warms up.
            var fastest = Double.infinity
            for run in 0..<4 {
                let seconds = try time(commands)
                if run == 0 { continue }
                fastest = min(fastest, seconds / Double(piece.rows.count))
                // Out of the race.
                if fastest > 2 * best.seconds { break }
            }
            // Less than 3 in 100 is noise: the better guess stays.
            if fastest < best.seconds * 0.97 { best = (tile, fastest) }
        }
        return best.tile
    }

    private static func time(_ commands: CommandList) throws -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try commands.run()
        let elapsed = (clock.now - start) / .seconds(1)
        let stamps = try commands.timestamps()
        return stamps.count == 2 ? (stamps[1] - stamps[0]) * 1e-9 : elapsed
    }

    // MARK: The file

    /// All that a tile's speed depends on.
    private static func key(_ launch: Launch, _ step: ConvolutionStep) -> String {
        let shape = step.weightShape
        return [
            launch.kernel.shader, launch.kernel.precision.rawValue, "\(step.input.physicalChannels.count)>\(shape[0])",
            "\(shape[2])x\(shape[3])", "s\(step.stride)", "g\(step.groups)", "u\(step.inputUpsampling)",
            "p\(step.pixelShuffle)", "a\(step.stages.compactMap(\.operand).count)",
            "\(step.resultWidth)x\(step.resultHeight)",
        ].joined(separator: ",")
    }

    /// Writes what was measured since. The file is replaced whole.
    func save() {
        guard let path else { return }
        let text = contents.withLock { contents -> String? in
            guard contents.isChanged else { return nil }
            contents.isChanged = false
            return TileTable.text(contents.tiles, figures: contents.figures)
        }
        guard let text else { return }
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try? Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }

    static func text(_ tiles: [String: ConvolutionTile], figures: [String: Double] = [:]) -> String {
        figures.sorted { $0.key < $1.key }.map { "figure \($0.key) \($0.value)\n" }.joined()
            + tiles.sorted { $0.key < $1.key }.map { key, tile in
                "\(key) \(tile.width) \(tile.height) \(tile.blockQuads) \(tile.pixels) \(tile.quads) "
                    + "\(tile.subgroupSize ?? 0) \(tile.isWinograd ? 1 : 0)"
                    + (tile.fragment.map { " \($0.pixels) \($0.channels) \($0.depth)" } ?? "") + "\n"
            }.joined()
    }

    static func readFigures(_ text: String) -> [String: Double] {
        var figures: [String: Double] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "figure", let value = Double(words[2]), value.isFinite, value > 0 else {
                continue
            }
            figures[String(words[1])] = value
        }
        return figures
    }

    static func read(_ text: String) -> [String: ConvolutionTile] {
        var tiles: [String: ConvolutionTile] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Int($0) }
            guard [8, 11].contains(words.count), numbers.count == words.count - 1 else { continue }
            tiles[String(words[0])] = ConvolutionTile(
                width: numbers[0], height: numbers[1], blockQuads: numbers[2], pixels: numbers[3], quads: numbers[4],
                subgroupSize: numbers[5] == 0 ? nil : numbers[5],
                fragment: numbers.count < 10
                    ? nil : MatrixFragment(pixels: numbers[7], channels: numbers[8], depth: numbers[9]),
                isWinograd: numbers[6] == 1)
        }
        return tiles
    }
}
