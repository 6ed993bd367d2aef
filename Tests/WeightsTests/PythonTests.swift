import Network
import Tensor
import Testing

@testable import Catalogue
@testable import Weights

/// The other side of the weight file: Python's own reader, and spandrel, open what we write.
@Suite(.enabled(if: python != nil, "needs a Python with safetensors (Scripts/make-golden makes one)"))
struct PythonTests {
    let scratch = Scratch()

    @Test func pythonReadsOurFiles() throws {
        let model = randomModel(RRDBNet(features: 6, growth: 4, blocks: 2), seed: 5)
        for precision in StoredPrecision.allCases {
            try model.save(path: scratch("m.safetensors"), dtype: precision)
            var sum = 0.0
            for tensor in try Model.load(path: scratch("m.safetensors")).parameters.values {
                for value in tensor.values { sum += Double(value) }
            }
            let script = """
                import sys, json, hashlib
                from safetensors import safe_open
                file = safe_open(sys.argv[1], "np")
                entry = json.loads(file.metadata()["upframe"])
                digest, total = hashlib.sha256(), 0.0
                for name in sorted(file.keys()):
                    tensor = file.get_tensor(name)
                    kind = {"float32": "F32", "float16": "F16"}[str(tensor.dtype)]
                    digest.update(f"{name}\\n{kind}\\n{','.join(map(str, tensor.shape))}\\n".encode() + tensor.tobytes())
                    total += float(tensor.astype("float64").sum())
                assert entry["sha256"] == digest.hexdigest(), "digest"
                assert entry["hyperparameters"]["growth"] == 4
                assert len(list(file.keys())) == \(model.parameters.count)
                assert abs(total - float(sys.argv[2])) < 1e-6, (total, sys.argv[2])
                """
            let ending = ChildProcess.run(
                [python!, "-c", script, scratch("m.safetensors"), "\(sum)"], log: scratch("log"),
                temporary: scratch.path)
            #expect(ending == .exited(0), "\(String(decoding: readBytes(scratch("log")), as: UTF8.self))")
        }
    }

    /// What chaiNNer and ComfyUI load models with.
    @Test(.enabled(if: python.map { runs($0, "import spandrel") } ?? false))
    func spandrelReadsOurFiles() throws {
        let models: [(any Architecture, String)] = [
            (RRDBNet(features: 6, growth: 32, blocks: 2, unshuffle: 2), "ESRGAN 2"),
            (SRVGGNetCompact(features: 5, convolutions: 3, upscale: 4), "Compact 4"),
        ]
        for (architecture, expected) in models {
            try randomModel(architecture, seed: 6).save(path: scratch("m.safetensors"))
            let script = """
                import sys, torch, spandrel
                model = spandrel.ModelLoader().load_from_file(sys.argv[1])
                assert f"{model.architecture.id} {model.scale}" == sys.argv[2], (model.architecture.id, model.scale)
                """
            let ending = ChildProcess.run(
                [python!, "-c", script, scratch("m.safetensors"), expected], log: scratch("log"),
                temporary: scratch.path)
            #expect(ending == .exited(0), "\(String(decoding: readBytes(scratch("log")), as: UTF8.self))")
        }
    }
}

/// A Python with safetensors: named by the environment, the one that Scripts/make-golden makes, or the system's.
private let python: String? = {
    let root = testsFolder.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    return [environment("UPFRAME_PYTHON"), root + "/.venv/bin/python", "python3"].compactMap { $0 }
        .first { runs($0, "import safetensors, numpy") }
}()

private func runs(_ python: String, _ script: String) -> Bool {
    ChildProcess.run([python, "-c", script], log: "/dev/null", temporary: "/tmp") == .exited(0)
}
