import Glibc
import Network
import Tensor
import Testing

@testable import Catalogue
@testable import Weights

/// Numbers, names and sizes of files that nobody wrote with good intent.
@Suite struct BoundsTests {
    let scratch = Scratch()

    private func message(_ param: String) -> String {
        write("7767517\n2 2\nInput in 0 1 data\n\(param)\n", scratch("m.param"))
        write([UInt8](repeating: 0, count: 1000), scratch("m.bin"))
        return weightError { _ = try Model.load(path: scratch("m.param")) }?.description ?? ""
    }

    /// Every parameter of a layer of ncnn's, at the ends of `Int` and a step outside its range.
    @Test func parametersOfLayers() {
        let convolution = [
            (0, "outputs", 1, 1 << 20), (1, "kernel width", 1, 64), (3, "stride", 1, 16), (4, "padding", 0, 64),
            (5, "bias", 0, 1), (6, "weights", 1, 1 << 31), (9, "activation", 0, 1000), (11, "kernel height", 1, 64),
        ]
        for (key, meaning, low, high) in convolution {
            for value in [
                "\(Int.min)", "\(Int.max)", "\(low - 1)", "\(high + 1)", "99999999999999999999", "x", "1.5", "",
            ] {
                let values = ["0=8", "1=3", "6=216"].filter { !$0.hasPrefix("\(key)=") } + ["\(key)=\(value)"]
                #expect(
                    message("Convolution c 1 1 data out \(values.joined(separator: " "))").contains(
                        "parameter \(key) (\(meaning)) is \(value); it must be a whole number between \(low) and \(high)"
                    ),
                    "\(key)=\(value)")
            }
        }
        for value in ["inf", "nan", "-1e30", "x"] {
            #expect(
                message(
                    "Convolution c 1 1 data a 0=8 1=3 6=216\nReLU r 1 1 a out 0=\(value)".replacing("2 2", with: "3 3")
                )
                .isEmpty == false)
            let relu =
                "7767517\n3 3\nInput in 0 1 data\nConvolution c 1 1 data a 0=8 1=3 6=216\nReLU r 1 1 a out 0=\(value)\n"
            write(relu, scratch("m.param"))
            #expect(
                weightError { _ = try Model.load(path: scratch("m.param")) }?.description.contains(
                    "parameter 0 (slope) is \(value); it must be a number between -1e6 and 1e6") == true)
        }
    }

    /// As f19 of the trials: factors that no network has.
    @Test(arguments: [17, 64, 4096]) func scales(_ scale: Int) throws {
        let network = SRVGGNetCompact(features: 4, convolutions: 0, upscale: 2, outputScale: scale)
        #expect(network.problem == "SRVGGNetCompact's 'outputScale' is \(scale); it must be between 1 and 16")
        let graph = SRVGGNetCompact(features: 4, convolutions: 0, upscale: 2).graph(.nhwc(1, 1, 1, 3))
        var parameters: Parameters = [:]
        for (name, shape) in graph.parameters { parameters[name] = HostTensor(shape) }
        try Model(architecture: network, parameters: parameters).save(path: scratch("m.safetensors"))
        let error = weightError { _ = try Model.load(path: scratch("m.safetensors")) }
        #expect(error == .corruptHeader(path: scratch("m.safetensors"), reason: network.problem!))
    }

    /// Weights that are no numbers are named when they are read, in every format.
    @Test func weightsAreNumbers() throws {
        for bad in [Float.nan, .infinity, -.infinity] {
            for withEntry in [true, false] {
                var model = randomModel(SRVGGNetCompact(features: 2, convolutions: 1, upscale: 2), seed: 1)
                model.parameters["body.2.weight"]!.values[5] = bad
                if withEntry {
                    try model.save(path: scratch("m.safetensors"))
                } else {
                    try writeSafetensors(scratch("m.safetensors"), tensors: model.parameters)
                }
                guard
                    case .notFinite(scratch("m.safetensors"), "body.2.weight", let value)? = weightError({
                        _ = try Model.load(path: scratch("m.safetensors"))
                    })
                else {
                    Issue.record("\(bad) was taken")
                    continue
                }
                #expect(value == bad || value.isNaN && bad.isNaN)
            }
        }
        // The largest numbers are numbers.
        var model = randomModel(SRVGGNetCompact(features: 2, convolutions: 1, upscale: 2), seed: 1)
        model.parameters["body.2.weight"]!.values = model.parameters["body.2.weight"]!.values.map { _ in
            .greatestFiniteMagnitude
        }
        try model.save(path: scratch("m.safetensors"))
        _ = try Model.load(path: scratch("m.safetensors"))
    }

    /// Headers are read value by value: what they hold beyond tensors is passed over, and what takes memory is counted.
    @Test func headersAreBounded() {
        func words(_ header: String, data: Int = 0) -> String {
            write(safetensors(header, data: [UInt8](repeating: 0, count: data)), scratch("h.safetensors"))
            return weightError { _ = try SafetensorsFile(path: scratch("h.safetensors")) }?.description ?? ""
        }
        let many = SafetensorsFile.self
        func list(_ count: Int, _ item: (Int) -> String) -> String { (0..<count).map(item).joined(separator: ",") }
        #expect(words("{\"a\":[\(list(1_000_000) { _ in "[]" })]}").contains("no object"))
        #expect(
            words("{\"__metadata__\":{\(list(many.mostTexts + 1) { "\"\($0)\":\"\"" })}}").contains(
                "more than 4096 texts"))
        #expect(words("{\"a\":{\(list(many.mostFields + 1) { "\"\($0)\":[[]]" })}}").contains("more than 16 members"))
        #expect(
            words(
                "{\(list(many.mostTensors + 1) { "\"\($0)\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}" })}"
            )
            .contains("more than 131072 tensors"))
        #expect(
            words(
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[\(list(100_000) { _ in "1" })],\"data_offsets\":[0,4]}}", data: 4
            )
            .contains("has 100000 extents"))
        // Passed over, and taken.
        #expect(
            words(
                "{\"a\":{\"dtype\":\"F32\",\"x\":{\"y\":[1,{\"z\":null}]},\"shape\":[1],\"data_offsets\":[0,4]}}",
                data: 4
            )
            .isEmpty)
    }

    /// The entry `upframe` is bounded before it is decoded.
    @Test func entriesAreBounded() throws {
        for (entry, word) in [
            ("[" + String(repeating: "[],", count: 400_000) + "[]]", "has 1200004 bytes"),
            (#"{"hyperparameters":{"features":1e3}}"#, "'features' 1e3; it must be a whole number between 0 and 4096"),
            (#"{"hyperparameters":{"features":9223372036854775807}}"#, "'features' 9223372036854775807"),
            (#"{"hyperparameters":[]}"#, "no 'hyperparameters'"), (#"{"hyperparameters":{}"#, "no JSON object"),
        ] {
            try writeSafetensors(scratch("m.safetensors"), tensors: [:], metadata: ["upframe": entry])
            let error = weightError { _ = try Model.load(path: scratch("m.safetensors")) }
            #expect(error?.description.contains(word) == true, "\(String(describing: error))")
        }
    }

    @Test func graphsOfNcnnAreBounded() {
        write("7767517\n" + String(repeating: "a ", count: 3_000_000), scratch("m.param"))
        #expect(
            weightError { _ = try Model.load(path: scratch("m.param")) }?.description.contains("1048576 at most")
                == true)
        write("7767517\n1 1\n" + String(repeating: "a ", count: 100_000), scratch("m.param"))
        #expect(weightError { _ = try Model.load(path: scratch("m.param")) }?.description.contains("line 3") == true)
        write("7767517\n10001 1\n" + String(repeating: "a\n", count: 500_000), scratch("m.param"))
        #expect(
            weightError { _ = try Model.load(path: scratch("m.param")) }?.description.contains("1 to 10000") == true)
    }

    /// Folders of work hold what a program leaves there, links to elsewhere included.
    @Test func foldersGoWhole() throws {
        try makeFolder(scratch("work/a/b"))
        write("x", scratch("work/a/b/c"))
        write("mine", scratch("kept"))
        symlink(scratch.path, scratch("work/a/link"))
        removeFolder(scratch("work"))
        #expect(scratch.names == ["kept"])
    }
}
