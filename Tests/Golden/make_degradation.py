"""Golden values for Tests/DegradationTests: data/degradation.safetensors.

    python Tests/Golden/make_degradation.py

Kernels are written from their formulas (Real-ESRGAN, section 3) with NumPy and SciPy's Bessel function; resizes come
from PyTorch and Pillow, unsharp masking from OpenCV, JPEG's tables and pictures from Pillow. Needs numpy, scipy, torch,
pillow, opencv-python-headless and safetensors.
"""

import io
import json
import os

import cv2
import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from scipy.special import j1
import torch
import torch.nn.functional as F

from philox import Philox

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def covariance(sigma_x, sigma_y, rotation):
    turn = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    return turn @ np.diag([sigma_x**2, sigma_y**2]) @ turn.T


def kernel(kind, size, sigma_x, sigma_y, rotation, beta):
    axis = np.arange(size) - size // 2
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).astype(np.float64)
    if kind == "sinc":
        radius = np.sqrt((grid**2).sum(-1))
        with np.errstate(invalid="ignore", divide="ignore"):
            values = beta * j1(beta * radius) / (2 * np.pi * radius)
        values[size // 2, size // 2] = beta**2 / (4 * np.pi)
    else:
        inverse = np.linalg.inv(covariance(sigma_x, sigma_y, rotation))
        q = np.einsum("yxi,ij,yxj->yx", grid, inverse, grid)
        values = {
            "gaussian": lambda: np.exp(-0.5 * q),
            "generalised": lambda: np.exp(-0.5 * q**beta),
            "plateau": lambda: 1 / (q**beta + 1),
        }[kind]()
    values /= values.sum()
    margin = (21 - size) // 2
    return np.pad(values, margin)


def picture(height, width, seed):
    """Blocks with texture on them, as floats; Tests/DegradationTests draws the same."""
    blocks = Philox(seed).uniform((height + 7) // 8 * ((width + 7) // 8) * 3)
    blocks = blocks.reshape((height + 7) // 8, (width + 7) // 8, 3).repeat(8, 0).repeat(8, 1)[:height, :width]
    texture = Philox(seed + 1).uniform(height * width * 3).reshape(height, width, 3)
    return np.float32(0.1) + np.float32(0.6) * blocks + np.float32(0.3) * texture


def usm(image, weight=0.5, radius=51, threshold=10):
    blur = cv2.GaussianBlur(image, (radius, radius), 0, borderType=cv2.BORDER_REFLECT_101)
    residual = image - blur
    mask = (np.abs(residual) * 255 > threshold).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (radius, radius), 0, borderType=cv2.BORDER_REFLECT_101)
    sharp = np.clip(image + weight * residual, 0, 1)
    return soft * sharp + (1 - soft) * image


def main():
    tensors, cases = {}, {"kernels": [], "resizes": [], "jpegs": []}
    kernels = [
        ("gaussian", 7, 0.2, 0.2, 0.0, 0.0), ("gaussian", 13, 1.2, 1.2, 0.0, 0.0),
        ("gaussian", 21, 3.0, 0.7, 0.9, 0.0), ("generalised", 11, 1.5, 1.5, 0.0, 0.5),
        ("generalised", 21, 2.5, 1.0, -2.2, 3.7), ("plateau", 15, 2.0, 2.0, 0.0, 1.4),
        ("plateau", 21, 0.9, 2.8, 2.6, 2.0), ("sinc", 7, 0, 0, 0, np.pi / 3), ("sinc", 21, 0, 0, 0, np.pi / 5),
        ("sinc", 13, 0, 0, 0, 2.9),
    ]
    for index, (kind, size, sigma_x, sigma_y, rotation, beta) in enumerate(kernels):
        tensors[f"kernel.{index}"] = kernel(kind, size, sigma_x, sigma_y, rotation, beta)
        cases["kernels"].append(
            {"kind": kind, "size": size, "sigmaX": sigma_x, "sigmaY": sigma_y, "rotation": rotation, "beta": beta}
        )
    source = picture(37, 50, 7)
    planes = torch.from_numpy(source).permute(2, 0, 1)[None]
    for height, width in [(37, 30), (18, 25), (11, 13), (55, 75), (40, 9)]:
        for mode in ["area", "bilinear", "bicubic", "antialiased"]:
            if mode == "antialiased":
                result = np.stack(
                    [
                        np.asarray(Image.fromarray(source[..., c]).resize((width, height), Image.BICUBIC))
                        for c in range(3)
                    ],
                    axis=-1,
                )
            else:
                arguments = {} if mode == "area" else {"align_corners": False}
                result = F.interpolate(planes, size=(height, width), mode=mode, **arguments)[0].permute(1, 2, 0).numpy()
            tensors[f"resize.{len(cases['resizes'])}"] = result
            cases["resizes"].append({"height": height, "width": width, "mode": mode})
    # A kernel over a picture with mirrored edges, one that is not symmetric about its axes.
    tensors["blurred"] = cv2.filter2D(source, -1, kernel(*kernels[4]), borderType=cv2.BORDER_REFLECT_101)
    tensors["sharpened"] = usm(picture(70, 64, 9))
    codes = (picture(48, 56, 11) * 255 + 0.5).astype(np.uint8)
    for quality in [1, 10, 30, 50, 75, 95, 100]:
        file = io.BytesIO()
        Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        file.seek(0)
        opened = Image.open(file)
        tensors[f"jpeg.{quality}"] = np.asarray(opened.convert("RGB")) / 255
        # Row by row, as Pillow has them.
        cases["jpegs"].append({"quality": quality, "tables": [list(opened.quantization[t]) for t in (0, 1)]})
    path = os.path.join(DATA, "degradation.safetensors")
    tensors = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in tensors.items()}
    save_file(tensors, path, metadata={"golden": json.dumps(cases, sort_keys=True)})
    print(os.path.getsize(path), "bytes")


main()
