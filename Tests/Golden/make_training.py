"""Makes the golden values of differentiation and training under Tests/Golden/data with PyTorch.

    python Tests/Golden/make_training.py

`gradients`: first and second derivatives of every operation, in double precision. `training-*`: twenty steps of small
recipes, in single precision. Weights and batches are drawn from Philox on both sides and not stored. Nothing here uses
Upframe's code.
"""

import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm

from philox import Philox

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
torch.set_num_threads(1)
torch.backends.mkldnn.enabled = False


def save(name: str, description: dict, tensors: dict):
    # Here, because Benchmarks/peers_training.py takes networks from this file where that package may be missing.
    from safetensors.numpy import save_file

    path = os.path.join(DATA, name + ".safetensors")
    tensors = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in tensors.items()}
    save_file(tensors, path, metadata={"golden": json.dumps(description, sort_keys=True)})
    print(f"{name}: {os.path.getsize(path)} bytes")


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


# Derivatives


CASES = {}


def case(name, shapes, function, low=-1.0, high=1.0, kinks=()):
    CASES[name] = (shapes, function, low, high, kinks)


def squared(function):
    return lambda *x: function(*x) ** 2


def pictures(function):
    """A function of NCHW as one of NHWC."""
    return lambda x: nhwc(function(nchw(x)))


def sampled(x, positions, mode, border):
    """x [N, H, W, C] at positions (column, row) in pixels. PyTorch differentiates its `grid_sample` once only: this is made of
    operations that it differentiates twice, and compared with `grid_sample` in value and first derivatives."""
    n, h, w, c = x.shape

    def own(x, positions):
        def nearest(columns, rows):
            inside = (columns >= 0) & (columns < w) & (rows >= 0) & (rows < h)
            images = torch.arange(n)[:, None, None].expand(columns.shape)
            found = x[images, rows.clamp(0, h - 1).long(), columns.clamp(0, w - 1).long()]
            return found * inside[..., None]

        columns, rows = positions[..., 0], positions[..., 1]
        if border == "border":
            columns, rows = columns.clamp(0, w - 1), rows.clamp(0, h - 1)
        if mode == "nearest":
            return nearest(columns.detach().round(), rows.detach().round())
        left, top = columns.detach().floor(), rows.detach().floor()
        right, below = (columns - left)[..., None], (rows - top)[..., None]
        return ((nearest(left, top) * (1 - right) + nearest(left + 1, top) * right) * (1 - below)
                + (nearest(left, top + 1) * (1 - right) + nearest(left + 1, top + 1) * right) * below)

    def theirs(x, positions):
        scale = torch.tensor([2 / (w - 1), 2 / (h - 1)], dtype=torch.float64)
        return nhwc(F.grid_sample(nchw(x), positions * scale - 1, mode, border, align_corners=True))

    copies = [[v.detach().clone().requires_grad_() for v in (x, positions)] for _ in range(2)]
    results = [function(*arguments) for function, arguments in zip((own, theirs), copies)]
    assert torch.allclose(*results, atol=1e-12), "values of sample"
    for result in results:
        if result.requires_grad:
            result.square().sum().backward()
    for ours, other in zip(*copies):
        gradient = torch.zeros_like(ours) if ours.grad is None else ours.grad
        assert torch.allclose(gradient, other.grad, atol=1e-10), "derivatives of sample"
    return own(x, positions)


def define_cases():
    small = (2, 3, 4, 2)
    for name, (kh, kw), stride, padding, groups, inputs, outputs in (
            ("3x3", (3, 3), 1, 1, 1, 2, 3), ("1x1", (1, 1), 1, 0, 1, 2, 3), ("4x4 stride 2", (4, 4), 2, 1, 1, 2, 3),
            ("3x3 stride 2", (3, 3), 2, 1, 1, 2, 2), ("5x1 padding 2", (5, 1), 1, 2, 1, 2, 2),
            ("3x3 stride 3 padding 0", (3, 3), 3, 0, 1, 1, 2), ("3x3 groups 2", (3, 3), 1, 1, 2, 4, 2),
            ("3x3 depthwise stride 2", (3, 3), 2, 1, 3, 3, 3)):
        height, width = 5, 4
        weight = (outputs, inputs // groups, kh, kw)
        g = (2, (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1, outputs)

        def convolution(x, w, b=None, s=stride, p=padding, n=groups):
            return nhwc(F.conv2d(nchw(x), w, b, s, p, 1, n))

        def transposed(y, w, s=stride, p=padding, n=groups, kh=kh, kw=kw, g=g):
            rows = height - ((g[1] - 1) * s - 2 * p + kh)
            columns = width - ((g[2] - 1) * s - 2 * p + kw)
            return nhwc(F.conv_transpose2d(nchw(y), w, None, s, p, (rows, columns), n))

        def weight_gradient(x, y, s=stride, p=padding, n=groups, w=weight):
            return torch.nn.grad.conv2d_weight(nchw(x), w, nchw(y), s, p, 1, n)

        case(f"convolution {name}", [(2, height, width, inputs), weight, (outputs,)], squared(convolution))
        # PyTorch has no output padding as large as the stride.
        if stride == 1 or (height + 2 * padding - kh) % stride < stride:
            case(f"convolutionTranspose {name}", [g, weight], squared(transposed))
        if groups == 1:
            case(f"convolutionWeightGradient {name}", [(2, height, width, inputs), g], squared(weight_gradient))

    case("convolution dilation 2 stride 3", [(2, 7, 6, 2), (3, 2, 3, 3), (3,)],
         squared(lambda x, w, b: nhwc(F.conv2d(nchw(x), w, b, 3, 2, 2))))
    case("convolution uneven margins", [(2, 7, 6, 2), (3, 2, 3, 3), (3,)],
         squared(lambda x, w, b: nhwc(F.conv2d(F.pad(nchw(x), (2, 3, 1, 0)), w, b, 2))))

    # Functions times x³, so that flat ones have derivatives too.
    def number(value):
        return float(np.float32(value))

    def pointwise(name, function, low, high, kinks=()):
        case(name, [small], lambda x: function(x) * x**3, low, high, kinks)

    pointwise("affine", lambda x: x * number(1.7) + number(-0.3), -3, 3)
    pointwise("clamp", lambda x: torch.clamp(x, number(-0.25), number(0.5)), -3, 3, (-0.25, 0.5))
    pointwise("leakyReLU", lambda x: F.leaky_relu(x, number(0.2)), -3, 3)
    pointwise("elu", lambda x: F.elu(x, number(0.8)), -3, 3)
    pointwise("power", lambda x: x**1.5, number(0.3), 4)
    pointwise("sigmoid", torch.sigmoid, -4, 4)
    pointwise("silu", F.silu, -4, 4)
    pointwise("tanh", torch.tanh, -4, 4)
    pointwise("exponential", torch.exp, number(0.3), 3)
    pointwise("logarithm", torch.log, number(0.3), 4)
    pointwise("squareRoot", torch.sqrt, number(0.3), 4)
    pointwise("reciprocalSquareRoot", torch.rsqrt, number(0.3), 4)
    pointwise("reciprocal", torch.reciprocal, number(0.3), 4)
    pointwise("absolute", torch.abs, -3, 3)
    pointwise("softplus", F.softplus, -4, 4)
    pointwise("erf", torch.erf, -3, 3)
    pointwise("gelu", F.gelu, -4, 4)
    pointwise("mish", F.mish, -4, 4)
    # PyTorch differentiates its own two only once.
    pointwise("hardSigmoid", lambda x: F.relu6(x + 3) / 6, -4, 4, (-3, 3))
    pointwise("hardSwish", lambda x: x * F.relu6(x + 3) / 6, -4, 4, (-3, 3))
    for name, function in (("add", torch.add), ("multiply", torch.mul), ("maximum", torch.maximum),
                           ("minimum", torch.minimum)):
        case(name, [small, small], lambda x, y, f=function: f(x, y) * x**3)
        case(f"{name}, vector", [small, (2,)], lambda x, y, f=function: f(x, y) * x**3)
    case("prelu, vector", [small, (2,)], lambda x, w: nhwc(F.prelu(nchw(x), w)) * x**3)
    case("prelu, one slope", [small, (1,)], squared(F.prelu))
    case("concatenate", [small, (2, 3, 4, 3), small], squared(lambda a, b, c: torch.cat([a, b, c, a], 3)))
    case("sliceChannels", [(2, 2, 3, 5)], squared(lambda x: x[..., 1:3]))
    case("upsampleNearest", [small], squared(pictures(lambda x: F.interpolate(x, scale_factor=2))))
    case("sumPool", [(1, 4, 6, 2)], squared(pictures(lambda x: F.avg_pool2d(x, 2) * 4)))
    case("pixelShuffle", [(1, 2, 3, 8)], squared(pictures(lambda x: F.pixel_shuffle(x, 2))))
    case("pixelUnshuffle", [(1, 4, 6, 2)], squared(pictures(lambda x: F.pixel_unshuffle(x, 2))))
    for mode in ("nearest", "bilinear", "bicubic"):
        options = {} if mode == "nearest" else {"align_corners": False}
        for size in ((6, 8), (2, 3), (4, 3)):
            case(f"resize {mode} to {size[0]}x{size[1]}", [(1, 3, 4, 2)], squared(
                pictures(lambda x, s=size, m=mode, o=options: F.interpolate(x, size=s, mode=m, **o))))
    case("pad zero", [(1, 3, 3, 2)], squared(pictures(lambda x: F.pad(x, (2, 0, 1, 3)))))
    case("crop", [(1, 5, 4, 2)], squared(lambda x: x[:, 1:2, 2:]))
    case("sum", [small], squared(lambda x: x.sum((1, 2), keepdim=True)))
    case("mean", [small], squared(lambda x: x.mean((1, 2), keepdim=True)))
    case("broadcast", [(2, 1, 1, 2)], squared(lambda x: x.expand(*small)))
    case("reshape", [small], squared(lambda x: x.reshape(6, 8)))
    case("transpose", [small], squared(nchw))
    for left in (False, True):
        for right in (False, True):
            def product(a, b, left=left, right=right):
                return (a.mT if left else a) @ (b.mT if right else b)

            case(f"product {str(left).lower()} {str(right).lower()}",
                 [(2, 4, 3) if left else (2, 3, 4), (2, 5, 4) if right else (2, 4, 5)], squared(product))
    for border in ("zeros", "border"):
        kinks = [np.float32(k - 1.5) / np.float32(2.5) for k in range(-1, 5)]
        kinks += [k + np.float32(0.2) for k in kinks]
        for mode in ("bilinear", "nearest"):
            case(f"sample {mode} {border}", [(2, 4, 5, 3), (2, 3, 2, 2)],
                 squared(lambda x, p, m=mode, o=border: sampled(x, p * 2.5 + 1.5, m, o)), -1, 1, kinks)
    case("a norm over a sum", [(3, 4)], lambda x: x.square().sum(1, keepdim=True).sqrt(), 0.2, 1)
    case("softmax", [(3, 4)], lambda x: F.softmax(x, 1))

    def instance_norm(x, w, b):
        return nhwc(F.instance_norm(nchw(x), weight=w, bias=b, eps=float(np.float32(1e-5))))

    case("instance normalisation", [(2, 3, 4, 2), (2,), (2,)], squared(instance_norm))

    def fir(x):
        kernel = torch.tensor([[1, 2, 3, 4], [2, 4, 8, 1], [5, 1, 1, 2]], dtype=torch.float64)
        n, h, w, c = x.shape
        apart = torch.zeros(n, c, h, 3, w, 3, dtype=torch.float64)
        apart[:, :, :, 0, :, 0] = nchw(x)
        padded = F.pad(apart.reshape(n, c, h * 3, w * 3), (1, 2, 2, 1))
        return nhwc(F.conv2d(padded, kernel.flip(0, 1).expand(c, 1, 3, 4), stride=2, groups=c))

    case("FIR resampling", [(1, 3, 4, 2)], squared(fir))
    case("group normalisation", [(2, 3, 4, 4)],
         lambda x: nhwc(F.group_norm(nchw(x), 2, eps=float(np.float32(1e-5)))) ** 2 * x)
    case("layer normalisation", [(2, 3, 4, 5), (5,), (5,)],
         squared(lambda x, w, b: F.layer_norm(x, (5,), w, b, float(np.float32(1e-5)))))
    case("root mean square normalisation", [(2, 3, 4, 5), (5,)],
         lambda x, w: F.rms_norm(x, (5,), w, float(np.float32(1e-6))) ** 2 * x)
    case("maximum of 2x2", [(1, 5, 6, 2)], squared(pictures(lambda x: F.max_pool2d(x, 2))))

    def gate(x, v, w):
        hidden = F.silu(F.conv2d(nchw(x), v, None, 1, 1))
        return torch.sigmoid(nhwc(F.conv2d(hidden, w, None, 1, 1))) * x

    case("two convolutions and a gate", [(1, 4, 4, 2), (4, 2, 3, 3), (2, 4, 3, 3)], gate)


def gradients():
    define_cases()
    tensors = {}
    for name, (shapes, function, low, high, kinks) in CASES.items():
        seed = 7
        for byte in name.encode():
            seed = (seed * 31 + byte) % 1_000_003

        def draw(shape, seed, low=-1.0, high=1.0):
            return Philox(seed).uniform(int(np.prod(shape)), low, high).reshape(shape).astype(np.float64)

        arguments = []
        for index, shape in enumerate(shapes):
            x = draw(shape, seed + index, low, high)
            for kink in (*kinks, 0):
                x = np.where(np.abs(x - kink) < 0.02, x + np.where(x < kink, -0.02, 0.02), x)
            arguments.append(torch.from_numpy(x).requires_grad_())
        y = function(*arguments)
        weights = torch.from_numpy(draw(tuple(y.shape), seed + 99, 0.5, 1.5))
        first = torch.autograd.grad((y * weights).sum(), arguments, create_graph=True, allow_unused=True)
        first = [torch.zeros_like(x) if g is None else g for g, x in zip(first, arguments)]
        along = sum(
            (g * torch.from_numpy(draw(shape, seed + 200 + index))).sum()
            for index, (g, shape) in enumerate(zip(first, shapes)))
        second = torch.autograd.grad(along, arguments, allow_unused=True)
        for index, argument in enumerate(arguments):
            tensors[f"{name}.first.{index}"] = first[index].detach().numpy()
            curved = second[index] if second[index] is not None else torch.zeros_like(argument)
            tensors[f"{name}.second.{index}"] = curved.numpy()
    save("gradients", {"kind": "gradients", "cases": sorted(CASES)}, tensors)


# Networks


class Compact(nn.Module):
    def __init__(self, features, convolutions, upscale):
        super().__init__()
        self.upscale = upscale
        self.body = nn.ModuleList([nn.Conv2d(3, features, 3, 1, 1), nn.PReLU(features)])
        for _ in range(convolutions):
            self.body += [nn.Conv2d(features, features, 3, 1, 1), nn.PReLU(features)]
        self.body.append(nn.Conv2d(features, 3 * upscale**2, 3, 1, 1))

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return F.pixel_shuffle(y, self.upscale) + F.interpolate(x, scale_factor=self.upscale, mode="nearest")


class DenseBlock(nn.Module):
    def __init__(self, features, growth):
        super().__init__()
        for k in range(1, 6):
            setattr(self, f"conv{k}", nn.Conv2d(
                features + (k - 1) * growth, growth if k < 5 else features, 3, 1, 1))

    def forward(self, x):
        parts = [x]
        for k in range(1, 5):
            parts.append(F.leaky_relu(getattr(self, f"conv{k}")(torch.cat(parts, 1)), 0.2))
        return self.conv5(torch.cat(parts, 1)) * 0.2 + x


class RRDB(nn.Module):
    def __init__(self, features, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(features, growth) for _ in range(3))

    def forward(self, x):
        return self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x


class RRDBNet(nn.Module):
    def __init__(self, features, growth, blocks):
        super().__init__()
        self.conv_first = nn.Conv2d(3, features, 3, 1, 1)
        self.body = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)))
        for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
            setattr(self, name, nn.Conv2d(features, features, 3, 1, 1))
        self.conv_last = nn.Conv2d(features, 3, 3, 1, 1)

    def forward(self, x):
        y = self.conv_first(x)
        y = y + self.conv_body(self.body(y))
        for conv in (self.conv_up1, self.conv_up2):
            y = F.leaky_relu(conv(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(y), 0.2))


class UNetDiscriminatorSN(nn.Module):
    def __init__(self, nf):
        super().__init__()
        self.conv0 = nn.Conv2d(3, nf, 3, 1, 1)
        for level in (1, 2, 3):
            setattr(self, f"conv{level}", spectral_norm(
                nn.Conv2d(nf << (level - 1), nf << level, 4, 2, 1, bias=False)))
        for level in (4, 5, 6):
            setattr(self, f"conv{level}", spectral_norm(
                nn.Conv2d(nf << (7 - level), nf << (6 - level), 3, 1, 1, bias=False)))
        self.conv7 = spectral_norm(nn.Conv2d(nf, nf, 3, 1, 1, bias=False))
        self.conv8 = spectral_norm(nn.Conv2d(nf, nf, 3, 1, 1, bias=False))
        self.conv9 = nn.Conv2d(nf, 1, 3, 1, 1)

    def judge(self, x):
        found = []

        def act(y):
            found.append(F.leaky_relu(y, 0.2))
            return found[-1]

        def up(y):
            return F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)

        x0 = act(self.conv0(x))
        x1 = act(self.conv1(x0))
        x2 = act(self.conv2(x1))
        x3 = act(self.conv3(x2))
        y = act(self.conv4(up(x3))) + x2
        y = act(self.conv5(up(y))) + x1
        y = act(self.conv6(up(y))) + x0
        return self.conv9(act(self.conv8(act(self.conv7(y))))), found

    def forward(self, x):
        return self.judge(x)[0]


class PatchGAN(nn.Module):
    def __init__(self, ndf, layers, norm):
        super().__init__()
        model = [nn.Conv2d(3, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
        for layer in range(1, layers + 1):
            model.append(nn.Conv2d(
                ndf * min(2 ** (layer - 1), 8), ndf * min(2**layer, 8), 4, 2 if layer < layers else 1, 1,
                bias=norm != "batch"))
            if norm == "instance":
                model.append(nn.InstanceNorm2d(ndf * min(2**layer, 8)))
            if norm == "batch":
                model.append(nn.BatchNorm2d(ndf * min(2**layer, 8)))
            model.append(nn.LeakyReLU(0.2))
        model.append(nn.Conv2d(ndf * min(2**layers, 8), 1, 4, 1, 1))
        self.model = nn.Sequential(*model)

    def judge(self, x):
        found = []
        for layer in self.model:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return x, found

    def forward(self, x):
        return self.judge(x)[0]


class VGGDiscriminator(nn.Module):
    def __init__(self, nf, size):
        super().__init__()
        self.conv0_0 = nn.Conv2d(3, nf, 3, 1, 1)
        self.names = []
        inputs = nf
        for level in range(5):
            width = nf * min(2**level, 8)
            for half in (0, 1):
                if (level, half) == (0, 0):
                    continue
                name = f"{level}_{half}"
                self.names.append(name)
                setattr(self, "conv" + name, nn.Conv2d(
                    inputs, width, 4 if half else 3, 2 if half else 1, 1, bias=False))
                setattr(self, "bn" + name, nn.BatchNorm2d(width))
                inputs = width
        self.linear1 = nn.Linear(inputs * (size // 32) ** 2, 100)
        self.linear2 = nn.Linear(100, 1)

    def judge(self, x):
        found = [F.leaky_relu(self.conv0_0(x), 0.2)]
        for name in self.names:
            found.append(F.leaky_relu(getattr(self, "bn" + name)(getattr(self, "conv" + name)(found[-1])), 0.2))
        found.append(F.leaky_relu(self.linear1(found[-1].flatten(1)), 0.2))
        return self.linear2(found[-1]), found

    def forward(self, x):
        return self.judge(x)[0]


class VGG(nn.Module):
    """The beginning of VGG19, under torchvision's keys."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, 1, 1), nn.ReLU(), nn.Conv2d(128, 128, 3, 1, 1))

    def forward(self, x):
        x = (x - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
            [0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in (2, 7):
                found.append(x)
        return found


# Training


STEPS = 20


def fill(networks: dict, seed: int):
    """Weights by position among the sorted names: uniform, variance 1 / fan-in."""
    tensors = {}
    for prefix, network in networks.items():
        for key, value in list(network.named_parameters()) + list(network.named_buffers()):
            if not key.endswith("num_batches_tracked"):
                tensors[prefix + key] = value
    for index, key in enumerate(sorted(tensors)):
        value = tensors[key]
        limit = np.float32(0.1)
        if value.ndim >= 2:
            limit = np.float32(np.sqrt(3 / np.prod(value.shape[1:])))
        if key.endswith("running_var"):
            new = np.ones(value.shape, np.float32)
        elif key.endswith("running_mean"):
            new = np.zeros(value.shape, np.float32)
        else:
            new = Philox(seed + index).uniform(value.numel(), -limit, limit).reshape(value.shape)
        value.data.copy_(torch.from_numpy(new))
    return tensors


def accuracy(loss, real, fake):
    """The shares on the right side of each loss's border; a logit on the border counts half."""
    border_real = border_fake = {"leastSquares": 0.5}.get(loss, 0.0)
    if loss == "wasserstein":
        border_real = border_fake = (real.mean() + fake.mean()) / 2
    if loss == "relativisticAverage":
        border_real, border_fake = fake.mean(), real.mean()
    return ((torch.sign(real - border_real) + 1) / 2).mean(), ((torch.sign(border_fake - fake) + 1) / 2).mean()


def diversity(x, y, factor):
    """NCHW: how unlike details of neighbours in the batch are, beside the same of the targets."""
    def unlikeness(p):
        details = p - F.interpolate(F.avg_pool2d(p, factor), scale_factor=factor, mode="nearest")
        a, b = details[:-1], details[1:]
        return (a - b).abs().mean() / (a.abs().mean() + b.abs().mean() + 1e-3)

    return (unlikeness(x) + 1e-2) / (unlikeness(y) + 1e-2)


def train(name, generator, low, *, discriminator=None, vgg=None, loss="nonSaturating", weight=0.1, lipschitz=None,
          r1=None, interval=16, per_generator=1, rate=1e-4, limit=None, clip=None, ema=0.999, pixel=1.0,
          betas=(0.9, 0.99), features=None):
    networks = {"g.": generator}
    if discriminator is not None:
        networks["d."] = discriminator
    if vgg is not None:
        networks["vgg."] = vgg
    seed = 5000 + 100 * len(name)
    tensors = fill(networks, seed)
    average = {key: value.detach().clone() for key, value in generator.named_parameters()}
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=rate, betas=betas)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=betas) if discriminator else None
    shares = Philox(77)
    log = {}

    def report(key, value, step):
        log.setdefault(key, np.full(STEPS, np.nan, np.float32))[step] = float(value.detach())

    def adversarial(logits, target):
        if loss == "nonSaturating":
            return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(target)))
        if loss == "wasserstein":
            return -logits.mean() if target else logits.mean()
        if loss == "hinge":
            return F.relu(1 - logits if target else 1 + logits).mean()
        if loss == "leastSquares":
            return F.mse_loss(logits, torch.full_like(logits, float(target)))
        raise ValueError(loss)

    scale = None
    for step in range(STEPS):
        x = torch.from_numpy(Philox(9000 + step).uniform(int(np.prod(low))).reshape(low))
        x = nchw(x).contiguous()
        fake = generator(x)
        scale = fake.shape[2] // x.shape[2]
        full = (low[0], low[1] * scale, low[2] * scale, 3)
        y = nchw(torch.from_numpy(Philox(9500 + step).uniform(int(np.prod(full))).reshape(full))).contiguous()

        if step % per_generator == 0:
            for p in discriminator.parameters() if discriminator else []:
                p.requires_grad = False
            optimizer_g.zero_grad()
            l1 = F.l1_loss(fake, y)
            report("g.l1", l1, step)
            total = pixel * l1
            if vgg is not None:
                perceptual = sum(
                    0.1 * F.l1_loss(a, b.detach()) for a, b in zip(vgg(fake), vgg(y)))
                report("g.perceptual", perceptual, step)
                total = total + perceptual
            if discriminator is not None:
                if features is not None:
                    with torch.no_grad():
                        wanted = discriminator.judge(y)[1]
                logits, found = discriminator.judge(fake)
                gan = -logits.mean() if loss == "hinge" else adversarial(logits, True)
                report("g.adversarial", gan, step)
                total = total + weight * gan
                if features is not None:
                    likeness = sum((a - b).abs().mean() for a, b in zip(found, wanted, strict=True))
                    report("g.features", likeness, step)
                    total = total + features * likeness
            total.backward()
            norm = torch.nn.utils.clip_grad_norm_(generator.parameters(), clip if clip else 1e9)
            report("g.norm", norm, step)
            report("g.drift", (fake.mean((2, 3)) - x.mean((2, 3))).abs().mean(), step)
            report("g.diversity", diversity(fake.detach(), y, scale), step)
            optimizer_g.step()
            with torch.no_grad():
                for key, value in generator.named_parameters():
                    average[key].mul_(ema).add_(value, alpha=1 - ema)

        if discriminator is not None:
            for p in discriminator.parameters():
                p.requires_grad = True
            optimizer_d.zero_grad()
            fixed = fake.detach().clone()
            penalises = r1 is not None and step % interval == 0
            y.requires_grad_(penalises)
            real_logits = discriminator(y)
            fake_logits = discriminator(fixed)
            real, false = adversarial(real_logits, True), adversarial(fake_logits, False)
            for half, value in zip(("real", "fake"), accuracy(loss, real_logits.detach(), fake_logits.detach())):
                report("d.accuracy." + half, value, step)
            report("d.real", real, step)
            report("d.fake", false, step)
            total = real + false
            if lipschitz is not None:
                share = torch.from_numpy(shares.uniform(low[0])).view(-1, 1, 1, 1)
                between = (share * y.detach() + (1 - share) * fixed).requires_grad_()
                gradient = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)[0]
                penalty = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
                report("d.lipschitz", penalty, step)
                total = total + lipschitz * penalty
            if penalises:
                gradient = torch.autograd.grad(real_logits.sum(), y, create_graph=True)[0]
                penalty = r1 / 2 * gradient.square().sum((1, 2, 3)).mean()
                report("d.r1", penalty, step)
                total = total + interval * penalty
            total.backward()
            report("d.norm", torch.nn.utils.clip_grad_norm_(discriminator.parameters(), 1e9), step)
            optimizer_d.step()
            if limit:
                with torch.no_grad():
                    for p in discriminator.parameters():
                        p.clamp_(-limit, limit)

    stored = {"loss." + key: value for key, value in log.items()}
    for key, value in tensors.items():
        if not key.startswith("vgg.") and not key.endswith("weight_v"):
            stored["weight." + key] = value.detach().numpy()
    for key, value in average.items():
        stored["weight.ema.g." + key] = value.numpy()
    save("training-" + name, {"kind": "training", "seed": seed, "names": sorted(tensors), "low": list(low)}, stored)
    for key, value in sorted(log.items()):
        print(f"  {key}: {value[0]:.6f} ... {value[-1]:.6f}")


# Losses and optimisers


def losses():
    """Each loss's value, and its derivatives in the direction of random numbers."""
    from pytorch_msssim import ms_ssim

    def draw(shape, seed, low=0.0, high=1.0):
        x = Philox(seed).uniform(int(np.prod(shape)), low, high).reshape(shape).astype(np.float64)
        return torch.from_numpy(x)

    tensors = {}

    def measure(name, function, arguments, seed):
        arguments = [x.requires_grad_() for x in arguments]
        value = function(*arguments)
        gradients = torch.autograd.grad(value, arguments, allow_unused=True)
        numbers = [float(value.detach())]
        for index, (x, g) in enumerate(zip(arguments, gradients)):
            numbers.append(0.0 if g is None else float((g * draw(tuple(x.shape), seed + index, -1, 1)).sum()))
        tensors[name] = np.array(numbers)

    x, y = draw((2, 8, 10, 3), 1), draw((2, 8, 10, 3), 2)
    measure("l1", F.l1_loss, [x, y], 50)
    measure("squared", F.mse_loss, [x, y], 50)
    measure("charbonnier", lambda a, b: ((a - b) ** 2 + float(np.float32(1e-12))).sqrt().mean(), [x, y], 50)
    measure("colour", lambda a, b: (a.mean((1, 2)) - b.mean((1, 2))).abs().mean(), [x, y], 50)

    def focal(a, b):
        spectrum = torch.fft.fft2(nchw(a) - nchw(b), norm="ortho")
        distance = spectrum.real**2 + spectrum.imag**2
        weight = distance.detach().sqrt()
        return (weight / weight.amax((2, 3), keepdim=True) * distance).mean()

    measure("focalFrequency", focal, [x, y], 50)
    wide = draw((1, 176, 176, 2), 3)
    other = (wide * 0.7 + draw((1, 176, 176, 2), 4) * 0.3).detach()
    measure("msSSIM", lambda a, b: 1 - ms_ssim(nchw(a), nchw(b), data_range=1.0), [wide, other], 50)

    real, fake = draw((2, 5, 4, 1), 5, -2, 2), draw((2, 5, 4, 1), 6, -2, 2)
    bce = F.binary_cross_entropy_with_logits
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    generator = {
        "nonSaturating": lambda r, f: bce(f, one), "leastSquares": lambda r, f: F.mse_loss(f, one),
        "hinge": lambda r, f: -f.mean(), "wasserstein": lambda r, f: -f.mean(),
        "relativisticAverage": lambda r, f: (
            bce(r.detach() - f.mean(), zero) + bce(f - r.detach().mean(), one)) / 2}
    discriminator = {
        "nonSaturating": lambda r, f: bce(r, one) + bce(f, zero),
        "leastSquares": lambda r, f: F.mse_loss(r, one) + F.mse_loss(f, zero),
        "hinge": lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(),
        "wasserstein": lambda r, f: f.mean() - r.mean(),
        "relativisticAverage": lambda r, f: (bce(r - f.mean(), one) + bce(f - r.mean(), zero)) / 2}
    for name in generator:
        measure("generator." + name, generator[name], [real, fake], 60)
        measure("discriminator." + name, discriminator[name], [real, fake], 60)
        tensors["accuracy." + name] = np.array([float(share) for share in accuracy(name, real, fake)])

    # Monitors: values alone, nothing is trained for them.
    pictures, targets, low = draw((3, 8, 12, 3), 7), draw((3, 8, 12, 3), 8), draw((3, 4, 6, 3), 9)
    alike = draw((1, 8, 12, 3), 10) + 0.05 * pictures
    tensors["diversity"] = np.array([
        float(diversity(nchw(pictures), nchw(targets), 2)), float(diversity(nchw(alike), nchw(targets), 4)),
        float(diversity(nchw(alike[:1].expand(3, -1, -1, -1)), nchw(targets), 4))])
    tensors["drift"] = np.array([float((pictures.mean((1, 2)) - low.mean((1, 2))).abs().mean())])

    # What a discriminator is shown: rows and columns resampled, colours mixed, a mask around middle gray.
    shape = (2, 6, 5, 3)
    rows, columns = draw((2, 6, 6), 11, -1, 1), draw((2, 5, 5), 12, -1, 1)
    colours, offsets, mask = draw((2, 3, 3), 13, -1, 1), draw((2, 1, 3), 14, -1, 1), draw((2, 6, 5, 1), 15)

    def augmented(x):
        y = torch.einsum("nij,njwc->niwc", rows, x)
        y = torch.einsum("nkw,niwc->nikc", columns, y)
        y = torch.einsum("nikc,ncd->nikd", y, colours) + offsets[:, :, None]
        return ((((y - 0.5) * mask + 0.5) ** 2) * draw(shape, 17, -1, 1)).sum()

    measure("augmented", augmented, [draw(shape, 16)], 70)
    # Path length (StyleGAN2): a small generator, the penalty, the mean length, and the gradient by the parameters.
    shapes = [(2, 3, 4, 2), (4, 2, 3, 3), (4,), (12, 4, 3, 3), (2, 6, 8, 3), (1,)]
    drawn = [draw(s, 30 + i, *((0.2, 0.4) if i == 5 else (-0.5, 0.5))) for i, s in enumerate(shapes)]
    latents, first, bias, second = [x.requires_grad_() for x in drawn[:4]]
    hidden = F.silu(F.conv2d(nchw(latents), first, bias, 1, 1))
    made = nhwc(torch.tanh(F.pixel_shuffle(F.conv2d(hidden, second, None, 1, 1), 2)))
    along, = torch.autograd.grad((made * drawn[4]).sum(), latents, create_graph=True)
    lengths = along.square().sum((1, 2, 3)).sqrt()
    penalty = (lengths - drawn[5]).square().mean()
    by_parameters = torch.autograd.grad(penalty, [first, bias, second])
    for index, value in enumerate([penalty.reshape(1), lengths.mean().reshape(1), *by_parameters]):
        tensors[f"pathLength.{index}"] = value.detach().numpy()
    save("losses", {"kind": "losses"}, tensors)


def optimizers():
    """Ten steps on (p - target)^2 / 2 with targets that change."""
    tensors, rates = {}, [1e-2 / (1 + step) for step in range(10)]
    start = Philox(1).uniform(11, -1, 1).astype(np.float64)
    targets = [Philox(100 + step).uniform(11, -1, 1).astype(np.float64) for step in range(10)]

    def run(name, kind, **options):
        p = torch.from_numpy(start.copy()).requires_grad_()
        optimizer = kind([p], lr=1.0, **options)
        for rate, target in zip(rates, targets):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            ((p - torch.from_numpy(target)) ** 2 / 2).sum().backward()
            optimizer.step()
        tensors[name] = p.detach().numpy()

    run("adam", torch.optim.Adam, betas=(0.9, 0.99))
    run("adam-decay", torch.optim.Adam, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)
    run("adamW", torch.optim.AdamW, betas=(0.9, 0.99), weight_decay=0.5)

    # Schedule-free AdamW, from the paper's three sequences: gradients at y, steps of z, averages x.
    beta1, beta2, eps, decay = 0.9, 0.99, 1e-8, 0.2
    x, z, v, weights = start.copy(), start.copy(), np.zeros(11), 0.0
    largest = 0.0
    for step, (rate, target) in enumerate(zip(rates, targets), 1):
        y = (1 - beta1) * z + beta1 * x
        g = y - target
        v = beta2 * v + (1 - beta2) * g * g
        z = z - rate * (g / (np.sqrt(v / (1 - beta2**step)) + eps) + decay * y)
        largest = max(largest, rate)
        weights += largest**2
        share = largest**2 / weights
        x = (1 - share) * x + share * z
    tensors["scheduleFree"] = (1 - beta1) * z + beta1 * x
    tensors["scheduleFree.average"] = x
    save("optimizers", {"kind": "optimizers"}, tensors)


def main():
    gradients()
    losses()
    optimizers()
    train("psnr", Compact(8, 2, 2), (2, 10, 8, 3), rate=2e-4)
    train("gan", RRDBNet(8, 4, 1), (2, 8, 8, 3), discriminator=UNetDiscriminatorSN(4), vgg=VGG())
    train("wgan-gp", Compact(8, 1, 2), (3, 12, 12, 3), discriminator=PatchGAN(6, 2, "none"), loss="wasserstein",
          weight=1e-2, lipschitz=10.0, per_generator=2, betas=(0.5, 0.9))
    train("r1", Compact(8, 1, 2), (2, 8, 8, 3), discriminator=UNetDiscriminatorSN(4), r1=10.0, interval=4)
    train("hinge-instance", Compact(6, 1, 2), (2, 12, 12, 3), discriminator=PatchGAN(6, 2, "instance"), loss="hinge",
          clip=0.5)
    train("squares-batch", Compact(6, 1, 2), (2, 12, 12, 3), discriminator=PatchGAN(6, 2, "batch"),
          loss="leastSquares")
    train("wgan-clip", Compact(6, 1, 2), (2, 12, 12, 3), discriminator=PatchGAN(6, 2, "none"), loss="wasserstein",
          weight=1e-2, limit=0.05)
    train("features-unet", Compact(6, 1, 2), (2, 8, 8, 3), discriminator=UNetDiscriminatorSN(4), features=0.5)
    train("features-patch", Compact(6, 1, 2), (2, 12, 12, 3), discriminator=PatchGAN(6, 2, "batch"),
          loss="leastSquares", features=0.25)
    train("features-vgg", Compact(6, 1, 2), (2, 32, 32, 3), discriminator=VGGDiscriminator(2, 64), features=0.25)


if __name__ == "__main__":
    main()
