internal import FoundationEssentials
internal import Media
internal import RunRecords
internal import Tensor

/// Where a run keeps what it makes.
struct RunFolder {
    let path: String

    var checkpoint: String { path + "/checkpoint.safetensors" }
    /// The weights that validated best, and the latest: models as any other.
    var best: String { path + "/best.safetensors" }
    var last: String { path + "/last.safetensors" }
    var recipe: String { path + "/recipe.yaml" }
    var log: String { path + "/log.jsonl" }
    var report: String { path + "/report.html" }
    private var strips: String { path + "/strips" }

    /// Makes the folder where there is none. One that is there must be empty or, to resume, a run's: whatever else lies in
    /// a folder is somebody's, and may have the names that a run gives its files.
    ///
    /// - Throws: `TrainingRunError.folderInUse` when a run lies there that shall not be resumed; `.foreignFolder`,
    ///   `.noCheckpoint`, `.unwritable`.
    init(_ path: String, resume: Bool) throws(TrainingRunError) {
        self.path = path
        let files = FileManager.default
        if resume {
            guard files.fileExists(atPath: checkpoint) else { throw .noCheckpoint(path: checkpoint) }
        } else if files.fileExists(atPath: checkpoint) || files.fileExists(atPath: log) {
            throw .folderInUse(path: path)
        } else if let names = try? files.contentsOfDirectory(atPath: path), let name = names.min() {
            throw .foreignFolder(path: path, file: name)
        }
        do { try files.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            throw .unwritable(path: path, reason: "the folder cannot be made")
        }
    }

    func write(recipe text: String) throws(TrainingRunError) {
        do { try Data(text.utf8).write(to: URL(filePath: recipe), options: .atomic) } catch {
            throw .unwritable(path: recipe, reason: "no space, or no right to write there")
        }
    }

    /// Keeps a strip as PNG; returns its bytes.
    @discardableResult
    func write(strip: HostTensor, step: Int) throws -> [UInt8] {
        let png = try PictureCodec.encode(
            strip.values, width: strip.shape.width, height: strip.shape.height, as: .png)
        let path = stripPath(step)
        try? FileManager.default.createDirectory(atPath: strips, withIntermediateDirectories: true)
        do { try Data(png).write(to: URL(filePath: path), options: .atomic) } catch {
            throw TrainingRunError.unwritable(path: path, reason: "no space, or no right to write there")
        }
        return png
    }

    private func stripPath(_ step: Int) -> String {
        let digits = String(step)
        return strips + "/" + String(repeating: "0", count: max(0, 7 - digits.count)) + digits + ".png"
    }

    /// The strips of these steps that are there, in order.
    func strips(of steps: [Int]) -> [(step: Int, png: [UInt8])] {
        steps.compactMap { step in
            FileManager.default.contents(atPath: stripPath(step)).map { (step, [UInt8]($0)) }
        }
    }
}
