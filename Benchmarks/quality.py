"""Measures x2 models against bicubic on pictures that they never saw; run by Benchmarks/quality.

Pictures are cut to even sides, halved by Pillow's bicubic filter (antialiased, 8 bits) and enlarged again by the model and
by Pillow's bicubic filter. PSNR is that of luma (BT.601), over the picture without a border of 4 pixels. Means are over
pictures; the clips' over their own frames first.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import skimage.data
from PIL import Image

PHOTOGRAPHS = [
    "astronaut", "camera", "chelsea", "coffee", "rocket", "coins", "brick", "grass", "gravel", "hubble_deep_field", "retina",
    "immunohistochemistry",
]
CLIPS = ["bigbuckbunny", "bikes", "carphone_pristine"]
FRAMES = 8


def luma(picture):
    return np.asarray(picture, np.float64) @ [0.299, 0.587, 0.114]


def psnr(a, b, border=4):
    difference = (luma(a) - luma(b))[border:-border, border:-border]
    return 10 * np.log10(255**2 / np.mean(difference**2))


def even(picture):
    return picture.crop((0, 0, picture.width // 2 * 2, picture.height // 2 * 2))


def photographs():
    for name in PHOTOGRAPHS:
        try:
            picture = getattr(skimage.data, name)()
        except Exception as error:  # Some are downloaded by scikit-image on first use.
            print(f"not measured: {name} ({type(error).__name__})", file=sys.stderr)
            continue
        yield name, even(Image.fromarray(picture).convert("RGB"))


def frames(path, folder):
    """Frames spread over the clip, as the decoder has them, through ffmpeg's conversion."""
    count = int(subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-count_packets", "-show_entries", "stream=nb_read_packets",
         "-of", "csv=p=0", path], capture_output=True, text=True, check=True).stdout.strip().strip(","))
    step = max(1, count // FRAMES)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-vf", f"select='not(mod(n,{step}))',scale=sws_flags=accurate_rnd+full_chroma_int",
         "-vsync", "0", "-frames:v", str(FRAMES), f"{folder}/%03d.png"], check=True)
    return [even(Image.open(f"{folder}/{name}").convert("RGB")) for name in sorted(os.listdir(folder))]


def compressed(path, folder, size):
    """Frames of the clip, halved by Pillow, coded by x264 at crf 28 all together, and decoded."""
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-frames:v", "64", f"{folder}/in%03d.png"], check=True)
    highs = [even(Image.open(f"{folder}/{name}").convert("RGB")) for name in sorted(os.listdir(folder))]
    for index, high in enumerate(highs):
        high.resize((high.width // 2, high.height // 2), Image.BICUBIC).save(f"{folder}/low{index:03d}.png")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", f"{folder}/low%03d.png", "-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-c:v", "libx264",
         "-crf", "28", "-pix_fmt", "yuv420p", f"{folder}/low.mp4"], check=True)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", f"{folder}/low.mp4", "-vf", "scale=sws_flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic",
         f"{folder}/out%03d.png"], check=True)
    lows = [Image.open(f"{folder}/{name}").convert("RGB") for name in sorted(os.listdir(folder)) if name.startswith("out")]
    step = max(1, len(lows) // FRAMES)
    pairs = list(zip(highs, lows))[::step]
    return [(high.crop((0, 0, low.width * 2, low.height * 2)), low) for high, low in pairs]


def halved(picture):
    return picture.resize((picture.width // 2, picture.height // 2), Image.BICUBIC)


def main():
    upframe, clips, models = sys.argv[1], sys.argv[2], sys.argv[3:]
    groups = {"photographs": [(name, [(high, halved(high))]) for name, high in photographs()]}
    groups["clips"], groups["clips, x264 crf 28"] = [], []
    for clip in CLIPS:
        path = f"{clips}/{clip}.mp4"
        if not os.path.exists(path):
            print(f"not measured: {clip} (no {path})", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            groups["clips"].append((clip, [(high, halved(high)) for high in frames(path, folder)]))
        with tempfile.TemporaryDirectory() as folder:
            groups["clips, x264 crf 28"].append((clip, compressed(path, folder, None)))

    print("| picture | bicubic, dB | " + " | ".join(f"{os.path.basename(m)}, gain" for m in models) + " |")
    print("| --- | --- |" + " --- |" * len(models))
    for group, items in groups.items():
        means = []
        for name, pairs in items:
            bicubic = np.mean([psnr(low.resize(high.size, Image.BICUBIC), high) for high, low in pairs])
            gains = []
            for model in models:
                with tempfile.TemporaryDirectory() as folder:
                    os.mkdir(f"{folder}/low")
                    for index, (_, low) in enumerate(pairs):
                        low.save(f"{folder}/low/{index:03d}.png")
                    subprocess.run(
                        [upframe, f"{folder}/low/", f"{folder}/high/", "--model", model, "--quiet", "--reuse", "off"],
                        check=True)
                    results = [Image.open(f"{folder}/high/{n}").convert("RGB") for n in sorted(os.listdir(f"{folder}/high"))]
                    gains.append(np.mean([psnr(ours, high) for ours, (high, _) in zip(results, pairs)]) - bicubic)
            means.append(gains)
            print(f"| {name} | {bicubic:.2f} | " + " | ".join(f"{gain:+.2f}" for gain in gains) + " |", flush=True)
        mean = np.mean(means, axis=0)
        print(f"| **{group}, mean** | | " + " | ".join(f"**{gain:+.2f}**" for gain in mean) + " |", flush=True)


if __name__ == "__main__":
    main()
