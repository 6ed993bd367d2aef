"""Golden values for Tests/MetricsTests: pairs of pictures and what independent code says of them.

SSIM and PSNR come from scikit-image, MS-SSIM from pytorch-msssim (even sizes, five scales) and from a plain definition
in double precision by scipy (odd sizes, fewer scales). Run it with the packages of requirements.txt and with
scikit-image 0.26, pytorch-msssim 1.0 and scipy 1.17; it writes data/metrics.json.
"""

import json
import pathlib

import numpy as np
from philox import Philox
import torch
from pytorch_msssim import ms_ssim
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
LUMA = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722), "bt2020": (0.2627, 0.6780, 0.0593)}


def luma(picture, weights):
    return 16 / 255 + 219 / 255 * (picture.astype(np.float64) @ np.array(weights))


def pair(height, width, noise, seed):
    """Blocks with texture on them, and the same with less contrast and noise; Tests/MetricsTests draws the same."""

    def uniform(stream, *shape):
        return Philox(seed + stream).uniform(int(np.prod(shape))).reshape(shape).astype(np.float64)

    blocks = uniform(0, (height + 7) // 8, (width + 7) // 8, 3).repeat(8, 0).repeat(8, 1)[:height, :width]
    a = 0.1 + 0.6 * blocks + 0.2 * uniform(1, height, width, 3)
    return a, 0.9 * a + 0.03 + noise * (uniform(2, height, width, 3) - 0.5)


def terms(a, b):
    kernel = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5**2))
    kernel /= kernel.sum()

    def blur(p):
        return correlate1d(correlate1d(p, kernel, axis=0), kernel, axis=1)[5:-5, 5:-5]

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
    cs = (2 * cov + 0.03**2) / (va + vb + 0.03**2)
    return (cs * (2 * ma * mb + 0.01**2) / (ma**2 + mb**2 + 0.01**2)).mean(), cs.mean()


def plain_ms_ssim(a, b):
    scales, side = 1, min(a.shape)
    while scales < 5 and (side + 1) // 2 >= 11:
        side, scales = (side + 1) // 2, scales + 1
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    result = 1.0
    for scale in range(scales):
        similarity, cs = terms(a, b)
        result *= max(0, similarity if scale == scales - 1 else cs) ** weights[scale]
        if scale < scales - 1:
            pad = [(0, n % 2) for n in a.shape]
            a, b = (np.pad(p, pad, mode="edge") for p in (a, b))
            a, b = (p.reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2).mean((1, 3)) for p in (a, b))
    return result, scales


def main():
    cases = []
    for height, width, noise, matrix in [
        (192, 208, 0.1, "bt601"), (177, 181, 0.3, "bt709"), (64, 80, 0.03, "bt2020"), (11, 23, 0.15, "bt601")
    ]:
        seed = 100 * len(cases)
        a, b = pair(height, width, noise, seed)
        ya, yb = luma(a, LUMA[matrix]), luma(b, LUMA[matrix])
        ssim = structural_similarity(
            ya, yb, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, win_size=11
        )
        multi, scales = plain_ms_ssim(ya, yb)
        if scales == 5 and height % 16 == 0 and width % 16 == 0:
            planes = (torch.from_numpy(p)[None, None] for p in (ya, yb))
            other = ms_ssim(*planes, data_range=1, win_size=11).item()
            assert abs(other - multi) < 1e-6, (other, multi)
            multi = other
        cases.append(
            {
                "height": height,
                "width": width,
                "noise": noise,
                "seed": seed,
                "luma": matrix,
                "psnrRGB": float(peak_signal_noise_ratio(a, b, data_range=1)),
                "psnrY": float(peak_signal_noise_ratio(ya, yb, data_range=1)),
                "ssim": float(ssim),
                "msSSIM": float(multi),
                "scales": scales,
            }
        )
    path = pathlib.Path(__file__).parent / "data" / "metrics.json"
    path.write_text(json.dumps(cases, indent=2) + "\n")


main()
