// Degradation: what the world does to pictures before they reach an upscaler, done to good pictures on purpose.
//
// A network learns to undo what it was shown. The pipeline is the second-order one of Real-ESRGAN (Wang et al., "Real-
// ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", 2021): blur, resize, noise and JPEG,
// twice, with a sinc filter at the end; and, beyond it, real video encoders between the two orders and at the end, as in
// RealBasicVSR (Chan et al., "Investigating Tradeoffs in Real-World Video Super-Resolution", 2022), whose random walks
// tie the frames of a clip together.
//
// Its parts:
//   DegradationRecipe   every probability and range, and the named presets; Codable, so that a file may say only what
//                       differs from a preset.
//   Degrader            draws and applies. Two halves: `plan` draws what happens to a sample, in numbers
//                       (`DegradationTrace`, which people can read); `apply` does it to the pixels.
//   BlurKernel, resized, noise, JPEG, sharpened   the stages, as plain functions of pictures.
//   contactSheet        samples beside what became of them, for people's eyes.
//
// Everything random is a pure function of (seed, index of the sample, stage, frame) through Philox (`Draws`): any thread
// makes any sample, and a resumed run sees what an unbroken one would have seen. Each stage draws from a stream of its
// own, so that changing one stage of a recipe leaves what the others draw as it was.
//
// Pictures are `[1, H, W, 3]`, gamma-encoded RGB in 0 … 1. No state, no threads of its own, no files.

/// What is wrong with a recipe or with its use. `description` is one line: the thing by name, then what to do.
public enum DegradationError: Error, Sendable, Equatable, CustomStringConvertible {
    case badSetting(key: String, reason: String)
    case outOfRange(key: String, value: String, range: ClosedRange<Double>)
    case unknownPreset(name: String)
    /// libjpeg's words.
    case jpegFailed(reason: String)

    public var description: String {
        switch self {
        case .badSetting(let key, let reason): "degradation: \(key) \(reason)."
        case .outOfRange(let key, let value, let range):
            "degradation: \(key) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)."
        case .unknownPreset(let name):
            "degradation: no preset is called \(name); there are "
                + DegradationRecipe.presetNames.joined(separator: ", ") + "."
        case .jpegFailed(let reason): "degradation: JPEG failed (\(reason)); set the JPEG probabilities to 0."
        }
    }
}
