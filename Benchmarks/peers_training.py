"""Times the same training recipes in PyTorch and in Upframe; run by Benchmarks/peers-training.

Both draw the same weights and the same batches, take three steps, and are compared by what those say; then they run in
turn, for several rounds, each a process of its own. Networks are those of Tests/Golden/make_training.py.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Tests", "Golden"))
CASES = ["compact", "gan"]


# PyTorch's side, in a process of its own.


class Training:
    """As fast as eager PyTorch does it: channels_last, the fused Adam, averages of all weights in two calls."""

    def __init__(self, name, threads, device):
        import make_training as golden  # Sets one thread and no oneDNN, for reproducible golden values.
        import numpy as np
        import torch
        from philox import Philox

        self.torch, self.F = torch, torch.nn.functional
        self.on_gpu = device == "cuda"
        # Convolutions in TF32 on a GPU, as is PyTorch's default.
        torch.backends.cudnn.benchmark = True
        torch.set_num_threads(threads)
        torch.backends.mkldnn.enabled = True
        if name == "compact":
            self.generator, self.discriminator = golden.Compact(64, 16, 2), None
            low, scale, rate = (8, 48, 48, 3), 2, 2e-4
        else:
            self.generator, self.discriminator = golden.RRDBNet(32, 16, 6), golden.UNetDiscriminatorSN(32)
            low, scale, rate = (4, 32, 32, 3), 4, 1e-4
        networks = {"g.": self.generator}
        if self.discriminator:
            networks["d."] = self.discriminator
        golden.fill(networks, 5000)
        for network in networks.values():
            network.to(device, memory_format=torch.channels_last)

        def batch(seed, shape):
            x = torch.from_numpy(Philox(seed).uniform(int(np.prod(shape))).reshape(shape))
            return x.permute(0, 3, 1, 2).to(device).contiguous(memory_format=torch.channels_last)

        high = (low[0], low[1] * scale, low[2] * scale, 3)
        self.batches = [(batch(9000 + index, low), batch(9500 + index, high)) for index in range(4)]
        options = {"lr": rate, "betas": (0.9, 0.99), "fused": True}
        self.trained = list(self.generator.parameters())
        self.average = [p.detach().clone() for p in self.trained]
        self.optimizer_g = torch.optim.Adam(self.trained, **options)
        if self.discriminator:
            self.judges = list(self.discriminator.parameters())
            self.optimizer_d = torch.optim.Adam(self.judges, **options)
        self.step_number = 0
        self.losses = [self.step() for _ in range(3)]

    def step(self):
        torch, F = self.torch, self.F
        x, y = self.batches[self.step_number % len(self.batches)]
        self.step_number += 1
        said = {}
        self.optimizer_g.zero_grad(set_to_none=True)
        fake = self.generator(x)
        loss = F.l1_loss(fake, y)
        said["g.l1"] = loss.item()
        if self.discriminator:
            for p in self.judges:
                p.requires_grad_(False)
            logits = self.discriminator(fake)
            adversarial = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            said["g.adversarial"] = adversarial.item()
            loss = loss + 0.1 * adversarial
        loss.backward()
        self.optimizer_g.step()
        with torch.no_grad():
            torch._foreach_mul_(self.average, 0.999)
            torch._foreach_add_(self.average, self.trained, alpha=0.001)
        if self.discriminator:
            for p in self.judges:
                p.requires_grad_(True)
            self.optimizer_d.zero_grad(set_to_none=True)
            for name, pictures, target in (("real", y, 1.0), ("fake", fake.detach(), 0.0)):
                logits = self.discriminator(pictures)
                loss = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
                said["d." + name] = loss.item()
                loss.backward()
            self.optimizer_d.step()
        if self.on_gpu:
            torch.cuda.synchronize()
        return said


def problem(device):
    """Why PyTorch cannot take part; None when it can."""
    try:
        import torch
    except ImportError:
        return "this Python has no PyTorch"
    if device == "cuda" and not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no CUDA device"
    return None


def worker(threads, device):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # What libraries print goes elsewhere.
    absent = problem(device)
    print(json.dumps({"absent": absent}), file=answers)
    if absent:
        return
    training = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "train":
            training = None
            training = Training(words[1], threads, device)
            print(json.dumps({"losses": training.losses}), file=answers)
        else:
            times, start = [], time.perf_counter()
            while len(times) < 2 or time.perf_counter() - start < float(words[1]):
                begin = time.perf_counter()
                training.step()
                times.append((time.perf_counter() - begin) * 1000)
            print(json.dumps({"milliseconds": times}), file=answers)


# The side that asks.


class Engine:
    def __init__(self, label, command):
        self.label = label
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.absent = self.answer().get("absent")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"peers-training: {self.label} ended")
        return json.loads(line)

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        return self.answer()

    def rate(self, seconds):
        """Steps a second of one round."""
        times = self.ask(f"run {seconds}")["milliseconds"]
        # Threads that wait by spinning shall have gone to sleep before the next engine begins.
        time.sleep(0.4)
        return 1000 * len(times) / sum(times)


def main():
    parser = argparse.ArgumentParser(description="Training in Upframe beside PyTorch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="a round of one engine lasts so long")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--device", default="cpu", help="Upframe's: cpu, vulkan, vulkan:N; PyTorch is on CUDA beside Vulkan")
    parser.add_argument("--markdown", help="append the table to this file")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each figure in place of tables")
    options = parser.parse_args()

    def tell(**values):
        if options.json:
            print(json.dumps(values), flush=True)

    threads = str(options.threads)
    on_cpu = options.device == "cpu"
    own_label = "Upframe" + ("" if on_cpu else ", values in fp16 where that is enough")
    label = "PyTorch, channels_last" + ("" if on_cpu else ", TF32, CUDA")
    theirs = Engine(label, [sys.executable, os.path.abspath(__file__), "--worker", threads, "cpu" if on_cpu else "cuda"])
    for case in options.case or CASES:
        tell(case=case)
    if theirs.absent:
        tell(engine=own_label, failed="not run without PyTorch beside it; its own speed is under Training")
        tell(engine=label, failed=theirs.absent)
        if options.json:
            return
        raise SystemExit(f"peers-training: {theirs.absent}")
    bench = [os.environ["UPFRAME_BENCH"], "serve", "--device", options.device]
    ours = Engine(own_label, bench + (["--threads", threads] if on_cpu else []))
    for engine in (ours, theirs):
        tell(engine=engine.label)
    lines = [f"{options.device}, {threads} threads each, {options.rounds} rounds of {options.seconds:g} s; "
             f"{time.strftime('%Y-%m-%d')}", "",
             "| recipe | Upframe, steps/s | PyTorch, steps/s | ratio of medians | ratios of the rounds | largest "
             "difference of the first losses |", "| --- | --- | --- | --- | --- | --- |"]
    for case in options.case or CASES:
        said = {engine: engine.ask(f"train {case}")["losses"] for engine in (ours, theirs)}
        difference = max(abs(a[name] - b[name]) / abs(b[name])
                         for a, b in zip(said[ours], said[theirs], strict=True) for name in b)
        rates = {ours: [], theirs: []}
        for turn in range(options.rounds):
            # Who goes first changes from round to round.
            for engine in (ours, theirs) if turn % 2 == 0 else (theirs, ours):
                rates[engine].append(engine.rate(options.seconds))
        for engine, values in rates.items():
            print(f"{case}, {engine.label}: {' '.join(f'{value:.2f}' for value in values)}", file=sys.stderr)
        medians = {engine: statistics.median(values) for engine, values in rates.items()}
        ratios = [a / b for a, b in zip(rates[ours], rates[theirs])]
        for engine, own in ((ours, [1.0]), (theirs, ratios)):
            tell(case=case, engine=engine.label, milliseconds=1000 / medians[engine], min=1000 / max(rates[engine]),
                 ratio=statistics.median(own), low=min(own), high=max(own), difference=difference)
        lines.append(f"| {case} | {medians[ours]:.2f} | {medians[theirs]:.2f} | {medians[ours] / medians[theirs]:.2f} | "
                     f"{min(ratios):.2f} to {max(ratios):.2f} | {difference:.1e} |")
    if not options.json:
        print("\n".join(lines))
    if options.markdown:
        with open(options.markdown, "a") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(int(sys.argv[2]), sys.argv[3])
    else:
        main()
