"""One training step of a whole captioner beside its twin on torch's modules, and its memory."""

import multiprocessing
import resource
from pathlib import Path

import torch

from helpers.captioner import CaptioningRNN
from helpers.layers import prepare_process
from helpers.vocabulary import END, NULL, START, Vocabulary
from tools.benchmarks.cells import engines, with_engine
from tools.benchmarks.timing import interleaved, row
from tools.benchmarks.twin import TorchCaptioner

SIZES = {"N": 128, "T": 16, "E": 256, "H": 512, "P": 49, "C": 1280}
WORDS = (2_500, 10_000)
CELLS = ("lstm", "attn")


def measure(repetitions=5, device="cpu", sizes=SIZES):
    """Time training steps at every size of vocabulary. Yields: rows"""
    for V in WORDS:
        for cell in CELLS:
            steps = training_steps(cell, V, sizes, device)
            task, size = f"captioner, {cell}", describe(cell, V, sizes)
            yield row(task, size, interleaved(steps, repetitions))


def describe(cell, V, sizes):
    """Return the sizes that matter to a cell, as text."""
    names = [name for name in sizes if cell == "attn" or name != "P"]
    return " ".join(f"{name}={sizes[name]}" for name in names) + f" V={V}"


def make_batch(cell, V, sizes, device="cpu"):
    """Make a captioner, features and captions of 9 to 16 words with their padding.

    Returns: CaptioningRNN, features (N, C) or (N, P, C), captions (N, T + 1)
    """
    torch.manual_seed(0)
    N, T, E, H, P, C = (sizes[name] for name in "NTEHPC")
    vocabulary = Vocabulary([f"w{i}" for i in range(V - 4)])
    model = CaptioningRNN(vocabulary, cell, C, E, H).to(device)
    features = torch.randn((N, P, C) if cell == "attn" else (N, C), device=device)
    captions = torch.randint(4, V, (N, T + 1))
    captions[:, 0] = START
    lengths = torch.randint(T // 2 + 1, T + 1, (N, 1))
    positions = torch.arange(T + 1)
    captions = torch.where(positions == lengths, END, captions)
    captions = torch.where(positions > lengths, NULL, captions)
    return model, features, captions.to(device)


def training_steps(cell, V, sizes, device="cpu"):
    """Return variants of a training step: functions that return the loss and the gradients."""
    model, features, captions = make_batch(cell, V, sizes, device)
    twin = TorchCaptioner(model).to(device)

    def step(captioner, precision):
        def run():
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                loss = captioner(features, captions)
            return loss, torch.autograd.grad(loss, list(captioner.parameters()))

        return run

    steps = {}
    for precision in ("float32", "bf16"):
        steps[f"torch, {precision}"] = step(twin, precision)
        for engine in engines(device):
            steps[f"{engine}, {precision}"] = with_engine(engine, step(model, precision))
    return steps


def measure_memory(sizes=SIZES, words=WORDS, cells=CELLS):
    """Weigh what a training step in float32 needs beyond model and batch, each in a new process.

    Yields: rows
    """
    for V in words:
        for cell in cells:
            peaks = {}
            for variant in ("torch", *engines()):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    peak = pool.apply(_peak_memory, (cell, V, sizes, f"{variant}, float32"))
                peaks[f"{variant}, float32"] = [peak]
            yield row(f"memory, {cell}", describe(cell, V, sizes), peaks, "MB")


def _peak_memory(cell, V, sizes, variant):
    """Return by how many megabytes two training steps raise the process's peak memory."""
    prepare_process()
    tiny = dict.fromkeys(sizes, 2)
    for each in training_steps(cell, 10, tiny).values():
        each()  # what torch loads on first use is not counted
    step = training_steps(cell, V, sizes)[variant]
    before = _high_water()
    step()
    step()
    return _high_water() - before


def _high_water():
    """Return the largest memory this process has had so far, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; there getrusage would start from the parent's memory
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes
