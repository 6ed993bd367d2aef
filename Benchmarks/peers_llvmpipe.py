"""Upframe and ncnn on one Vulkan device, in turn; run by Benchmarks/peers-llvmpipe."""

import argparse
import json
import os
import statistics
import subprocess
import sys

SIZE = 64

# Runs in a process of its own: prints milliseconds of every frame but the first, which compiles, and the largest
# difference from ncnn on the processor.
NCNN = """
import json, os, sys, time
import ncnn
import numpy as np

size, runs, device, half = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "fp16"
path = os.environ["NCNN_MODELS"] + "/realesr-animevideov3-x4"
picture = np.random.default_rng(1).random((3, size, size), dtype=np.float32)

def run(gpu, half, runs):
    net = ncnn.Net()
    net.opt.use_vulkan_compute = gpu
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, name, half)
    if gpu:
        net.set_vulkan_device(device)
    net.load_param(path + ".param")
    net.load_model(path + ".bin")
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(picture).clone())
        result = np.array(extractor.extract("output")[1])
        times.append((time.perf_counter() - start) * 1000)
    return result, times[1:]

right, _ = run(False, False, 1)
result, times = run(True, half, runs)
print(json.dumps({"times": times, "difference": float(np.abs(result - right).max())}))
"""


def upframe(command, arguments, precision):
    """Median and minimum of a process's frames."""
    output = subprocess.run(
        [command, "bench", "--model", "animevideov3-x4", "--device", arguments.device, "--precision", precision, "--size",
         f"{SIZE}x{SIZE}", "--runs", str(arguments.runs), "--network-only", "--json"],
        check=True, capture_output=True, text=True).stdout
    times = json.loads(output)["network"]["milliseconds"]
    return times["median"], times["min"], None


def peer(arguments, precision):
    device = arguments.device.partition(":")[2] or "0"
    output = subprocess.run(
        [sys.executable, "-c", NCNN, str(SIZE), str(max(3, arguments.runs // 4)), device, precision], check=True,
        capture_output=True, text=True).stdout
    result = json.loads(output.splitlines()[-1])
    return statistics.median(result["times"]), min(result["times"]), result["difference"]


def main():
    parser = argparse.ArgumentParser(prog="peers-llvmpipe")
    parser.add_argument("upframe")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--device", default="vulkan:0")
    arguments = parser.parse_args()
    engines = {
        "Upframe fp16": lambda: upframe(arguments.upframe, arguments, "fp16"),
        "Upframe fp32": lambda: upframe(arguments.upframe, arguments, "fp32"),
        "ncnn fp32": lambda: peer(arguments, "fp32"),
        "ncnn fp16": lambda: peer(arguments, "fp16"),
    }
    results = {name: [] for name in engines}
    for number in range(arguments.rounds):
        # Who goes first changes.
        names = list(engines) if number % 2 == 0 else list(engines)[::-1]
        for name in names:
            results[name].append(engines[name]())
            print(f"round {number + 1}, {name}: median {results[name][-1][0]:.1f} ms", file=sys.stderr)
    medians = {name: statistics.median(r[0] for r in rows) for name, rows in results.items()}
    minima = {name: min(r[1] for r in rows) for name, rows in results.items()}
    best = min((name for name in engines if name.startswith("ncnn")), key=medians.get)
    print("| engine | ms a frame, median of the rounds' medians | min | "
          f"{best} / it, medians | minima | largest difference from ncnn's CPU |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, rows in results.items():
        difference = f"{rows[0][2]:.1e}" if rows[0][2] is not None else ""
        print(f"| {name} | {medians[name]:.1f} | {minima[name]:.1f} | {medians[best] / medians[name]:.2f} | "
              f"{minima[best] / minima[name]:.2f} | {difference} |")


if __name__ == "__main__":
    main()
