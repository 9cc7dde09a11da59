"""Measure functions in turns, and say on what machine."""

import platform
import random
import statistics
import time
from pathlib import Path

import torch

# How a step may be computed, in the order of the table's columns.
VARIANTS = [
    f"{how}, {precision}"
    for precision in ("float32", "bf16")
    for how in ("torch", "textbook", "compiled", "autograd's loop", "products alone")
][:-2]
BASE = VARIANTS[0]  # what the others are compared with
HEADER = f"| task | size | {' | '.join(VARIANTS)} |\n|---|---|{'---:|' * len(VARIANTS)}"


def interleaved(steps, repetitions, warm_up=2):
    """Time functions in turns, so that whatever else runs meets all of them alike.

    Inputs:
        steps: dict from name to a function without arguments
        repetitions: timed calls of each
        warm_up: calls of each before
    Returns: dict from name to a list of durations in milliseconds
    """
    durations = {name: [] for name in steps}
    order, turns = list(steps), random.Random(0)
    for repetition in range(warm_up + repetitions):
        turns.shuffle(order)
        for name in order:
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


def row(task, size, values, unit="ms"):
    """Make a row of the table, for JSON.

    Inputs: values: dict from variant to a list of measurements in a unit
    Returns: dict: task, size, unit, and by variant the median, the quartiles and the ratio of the
        median to that of `BASE`
    """
    medians = {variant: statistics.median(each) for variant, each in values.items()}
    quartiles = {
        variant: statistics.quantiles(each, n=4)[::2] if len(each) > 1 else each * 2
        for variant, each in values.items()
    }
    ratios = {variant: median / medians[BASE] for variant, median in medians.items()}
    return {"task": task, "size": size, "unit": unit, "median": medians,
            "quartiles": quartiles, "ratio": ratios}  # fmt: skip


def as_line(row):
    """Format a row as a line of a Markdown table under `HEADER`."""
    cells = []
    for variant in VARIANTS:
        if variant not in row["median"]:
            cells.append("")
            continue
        median, ratio = row["median"][variant], row["ratio"][variant]
        text = f"{median:.{1 if median < 100 else 0}f} {row['unit']}"
        cells.append(text if variant == BASE else f"{text}, **{ratio:.2f}**")
    return f"| {' | '.join((row['task'], row['size'], *cells))} |"


def machine(device="cpu"):
    """Describe where and on what a run was made. Returns: dict of text and numbers."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if device == "cuda" else cpu_model(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def cpu_model():
    """Return the processor's name where the system tells it, else its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    said = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    if "model name" not in said:
        return platform.processor() or platform.machine()
    return f"{said['model name']} (family {said.get('cpu family')}, model {said.get('model')})"
