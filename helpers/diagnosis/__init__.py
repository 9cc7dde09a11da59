"""Tell a reader precisely what is wrong with a kernel of their own.

The kernel runs on small random arrays of unequal sizes. Where an output differs from what autograd
makes of the equations, known mistakes are tried one by one, and a mistake is named only if it
reproduces the reader's numbers.
"""

import copy
import re

import numpy as np

from helpers.diagnosis.trial import Trial, call, checkable, listed, shape_text

__all__ = ["Trial", "check_kernel", "checkable"]


def check_kernel(function, reference=None, forward=None, seed=0, otherwise=None):
    """Compare a kernel with what ours of the same name computes, and say what is wrong with it.

    Prints `rnn_step_backward ok: dx, dprev_h, dWx, dWh, db (relative error < 1e-8)`.

    Inputs:
        function: a kernel with the arguments and the outputs of one in helpers.kernels
        reference: our kernel to compare with; by default the one of the function's name
        forward: for a backward kernel, the reader's own forward kernel, which makes its cache;
            by default ours does
        seed: of the random inputs, in float64 NumPy
        otherwise: in a notebook, the kernel to go on with while the reader's is not right; what
            is wrong is printed then, and nothing raised
    Returns: the function if it is right, otherwise `otherwise`
    Raises: without `otherwise`, AssertionError with one line per output that is wrong, or with
        the message of a kernel that raises NotImplementedError; ValueError when no kernel of ours
        has that name.
    """
    if otherwise is not None:
        try:
            return check_kernel(function, reference, forward, seed) or function
        except AssertionError as wrong:
            empty = re.search("returned one value, None|is None: not computed", str(wrong))
            missing = f"{function.__name__}: not written yet: write it here, or go on with ours"
            print(missing if empty else f"{wrong}\n  (the notebook goes on with ours)")
            return otherwise
    trial = Trial((reference or function).__name__, seed)
    arguments = trial.arguments(forward)
    kept = copy.deepcopy(arguments)
    result = call(function, arguments, trial.name)
    lines = [
        f"{key}: the function modified this argument; work on a copy"
        for key, before in kept.items()
        if not _unchanged(before, arguments[key])
    ]
    shortage = _shortage(trial.outputs, result)
    for key, got in zip(trial.expected, [] if shortage else listed(result), strict=False):
        problem = trial.explain(key, got)
        lines += [f"{key}: {problem}"] if problem else []
    lines += [shortage] if shortage else []
    if lines:
        raise AssertionError("\n  ".join([f"{trial.name} is not right yet:", *lines]))
    print(f"{trial.name} ok: {', '.join(trial.expected)} (relative error < 1e-8)")


def _shortage(wanted, result):
    """Return what is wrong with the number of outputs, or None."""
    several = isinstance(result, (tuple, list))
    got = len(result) if several else 1
    if got == len(wanted) and several == (got > 1):
        return None
    what = f"a tuple of {got}" if several else f"one value, {shape_text(result)}"
    hint = "; the cache is missing" if [*wanted[:got], "cache"] == wanted else ""
    return f"returned {what}, expected {', '.join(wanted)}{hint}"


def _unchanged(before, after):
    """Tell whether arrays, also those inside a cache, are what they were."""
    if isinstance(before, dict):
        before, after = list(before.values()), list(after.values())
    if isinstance(before, (tuple, list)):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    return not isinstance(before, np.ndarray) or np.array_equal(before, after, equal_nan=True)
