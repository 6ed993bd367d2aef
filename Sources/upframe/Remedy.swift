internal import Media
internal import Network
internal import Pipeline
internal import TrainingRun

/// What of the command line helps against an error of the library, which does not know of it: in brackets after a space;
/// empty where nothing does.
func remedy(_ error: any Error) -> String {
    let options: [String] =
        switch error {
        case let error as ExecutionError: options(error)
        case let error as PipelineError: options(error)
        case let error as MediaError: options(error)
        case let error as TrainingRunError: options(error)
        case ComparisonError.sizes: ["--scale-to a", "--scale-to b"]
        default: []
        }
    return options.isEmpty ? "" : " (" + options.joined(separator: ", ") + ")"
}

/// An error as one line: what the library says, and the remedy before the full stop, if it has one.
///
/// - Returns: the line in two parts; the second is to be shown even where the first is too long.
func line(_ error: any Error) -> (text: String, ending: String) {
    let (text, remedy) = ("\(error)", remedy(error))
    guard !remedy.isEmpty, text.hasSuffix(".") else { return (text, remedy) }
    return (String(text.dropLast()), remedy + ".")
}

private func options(_ error: ExecutionError) -> [String] {
    switch error {
    case .outOfMemory: ["--tile 256"]
    case .deviceLost, .failed: ["--device cpu"]
    case .timeout: ["--tile 256", "--device cpu"]
    case .unavailable(_, _, let instead): instead.map { "--device \($0)" }
    case .missingParameter, .parameterShape, .foreignState, .device: []
    }
}

private func options(_ error: PipelineError) -> [String] {
    switch error {
    case .wholeFramesOnly: ["--tile off, or --memory-limit with as much and --tile auto"]
    case .notFinite: ["--precision fp32", "--device cpu"]
    case .frameCount, .channels, .noThread: []
    }
}

private func options(_ error: MediaError) -> [String] {
    switch error {
    case _ where error.toleranceHelps: ["--keep-going"]
    case .rawVideoWithoutShape: ["--pixel-format", "--size"]
    case .deinterlacingFailed: ["--deinterlace off"]
    case .outputExists: ["--overwrite"]
    case .pipeWithoutFormat: ["--output-format"]
    case .encoderRefusesPixelFormat, .unsupportedConversion: ["--pixel-format"]
    case .encoderRefuses, .containerRefuses, .encodeFailed: ["--video-codec"]
    case .onePictureOnly, .nothingWritten: ["--start", "--duration"]
    default: []
    }
}

private func options(_ error: TrainingRunError) -> [String] {
    switch error {
    case .folderInUse: ["--resume", "--output"]
    case .foreignFolder, .unwritable, .notACheckpoint, .otherNetwork: ["--output"]
    case .noCheckpoint: ["without --resume"]
    case .noTraining: ["--device cpu"]
    case .alreadyFinished, .otherStart, .missingFeature, .nothingToDegrade: []
    }
}
