"""Runs ours and PyTorch's in alternation and prints a table. See README.md beside this file.

Each case has a process of its own on each side; the two are asked in turn, and the order changes every time.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WORKSPACE = HERE.parent
OPERATIONS = "linear linear_small attention attention_plain attention_deferred attention_cross attention_text softmax gelu layer_norm add split_heads embedding vocabulary log_softmax"
TRAINED = "linear linear_small attention attention_plain attention_deferred attention_cross attention_text softmax gelu layer_norm add embedding vocabulary log_softmax"
# What `xtask` tells the allocator when it starts: large buffers are kept, not given back to the system after every use.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
# Size, pixels a side, images of a batch, cases.
MODELS = [
    ("small", 224, 4, ["forward", "train", "generate", "eleven_forward", "eleven_generate", "eleven_train"]),
    ("base", 224, 2, ["forward", "train", "generate", "eleven_forward", "eleven_generate", "eleven_train"]),
    ("base", 480, 1, ["forward", "generate", "eleven_forward", "eleven_generate"]),
]


class Side:
    """A process that answers cases."""

    def __init__(self, command, threads, allocator=None):
        environment = os.environ | (allocator or {}) | {
            "RAYON_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_VERBOSITY": "error",
        }
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, case):
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args[0]} ended at {case!r}")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def agree(ours, theirs, case, tolerance=2e-3):
    """Whether two outputs are the same: tokens exactly, numbers closely."""
    numbers = lambda values: all(isinstance(value, float) for value in values)
    if numbers(ours) and numbers(theirs) and len(ours) == len(theirs):
        same = all(abs(a - b) <= tolerance * max(1, abs(b)) for a, b in zip(ours, theirs))
    else:
        same = ours == theirs
    if not same:
        sys.exit(f"{case}: the two sides do not compute the same:\n  ours   {ours}\n  theirs {theirs}")


def check(sides, case, steps=1):
    """Ends the program unless both sides compute the same."""
    for _ in range(steps):
        ours, theirs = (side.ask(case)["output"] for side in sides)
        agree(ours, theirs, case)


def alternate(sides, case, times):
    """Seconds of each side and the peak of each, after one run that does not count."""
    seconds, peaks = ([], []), [0, 0]
    for turn in range(times + 1):
        for side in (0, 1) if turn % 2 else (1, 0):
            answer = sides[side].ask(case)
            peaks[side] = answer["peak_kib"]
            if turn > 0:
                seconds[side].append(answer["seconds"])
    return seconds, peaks


def row(title, seconds, peaks=None):
    ours, theirs = (statistics.median(side) for side in seconds)
    ratios = sorted(b / a for a, b in zip(*seconds))
    spread = f"{ratios[0]:.2f} – {ratios[-1]:.2f}"
    unit = (lambda value: f"{value:.2f} s") if max(ours, theirs) >= 1 else (lambda value: f"{1e3 * value:.3g} ms")
    cells = [title, unit(ours), unit(theirs), f"**{theirs / ours:.2f}**", spread]
    if peaks:
        cells += [f"{peaks[0] / 1024:.0f}", f"{peaks[1] / 1024:.0f}", f"{peaks[0] / peaks[1]:.2f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def header(titles):
    print("\n| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="a Python with torch and transformers")
    parser.add_argument("--times", type=int, default=5, help="alternations (default 5)")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--quick", action="store_true", help="small only, two alternations")
    parser.add_argument("--only", help="models or ops whose name contains this, such as base-224 or ops")
    parser.add_argument("--cases", help="only these cases, separated by commas")
    parser.add_argument("--tune-pytorch", action="store_true", help="our allocator settings for PyTorch too")
    parser.add_argument("--bench", help="our program; built when not given")
    options = parser.parse_args()
    times = 2 if options.quick else options.times
    bench = options.bench or build()
    chosen = lambda name: not options.only or options.only in name
    picked = lambda cases: [case for case in cases if not options.cases or case in options.cases.split(",")]

    header(["Model and case", "ours", "PyTorch", "times as fast", "spread", "our MiB", "their MiB", "share"])
    for size, pixels, batch, cases in MODELS:
        name = f"{size}-{pixels}"
        if not chosen(name) or (options.quick and size != "small"):
            continue
        folder = WORKSPACE / "target" / "bench" / name
        setting = [str(pixels), str(batch)]
        subprocess.run([bench, "export", size, *setting, "0", str(folder)], check=True)
        for case in picked(cases):
            title = f"{name} {case}"
            # Random numbers of two libraries never agree: training is compared without dropout.
            if case.endswith("train"):
                pair = start(bench, options, folder, [size, *setting, "0"])
                check(pair, case, steps=2)
                end(pair)
            pair = start(bench, options, folder, [size, *setting, "0.1"])
            if not case.endswith("train"):
                check(pair, case)
            row(title, *alternate(pair, case, times))
            end(pair)

    if chosen("ops") and not options.quick:
        header(["Operation", "ours", "PyTorch", "times as fast", "spread"])
        pair = start(bench, options)
        for case in picked([*OPERATIONS.split(), *(f"{name}_train" for name in TRAINED.split()), "adamw", "adamw_loop"]):
            row(f"`{case}`", alternate(pair, case, times)[0])


def start(bench, options, folder=None, setting=None):
    """A process of each side: of a model, or of single operations."""
    script = str(HERE / "pytorch.py")
    ours = [bench, "model", *setting] if setting else [bench, "ops"]
    theirs = [options.python, script, "model", str(folder), *setting[1:]] if setting else [options.python, script, "ops"]
    both = {"allocator": ALLOCATOR} if options.tune_pytorch else {}
    return [Side(ours, options.threads, ALLOCATOR), Side(theirs, options.threads, **both)]


def end(pair):
    for side in pair:
        side.end()


def build():
    """Builds our program and returns its path."""
    command = ["cargo", "build", "--workspace", "--example", "bench", "--message-format", "json"]
    built = subprocess.run(command, cwd=WORKSPACE, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = map(json.loads, built.splitlines())
    return next(a["executable"] for a in artifacts if a.get("target", {}).get("name") == "bench" and a.get("executable"))


main()
