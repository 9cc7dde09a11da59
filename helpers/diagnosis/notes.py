"""What a right kernel cannot do yet: other kinds of arrays, -inf under a mask, speed."""

import contextlib
import time

import numpy as np
import torch

from helpers.diagnosis import textbook
from helpers.diagnosis.calling import NotWritten, Wrong, call, parameters
from helpers.diagnosis.cases import OTHERS, SIZES
from helpers.diagnosis.explaining import error

NUMPY_ALONE = "NumPy alone"


def _of_other_kinds(trial):
    """Tell what becomes of float32, and of torch tensors."""

    def narrow(array):
        return array.astype(np.float32) if array.dtype.kind == "f" else array.copy()

    case = trial.case()
    for name, kind, convert, strange, end in (
        ("float32", np.float32, narrow,
         "out as float64: np.zeros, np.eye and np.sqrt of a whole number make float64", ""),
        ("torch tensors", torch.Tensor, torch.tensor, "out as NumPy arrays", f": {NUMPY_ALONE}"),
    ):  # fmt: skip
        try:
            result = call(trial.function, trial.prepare(case, convert))
        except (NotWritten, Wrong) as problem:
            yield f"{name} in, and it {str(problem).partition(':')[0]}{end}"
            continue
        named = dict(zip(case.outputs, result, strict=False))
        odd = [
            k for k, a in named.items() if kind not in (type(a), getattr(a, "dtype", np.float32))
        ]
        wrong = [k for k, a in named.items() if not error(a, case.expected[k]) < 1e-3]
        if odd or wrong:
            outcome = strange if odd else "out wrong"
            yield f"{name} in, {', '.join(odd or wrong)} {outcome}{end}"


def _of_a_loss(trial):
    """Tell what becomes of -inf under the mask, and of an argument that some courses' loss has."""
    if trial.name != "temporal_softmax_loss":
        return
    case, s = trial.case(), 0.2
    scores, y, mask = case.inputs.values()

    def returns(wanted, **arguments):
        result = call(trial.function, case.inputs | arguments)
        return all(error(got, r) < 1e-7 for got, r in zip(result, wanted, strict=True))

    right = [*case.expected.values()]
    with contextlib.suppress(Wrong):
        if not returns(right, scores=np.where(mask[:, :, None], scores, -np.inf)):
            yield "scores of -inf under the mask make it NaN: select with it, do not multiply"
    if "label_smoothing" in parameters(trial.function):
        words = [textbook.temporal_softmax_loss(scores, 0 * y + v, mask) for v in range(SIZES["V"])]
        every = [sum(each) / len(words) for each in zip(*words, strict=True)]
        smooth = [(1 - s) * one + s * mean for one, mean in zip(right, every, strict=True)]
        if returns(right, label_smoothing=s):
            yield "label_smoothing is taken, and ignored"
        elif not returns(smooth, label_smoothing=s):
            text = "with label_smoothing s the target is 1 - s for the word, plus s / V for all"
            raise Wrong(f"loss, dscores: {text}")


def _slow(trial):
    """Time the kernel beside matrix products on sizes like those of training."""
    sizes = OTHERS | {"N": 16, "T": 8, "D": 16, "H": 32, "P": 16, "V": 64, "M": 16}
    if trial.name.startswith(("dot_product", "attention_lstm_f", "attention_lstm_b")):
        sizes |= {"T": 1, "P": 49, "H": 128}
    case = trial.case(sizes=sizes)

    def seconds(function, *arguments):
        start = time.thread_time()  # what else the machine does has no part in it
        function(*arguments)
        return time.thread_time() - start

    theirs = min(seconds(call, trial.function, trial.prepare(case)) for _ in range(3))
    ours = min(seconds(case.run, vars(textbook)) for _ in range(3))
    if theirs > 0.0005 and theirs > 30 * ours:
        yield f"right, and slow: {theirs / ours:.0f} times as long as whole-array operations"


NOTES = [_of_other_kinds, _of_a_loss, _slow]
