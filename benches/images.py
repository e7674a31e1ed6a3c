"""Decoding and stretching images: ours beside Pillow and torchvision, on the same files, in turn.

    python3 -m venv venv && venv/bin/pip install torch==2.9.1 torchvision==0.24.1 pillow==13.0.0 numpy
    venv/bin/python benches/images.py FOLDER [FOLDER ...] [--files 300] [--times 5]

Prints Markdown: images a second at 224 and 480 pixels with one and two workers (threads of ours, processes of the others),
the peak of resident memory of a worker, and how far the pixels are from Pillow's.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SIZES, WORKERS = (224, 480), (1, 2)
ROOT = pathlib.Path(__file__).resolve().parent.parent


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def worker(side, files):
    """Answers `SIZE PART PARTS` with the seconds that its part of the files took."""
    if side == "pillow":
        from PIL import Image

        def load(file, size):
            return Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    else:
        import torch
        from torchvision.io import ImageReadMode, decode_image
        from torchvision.transforms.v2.functional import InterpolationMode, resize

        torch.set_num_threads(1)

        def load(file, size):
            image = decode_image(file, mode=ImageReadMode.RGB)
            return resize(image, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True)

    for line in sys.stdin:
        size, part, parts = map(int, line.split())
        start = time.perf_counter()
        for file in files[part::parts]:
            load(file, size)
        print(json.dumps({"seconds": time.perf_counter() - start, "peak_kib": peak_kib()}), flush=True)


class Process:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def cpu(self):
        """Seconds of processor time so far, in steps of a hundredth; None where the system does not tell."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return None
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a side ended without an answer")
        return json.loads(line)


class Ours:
    def __init__(self, binary, files):
        self.process = Process([binary, files])
        self.processes = [self.process]

    def time(self, size, workers):
        self.process.send(f"time {size} {workers}")
        answer = self.process.receive()
        return answer["seconds"], answer["peak_kib"]


class Theirs:
    def __init__(self, side, files):
        command = [sys.executable, __file__, "--worker", side, "--list", files]
        self.processes = [Process(command) for _ in range(max(WORKERS))]

    def time(self, size, workers):
        used = self.processes[:workers]
        start = time.perf_counter()
        for part, process in enumerate(used):
            process.send(f"{size} {part} {workers}")
        answers = [process.receive() for process in used]
        return time.perf_counter() - start, max(answer["peak_kib"] for answer in answers)


def agreement(ours, files, folder):
    """How far our pixels are from Pillow's, from file to stretched image."""
    import numpy as np
    from PIL import Image

    for size in SIZES:
        target = pathlib.Path(folder) / "pixels"
        ours.process.send(f"pixels {size} {target}")
        ours.process.receive()
        pixels = np.memmap(target, np.uint8, "r").reshape(len(files), size, size, 3)
        total, beyond, greatest, equal = 0, 0, 0, 0
        for file, found in zip(files, pixels):
            expected = np.asarray(Image.open(file).convert("RGB").resize((size, size), Image.Resampling.BICUBIC))
            difference = np.abs(found.astype(np.int16) - expected)
            total += difference.mean()
            beyond += (difference > 1).mean()
            greatest = max(greatest, int(difference.max()))
            equal += int(not difference.any())
        count = len(files)
        print(f"At {size}: {equal} of {count} images equal Pillow's to the bit; mean difference {total / count:.5f} levels, "
              f"{100 * beyond / count:.4f} % of values off by more than 1, greatest {greatest}.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--binary")
    parser.add_argument("--worker")
    parser.add_argument("--list")
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker, pathlib.Path(options.list).read_text().splitlines())

    binary = options.binary
    if not binary:
        subprocess.run(["cargo", "build", "--quiet", "-p", "miss-data", "--example", "image_bench"], cwd=ROOT, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
        binary = str(pathlib.Path(target) / "debug/examples/image_bench")
    files = sorted(str(path) for folder in options.folders for path in pathlib.Path(folder).rglob("*")
                   if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    random.Random(0).shuffle(files)
    files = files[: options.files]
    if not files:
        sys.exit("no JPEG or PNG there")
    with tempfile.TemporaryDirectory() as folder:
        listed = pathlib.Path(folder) / "list"
        listed.write_text("\n".join(files))
        sides = {"ours": Ours(binary, listed)}
        sides |= {side: Theirs(side, str(listed)) for side in ("pillow", "torchvision")}
        cases = [(size, workers) for size in SIZES for workers in WORKERS]
        seconds = {(side, case): [] for side in sides for case in cases}
        cpu = {key: 0 for key in seconds}
        peaks = {}
        for side in sides.values():  # Does not count: files come into memory, programs start.
            side.time(SIZES[0], max(WORKERS))
        for turn in range(options.times):
            for case in cases:
                order = list(sides)
                for side in order[turn % 3:] + order[: turn % 3]:
                    before = [process.cpu() for process in sides[side].processes]
                    elapsed, peaks[side] = sides[side].time(*case)
                    seconds[side, case].append(elapsed)
                    after = [process.cpu() for process in sides[side].processes]
                    cpu[side, case] += sum(b - a for a, b in zip(before, after) if a is not None)
        print(f"{len(files)} files, {options.times} alternations; images a second, median (best).\n")
        print("| Pixels | Workers | Ours | Pillow | torchvision | Ours / Pillow | Ours / torchvision |\n|---|---|---|---|---|---|---|")
        for case in cases:
            rate = {side: len(files) / statistics.median(seconds[side, case]) for side in sides}
            best = {side: len(files) / min(seconds[side, case]) for side in sides}
            # Of neighbours in time, so that other work on the machine hits both.
            times = {side: statistics.median(b / a for a, b in zip(seconds["ours", case], seconds[side, case]))
                     for side in ("pillow", "torchvision")}
            print(f"| {case[0]} | {case[1]} | " + " | ".join(f"{rate[s]:.0f} ({best[s]:.0f})" for s in sides)
                  + f" | {times['pillow']:.2f} | {times['torchvision']:.2f} |")
        print("\nProcessor time an image, ms (not a matter of what else the machine does):\n\n"
              "| Pixels | Workers | Ours | Pillow | torchvision | Pillow / ours |\n|---|---|---|---|---|---|")
        for case in cases:
            each = [1e3 * cpu[side, case] / options.times / len(files) for side in sides]
            print(f"| {case[0]} | {case[1]} | " + " | ".join(f"{ms:.2f}" for ms in each)
                  + f" | {each[1] / max(each[0], 1e-9):.2f} |")
        print("\nPeak of resident memory of a process: "
              + ", ".join(f"{side} {peaks[side] / 1024:.0f} MiB" for side in sides) + ".\n")
        agreement(sides["ours"], files, folder)


if __name__ == "__main__":
    main()
