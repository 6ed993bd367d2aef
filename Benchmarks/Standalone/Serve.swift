import Measure
import Network
import Tensor
import Training
import Weights

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Answers one line of JSON to each line of standard input, so that another program can run this one in turn with others.
///
/// `load FILE WxH INPUT OUTPUT` compiles the model, reads the picture (fp32, `[H, W, C]`, no header), runs it once and
/// writes the result in the same form. `load-device` does so too, and what runs then leaves its pictures on the device.
/// `train CASE` makes a trainer ready and tells the losses of its first steps.
/// `run SECONDS` runs either for so long, at least twice, and tells the milliseconds.
func serve(_ options: CommandLineOptions) throws {
    let executor = try options.openExecutor()
    var once: (() throws -> Double)?
    answer("{\"engine\": \"upframe\", \"device\": \"\(executor.name)\"}")
    while let line = readLine() {
        let words = line.split(separator: " ").map(String.init)
        switch words.first {
        case "load" where words.count == 5, "load-device" where words.count == 5:
            once = nil
            let model = try Model.load(path: words[1])
            let (width, height) = try parseSize(words[2])
            let shape = Shape.nhwc(1, height, width, model.descriptor.inputChannels)
            let picture = HostTensor(shape, try readFloats(words[3], count: shape.count))
            let loaded = try NetworkTimer(
                model.graph(shape), parameters: model.parameters, inputs: [picture], executor: executor)
            let isOnDevice = words[0] == "load-device"
            if isOnDevice {
                guard try loaded.load() else { throw UsageError("load-device: \(executor.name) is no device") }
            } else {
                try loaded.run()
            }
            try writeFloats(words[4], loaded.outputs[0])
            answer("{\"gigaflops\": \(loaded.gigaflops), \"bytes\": \(loaded.plan.memoryBytes)}")
            once = { isOnDevice ? try loaded.runLoaded() : try loaded.run() }
        case "train" where words.count == 2:
            once = nil
            let training = try TrainingRun(words[1], executor)
            once = training.run
            answer("{\"losses\": \(try jsonText(training.firstLosses)), \"bytes\": \(training.trainer.memoryBytes)}")
        case "run" where words.count == 2:
            guard let once, let seconds = Double(words[1]) else { throw UsageError("run: nothing is loaded") }
            var times: [Double] = []
            let start = secondsNow()
            while times.count < 2 || secondsNow() - start < seconds { times.append(try once()) }
            answer("{\"milliseconds\": [\(times.map { "\($0)" }.joined(separator: ", "))]}")
        default: throw UsageError("cannot understand '\(line)'")
        }
    }
}

/// Prints at once, also into a pipe or a file.
func answer(_ line: String) {
    print(line)
    fflush(nil)
}

struct FileError: Error, CustomStringConvertible {
    var description: String
}

func readFloats(_ path: String, count: Int) throws -> [Float] {
    guard let file = fopen(path, "rb") else { throw FileError(description: "\(path) cannot be read") }
    defer { fclose(file) }
    var values = [Float](repeating: 0, count: count)
    guard fread(&values, 4, count, file) == count, fgetc(file) == EOF else {
        throw FileError(description: "\(path) does not hold \(count) numbers")
    }
    return values
}

func writeFloats(_ path: String, _ tensor: HostTensor) throws {
    guard let file = fopen(path, "wb") else { throw FileError(description: "\(path) cannot be written") }
    let written = fwrite(tensor.values, 4, tensor.values.count, file)
    guard fclose(file) == 0, written == tensor.values.count else {
        throw FileError(description: "\(path) was not written to its end")
    }
}
