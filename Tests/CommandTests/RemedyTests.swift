import Media
import Network
import Pipeline
import Testing
import TrainingRun

@testable import upframe

/// Errors of the library do not know the command line; the command says which option helps.
@Suite struct RemedyTests {
    @Test func wholeFrames() {
        let error = PipelineError.wholeFramesOnly(network: "Attention", operation: "product", bytes: 300 << 20)
        #expect(
            "\(error)\(remedy(error))"
                == "Attention: 'product' needs the whole frame, which cannot be cut into tiles; compute whole frames, "
                + "with 300 MiB of memory for each (--tile off, or --memory-limit with as much and --tile auto)")
        #expect(remedy(PipelineError.noThread) == "")
    }

    /// What a person reads: the library's line with the options, before the full stop where there is one.
    @Test func linesWithOptions() {
        func printed(_ error: any Error) -> String {
            let (text, ending) = line(error)
            return text + ending
        }
        #expect(
            printed(ExecutionError.outOfMemory(device: "X", bytes: 3 << 20))
                == "X has no room for 3 MiB: use smaller tiles (--tile 256)")
        #expect(
            printed(ExecutionError.deviceLost(device: "X"))
                == "X was lost while computing: update its driver, or use another device (--device cpu)")
        #expect(
            printed(ExecutionError.timeout(device: "X", seconds: 600))
                == "X did not finish within 600 s: use smaller tiles, or another device (--tile 256, --device cpu)")
        #expect(
            printed(ExecutionError.unavailable(device: "Vulkan", reason: "no", instead: ["cpu", "vulkan:0"]))
                == "Vulkan: no, or use cpu or vulkan:0 (--device cpu, --device vulkan:0)")
        #expect(
            printed(MediaError.outputExists(path: "o.mp4"))
                == "o.mp4: exists already; choose another name, or allow it to be replaced (--overwrite).")
        #expect(
            printed(MediaError.damagedPicture(path: "a.jpg", reason: "", isLost: false))
                == "a.jpg: is damaged or cut short; get a sound copy of it, or tolerate the damage and take what can be "
                + "decoded (--keep-going).")
        #expect(
            printed(MediaError.damagedPicture(path: "a.png", reason: "", isLost: true))
                == "a.png: is damaged or cut short; get a sound copy of it.")
        #expect(
            printed(TrainingRunError.folderInUse(path: "runs/a"))
                == "runs/a: holds a training run already; resume it, or name another folder (--resume, --output).")
    }

    /// No error's own text names an option of the command.
    @Test func theLibraryKnowsNoOptions() {
        let errors: [any Error] = [
            ExecutionError.outOfMemory(device: "X", bytes: 1), ExecutionError.deviceLost(device: "X"),
            ExecutionError.timeout(device: "X", seconds: 1), ExecutionError.foreignState(executor: "X"),
            ExecutionError.failed(device: "X", call: "vkDo", result: "VK_NO"),
            PipelineError.notFinite(path: "a", frame: 1, executor: "X"), PipelineError.noThread,
            MediaError.truncated(path: "a", seconds: 1, reason: ""),
            MediaError.corrupt(path: "a", seconds: 1, packet: 3, reason: ""),
            MediaError.corruptStream(path: "a", stream: 1, seconds: 1, reason: ""),
            MediaError.damagedPicture(path: "a", reason: "", isLost: false), MediaError.rawVideoWithoutShape(path: "a"),
            MediaError.deinterlacingFailed(path: "a", reason: ""), MediaError.outputExists(path: "a"),
            MediaError.pipeWithoutFormat,
            MediaError.encoderRefusesPixelFormat(encoder: "a", pixelFormat: "b", accepted: ["c"]),
            MediaError.encoderRefuses(encoder: "a", reason: ""), MediaError.containerRefuses(path: "a", reason: ""),
            MediaError.encodeFailed(path: "a", seconds: 1, reason: ""), MediaError.onePictureOnly(path: "a"),
            MediaError.nothingWritten(path: "a"), MediaError.unsupportedConversion(pixelFormat: "a", reason: ""),
            TrainingRunError.folderInUse(path: "a"), TrainingRunError.foreignFolder(path: "a", file: "b"),
            TrainingRunError.unwritable(path: "a", reason: "b"), TrainingRunError.noCheckpoint(path: "a"),
            TrainingRunError.notACheckpoint(path: "a"), TrainingRunError.noTraining(device: "a"),
            TrainingRunError.otherNetwork(path: "a", role: "b", found: "c", expected: "d"),
            ComparisonError.sizes(a: "a", 1, 2, b: "b", 3, 4),
        ]
        for error in errors {
            #expect(!"\(error)".contains("--"), "\(error)")
            let isHelped = !remedy(error).isEmpty
            switch error {
            case PipelineError.noThread, ExecutionError.foreignState: #expect(!isHelped)
            default: #expect(isHelped, "\(error)")
            }
        }
    }
}
