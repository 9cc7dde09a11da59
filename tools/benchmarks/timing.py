"""Measure functions in turns, and say on what machine."""

import dataclasses
import platform
import random
import statistics
import time
from pathlib import Path

import numpy as np
import torch


@dataclasses.dataclass
class Row:
    """One line of the table.

    task, size, variant: what was measured
    median, low, high: the median with its quartiles, in `unit`
    gflops: matrix products only, in GFLOP/s; None where they are not what counts
    share: of the machine's own matrix product in the same precision and the same run
    ratio: of this median to the median of the variant that others are compared with
    """

    task: str
    size: str
    variant: str
    median: float
    low: float
    high: float
    gflops: float | None = None
    share: float | None = None
    ratio: float | None = None
    unit: str = "ms"


def interleaved(steps, repetitions, warm_up=2, rest=0):
    """Time functions in turns, so that whatever else the machine does meets all of them alike.

    The order changes from turn to turn: what ran just before decides what the caches hold.

    Inputs:
        steps: dict from name to a function without arguments
        repetitions: how often each is timed, after `warm_up` turns that are not
        rest: seconds to wait before each, which then runs once untimed: for functions of two
            libraries whose threads, done with a product, wait busily for the next one
    Returns: dict from name to a list of durations in milliseconds
    """
    durations = {name: [] for name in steps}
    order, turns = list(steps), random.Random(0)
    for repetition in range(warm_up + repetitions):
        turns.shuffle(order)
        for name in order:
            if rest:
                time.sleep(rest)
                steps[name]()
            wait_for_device()
            start = time.perf_counter()
            steps[name]()
            wait_for_device()
            if repetition >= warm_up:
                durations[name].append(1000 * (time.perf_counter() - start))
    return durations


def wait_for_device():
    """Wait until a GPU, if there is one, has done what was asked of it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def rows(task, size, steps, repetitions, reference, flops=None, peaks=None, warm_up=2, rest=0):
    """Time the variants of one task.

    Inputs:
        task, size: text
        steps: dict from variant to a function without arguments
        reference: the variant that the others are compared with
        flops: of the matrix products of one call
        peaks: dict from "float32", "bf16" and "NumPy" to GFLOP/s; a variant's name holds its own
        warm_up, rest: as for `interleaved`
    Returns: list of `Row`s
    """
    durations = interleaved(steps, repetitions, warm_up, rest)
    base = statistics.median(durations[reference])
    result = []
    for variant, each in durations.items():
        low, median, high = np.quantile(each, [0.25, 0.5, 0.75]).tolist()
        gflops = flops / median / 1e6 if flops else None
        peak = next((p for name, p in (peaks or {}).items() if name in variant), None)
        share = gflops / peak if gflops and peak else None
        result.append(Row(task, size, variant, median, low, high, gflops, share, median / base))
    return result


def measure_peaks(device="cpu", n=2048, repetitions=5):
    """Measure this machine's matrix product: square, on its own, the best of a few.

    Returns: dict from "bf16", "float32" and "NumPy" (always on the CPU) to GFLOP/s
    """
    x = torch.ones(n, n, device=device)
    narrow, array = x.bfloat16(), x.cpu().numpy()
    durations = interleaved(
        {"bf16": lambda: narrow @ narrow, "float32": lambda: x @ x}, repetitions
    )
    durations |= interleaved({"NumPy": lambda: array @ array}, repetitions)
    return {name: 2 * n**3 / min(each) / 1e6 for name, each in durations.items()}


def machine(device="cpu"):
    """Describe where and on what a run was made. Returns: dict of text and numbers."""
    name = torch.cuda.get_device_name() if device == "cuda" else cpu_model()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def cpu_model():
    """Return the processor's name where the system tells it, else its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


HEADER = """\
| task | size | variant | median (quartiles) | GFLOP/s | of peak | ratio |
|---|---|---|---:|---:|---:|---:|"""


def as_line(row):
    """Format a row as a line of a Markdown table under `HEADER`."""
    digits = 1 if row.median < 1000 else 0
    spread = f"{row.median:.{digits}f} {row.unit}"
    if row.low < row.high:
        spread += f" ({row.low:.{digits}f} to {row.high:.{digits}f})"
    gflops = "" if row.gflops is None else f"{row.gflops:.0f}"
    share = "" if row.share is None else f"{row.share:.0%}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return f"| {' | '.join((row.task, row.size, row.variant, spread, gflops, share, ratio))} |"
