"""`python -m helpers.diagnosis [kernel or notebook ...]`: check kernels in `helpers/kernels`."""

import argparse
import dataclasses
import json
import sys

from helpers import kernels
from helpers.diagnosis import checkable, judge
from helpers.diagnosis.cases import points

NOTEBOOKS = {  # what is written in each, by how its name starts
    "01": ("rnn_step_",),
    "02": ("rnn_forward", "rnn_backward", "word_embedding_", "temporal_"),
    "03": ("lstm_",),
    "04": ("dot_product_attention_", "attention_lstm_"),
}


def main(arguments=None):
    """Check kernels, all by default. Returns: the exit code, 1 when one is not right yet."""
    parser = argparse.ArgumentParser(prog="python -m helpers.diagnosis", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help="a kernel, or 01 to 04 for those of a notebook"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random inputs (default: 0)")
    parser.add_argument("--json", action="store_true", help="print a list of verdicts as JSON")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name == "05":
            parser.error("05 has no kernels to write")
        if name not in NOTEBOOKS and name not in checkable():
            known = ", ".join([*NOTEBOOKS, *checkable()])
            parser.error(f"no kernel is called {name!r}; there are: {known}")
    starts = [start for name in options.names for start in NOTEBOOKS.get(name, (name,))]
    verdicts = []
    for name in checkable():
        if not starts or name.startswith(tuple(starts)):
            forward = getattr(kernels, name.replace("_backward", "_forward"))
            verdicts.append(judge(name, getattr(kernels, name), forward, options.seed))
            if not options.json:
                print(verdicts[-1])
    if options.json:
        told = [
            dataclasses.asdict(verdict)
            | {"points": points(verdict.name) * (verdict.state == "right")}
            | {"of": points(verdict.name)}
            for verdict in verdicts
        ]
        print(json.dumps(told, indent=1))
    return int(any(verdict.state != "right" for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
