"""One training step of a whole captioner beside its twin on torch's modules, and its memory."""

import multiprocessing
import resource
from pathlib import Path

import torch

from helpers.captioner import CaptioningRNN
from helpers.vocabulary import END, NULL, START, Vocabulary
from tools.benchmarks.cells import products as cell_products
from tools.benchmarks.timing import Row, rows
from tools.benchmarks.twin import TorchCaptioner

SIZES = {"N": 128, "T": 16, "E": 256, "H": 512, "P": 49, "C": 1280}
WORDS = (2_500, 10_000)
CELLS = ("lstm", "attn")


def measure(peaks, words=WORDS, sizes=SIZES, repetitions=5, device="cpu"):
    """Time and weigh training steps at every size of vocabulary. Yields: `Row`s."""
    for V in words:
        for cell in CELLS:
            steps = training_steps(cell, V, sizes, device)
            task, size = f"captioner, {cell}", describe(cell, V, sizes)
            flops = products(cell, V, sizes)
            reference = "torch modules, float32"
            yield from rows(task, size, steps, repetitions, reference, flops, peaks)


def describe(cell, V, sizes):
    """Return the sizes that matter to a cell, as text."""
    names = [name for name in sizes if cell == "attn" or name != "P"]
    return " ".join(f"{name}={sizes[name]}" for name in names) + f" V={V}"


def products(cell, V, sizes):
    """Count the floating-point operations of a step's matrix products, padding included."""
    N, T, E, H, P, C = (sizes[name] for name in "NTEHPC")
    kind = "attention LSTM" if cell == "attn" else "LSTM"
    image = 2 * 2 * N * (P if cell == "attn" else 1) * C * H  # no gradient of the features
    return cell_products(kind, N, T, E, H, P) + image + 3 * 2 * N * T * H * V


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

    def step(captioner, precision="float32"):
        def run():
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                loss = captioner(features, captions)
            return loss, torch.autograd.grad(loss, list(captioner.parameters()))

        return run

    return {
        "ours, float32": step(model),
        "ours, bf16": step(model, "bf16"),
        "torch modules, float32": step(twin),
        "torch modules, bf16": step(twin, "bf16"),
    }


def measure_memory(words=WORDS, sizes=SIZES, cells=CELLS):
    """Weigh what a training step in float32 needs beyond model and batch, each in a new process.

    Yields: `Row`s
    """
    for V in words:
        for cell in cells:
            peaks = {}
            for variant in ("ours, float32", "torch modules, float32"):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    peaks[variant] = pool.apply(_peak_memory, (cell, V, sizes, variant))
            base = peaks["torch modules, float32"]
            yield from [
                Row(f"memory, {cell}", describe(cell, V, sizes), variant, peak, peak, peak,
                    ratio=peak / base, unit="MB")
                for variant, peak in peaks.items()
            ]  # fmt: skip


def _peak_memory(cell, V, sizes, variant):
    """Return by how many megabytes two training steps raise the process's peak memory."""
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
