"""What a right kernel cannot do yet: other kinds of arrays, wrong arguments, speed."""

import contextlib
import time

import numpy as np

from helpers.diagnosis import textbook
from helpers.diagnosis.calling import NotWritten, Wrong, call, parameters
from helpers.diagnosis.cases import OTHERS, SIZES, Case
from helpers.diagnosis.comparing import as_array, error

NUMPY_ALONE = "NumPy alone"


def _of_other_kinds(trial):
    """Tell what becomes of float32, and of torch tensors."""
    import torch

    case = Case(trial.name, seed=trial.seed)
    why = "np.zeros, np.eye and np.sqrt of a whole number make float64"
    for name, kind, other, convert in (
        ("float32", np.float32, f"float64: {why}", _narrow),
        (
            "torch tensors",
            torch.Tensor,
            f"NumPy arrays: {NUMPY_ALONE}",
            lambda a: torch.tensor(a.copy()),
        ),
    ):
        end = f": {NUMPY_ALONE}" if kind is torch.Tensor else ""
        try:
            result = call(trial.function, trial.prepare(case, convert))
        except (NotWritten, Wrong) as problem:
            yield f"{name} in, and it {str(problem).partition(':')[0]}{end}"
            continue
        named = dict(zip(case.outputs, result, strict=False))
        strange = [
            k
            for k, got in named.items()
            if not isinstance(got, kind) and getattr(got, "dtype", np.float32) != kind
        ]
        wrong = [k for k, got in named.items() if not _off(got, case.expected[k]) < 1e-3]
        if strange or wrong:
            outcome = f"out as {other}" if strange else f"out wrong{end}"
            yield f"{name} in, {', '.join(strange or wrong)} {outcome}"


def _narrow(array):
    return array.astype(np.float32) if array.dtype.kind == "f" else array.copy()


def _of_a_loss(trial):
    """Tell what becomes of -inf under the mask, and of an argument that some courses' loss has."""
    if trial.name != "temporal_softmax_loss":
        return
    case, s = Case(trial.name, seed=trial.seed), 0.2
    scores, y, mask = case.inputs.values()
    right = [*case.expected.values()]
    with contextlib.suppress(Wrong):
        given = {"scores": np.where(mask[:, :, None], scores, -np.inf), "y": y, "mask": mask}
        if not all(map(_close, call(trial.function, given), right)):
            yield "scores of -inf under the mask make it NaN: select with it, do not multiply"
    if "label_smoothing" in parameters(trial.function):
        result = call(trial.function, case.inputs | {"label_smoothing": s})
        words = [textbook.temporal_softmax_loss(scores, 0 * y + v, mask) for v in range(SIZES["V"])]
        smooth = [
            (1 - s) * a + s * np.mean(each, axis=0) for a, *each in zip(right, *words, strict=True)
        ]
        if all(map(_close, result, right)):
            yield "label_smoothing is taken, and ignored"
        elif not all(map(_close, result, smooth)):
            text = "with label_smoothing s the target is 1 - s for the word, plus s / V for all"
            raise Wrong(f"loss, dscores: {text}")


def _without_complaint(trial):
    """Look whether wrong shapes and ids go in unnoticed, as the docstring says they do not."""
    case = Case(trial.name, seed=trial.seed)
    wrong = {k: np.array(a) for k, a in case.inputs.items()}
    second = [k for k, a in wrong.items() if a.ndim > 1 and len(a) == SIZES["N"]][1:]
    if trial.name == "word_embedding_forward":
        wrong["x"][0, 0], text = -1, "an id of -1"
    elif trial.name.endswith("_forward") and second:
        wrong[second[0]] = wrong[second[0]][:1]
        text = f"{second[0]} of one example beside {SIZES['N']}"
    else:
        return
    with contextlib.suppress(Wrong):
        call(trial.function, wrong)
        yield f"{text} goes in without an error: check the arguments"


def _slow(trial):
    """Time the kernel beside matrix products on sizes like those of training."""
    sizes = OTHERS | {"N": 16, "T": 8, "D": 16, "H": 32, "P": 16, "V": 64, "M": 16}
    if trial.name.startswith(("dot_product", "attention_lstm_f", "attention_lstm_b")):
        sizes |= {"T": 1, "P": 49, "H": 128}
    case = Case(trial.name, sizes)

    def seconds(run):
        start = time.thread_time()  # what else the machine does has no part in it
        run()
        return time.thread_time() - start

    theirs, ours = [], []
    for _ in range(3):
        arguments = trial.prepare(case)
        theirs.append(seconds(lambda given=arguments: call(trial.function, given)))
        ours.append(seconds(lambda: case.run(vars(textbook))))
    ratio = min(theirs) / max(1e-6, min(ours))
    if min(theirs) > 0.0005 and ratio > 30:
        yield f"right, and slow: {ratio:.0f} times as long as whole-array operations"


NOTES = [_of_other_kinds, _of_a_loss, _without_complaint, _slow]


def _off(got, right):
    """Return the error of an output that may be a tensor; a loss may have the shape (1,)."""
    got = as_array(got)
    return error(got.reshape(()) if got.shape == (1,) and not right.shape else got, right)


def _close(got, right):
    return _off(got, right) < 1e-7
