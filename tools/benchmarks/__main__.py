"""Measure everything, print one table and write it as JSON.

    python -m tools.benchmarks [--only cells captioner ...] [--repetitions 7]

Matrix products are counted in GFLOP/s and as a share of what one large product reaches on the
same machine in the same run. A ratio compares medians; below 1 is faster than the variant that
has 1.00. Elementwise work, memory and Python count in milliseconds, not in GFLOP/s.
"""

import argparse
import dataclasses
import json

import torch

from helpers.files import atomic_write
from tools.benchmarks import captioner, cells, decoding, notebooks
from tools.benchmarks.timing import HEADER, as_line, machine, measure_peaks

PARTS = {
    "cells": lambda peaks, options: cells.measure(
        peaks, cells.SIZES, options.repetitions, options.device
    ),
    "captioner": lambda peaks, options: captioner.measure(
        peaks, repetitions=options.repetitions, device=options.device
    ),
    "memory": lambda peaks, options: captioner.measure_memory(),
    "encoding": lambda peaks, options: decoding.measure_encoding(device=options.device),
    "decoding": lambda peaks, options: decoding.measure(options.images, device=options.device),
    "notebooks": lambda peaks, options: notebooks.measure(),
}


def main(arguments=None):
    """Parse the options, measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=f"parts to measure: {', '.join(PARTS)}")  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=7, help="timed steps of each variant")
    parser.add_argument("--images", type=int, default=decoding.IMAGES, help="pictures to decode")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", default="build/benchmarks.json", help="file to write")
    options = parser.parse_args(arguments)
    if options.repetitions < 1 or options.images < 1:
        parser.error("--repetitions and --images must be at least 1")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a CUDA device, and torch finds none")

    where, peaks = machine(options.device), measure_peaks(options.device)
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print("peak in GFLOP/s: " + ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items()))
    print(HEADER)
    record = {"machine": where, "peaks": peaks, "rows": []}
    for part in options.only:
        for row in PARTS[part](peaks, options):
            print(as_line(row), flush=True)
            record["rows"].append(dataclasses.asdict(row))
    with atomic_write(options.json) as path:
        path.write_text(json.dumps(record, indent=1))
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
