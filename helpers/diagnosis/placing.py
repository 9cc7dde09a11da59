"""Where an output that is not right is wrong: measured, for what no known mistake explains."""

import numpy as np

from helpers.diagnosis.hypotheses import BOUND, same


def place(case, key, got, run):
    """Say where one output is wrong, and what it takes to be right.

    Inputs:
        case: `cases.Case`
        key: name of the output
        got: array, what came out; of the shape that is wanted
        run: function of a case that returns its outputs by name, or raises
    Returns: str
    """
    right = case.expected[key]
    off = np.abs(got - right) > BOUND * np.max(np.abs(right), initial=1e-30)
    off |= ~np.isfinite(got)
    parts = [*_entries(case, key, off), *_when(case, key, run)]
    return "; ".join(parts or [f"{off.sum()} of {off.size} entries differ"])


def _entries(case, key, off):
    """Yield in which gates, timesteps, rows or words the wrong entries lie, where not in all."""
    sizes = case.sizes
    if off.ndim and off.shape[-1] == 4 * sizes["H"]:
        gates = off.reshape(-1, 4, sizes["H"]).any(axis=(0, 2))
        if not gates.all():
            yield f"only the columns of gate {', '.join(np.array([*'ifog'])[gates])} are wrong"
    if off.ndim == 3 and off.shape[1] == sizes["T"]:
        steps = off.any(axis=(0, 2))
        first, last = np.flatnonzero(steps)[[0, -1]]
        if first > 0 and steps[first:].all():
            yield f"right until t = {first - 1}, wrong from t = {first} on"
        elif last + 1 < len(steps) and steps[: last + 1].all():
            yield f"right from t = {last + 1} on, wrong before"
        elif not steps.all():
            yield f"only t = {', '.join(map(str, np.flatnonzero(steps)))} is wrong"
    if off.ndim and off.shape[0] in (sizes["N"], sizes["V"]) and not key.startswith("dW"):
        rows = off.reshape(len(off), -1).any(axis=1)
        if not rows.all():
            what = "example" if len(off) == sizes["N"] else "row"
            yield f"only {what} {', '.join(map(str, np.flatnonzero(rows)))} is wrong"


def _when(case, key, run):
    """Yield which simpler inputs make the output right: one example, one step, an argument 0."""
    for letter, text in (("N", "one example (N = 1)"), ("T", "one timestep (T = 1)")):
        if letter in case.letters and case.sizes[letter] > 1:
            simple = case.like(1, **{letter: 1})
            if _right(simple, key, run):
                yield f"right for {text}, wrong for {case.sizes[letter]}"
    zeros = []
    for name in [*case.upstream, *case.inputs]:
        simple = case.like(1)
        arrays = simple.upstream if name in simple.upstream else simple.inputs
        if arrays[name].dtype.kind == "f":
            arrays[name] = np.zeros_like(arrays[name])
            simple.compute()
            if np.any(simple.expected[key]) and _right(simple, key, run):
                zeros.append(name)
    if zeros:
        yield f"right once {' or '.join(zeros)} is zero: look at what becomes of it"


def _right(case, key, run):
    try:
        return same(run(case)[key], case.expected[key])
    except Exception:
        return False
