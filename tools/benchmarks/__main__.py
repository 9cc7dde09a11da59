"""Measure speed and memory beside PyTorch's own modules; print one table and write it as JSON.

    python -m tools.benchmarks [--only cells captioner ...] [--repetitions 7]

Variants of a step take turns in one process. A cell has the median, and how many times torch's
own modules' in float32 that is: below 1 is faster.
"""

import argparse
import json

import torch

from helpers.files import atomic_write
from helpers.layers import prepare_process
from tools.benchmarks import captioner, cells, startup
from tools.benchmarks.timing import HEADER, as_line, machine

PARTS = {
    "cells": lambda options: cells.measure(options.repetitions, options.device),
    "captioner": lambda options: captioner.measure(options.repetitions, options.device),
    "memory": lambda options: captioner.measure_memory(),
    "startup": lambda options: startup.measure(),
}


def main(arguments=None):
    """Parse the options, measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=f"parts to measure: {', '.join(PARTS)}")  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=7, help="timed steps of each variant")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", default="build/benchmarks.json", help="file to write")
    options = parser.parse_args(arguments)
    if options.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a CUDA device, and torch finds none")

    prepare_process()  # as training does
    where, rows = machine(options.device), []
    print(", ".join(f"{key} {value}" for key, value in where.items()), HEADER, sep="\n\n")
    for part in options.only:
        for row in PARTS[part](options):
            print(row if isinstance(row, str) else as_line(row), flush=True)
            rows.append(row)
    with atomic_write(options.json) as path:
        path.write_text(json.dumps({"machine": where, "rows": rows}, indent=1))
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
