"""Numbers at the edge, other dtypes, tensors: what a kernel meets once it trains."""

import time

import numpy as np

from helpers.diagnosis.calling import Failed, Wrong, call
from helpers.diagnosis.cases import OTHERS, SIZES, Case
from helpers.diagnosis.hypotheses import error, same

ROW_MAXIMUM = "subtract each row's own maximum before exp"


def cases(name, seed):
    """List extreme inputs of one kernel: (what is wrong if they fail, arguments, expected)."""
    if name == "temporal_softmax_loss":
        yield from _losses(seed)
    if name == "dot_product_attention_forward":
        case = Case(name, SIZES, seed)
        q, A = case.inputs.values()
        alike = 2e4 * q[[0, 0, 0]], A[[0, 0, 0]]  # rows of one maximum
        apart = q * np.array([[1.0], [2e4], [1.0]]), A
        spoilt = "one example's large scores spoil another's: subtract each row's own maximum"
        for text, (q, A) in ((f"scores of 10,000 overflow: {ROW_MAXIMUM}", alike), (spoilt, apart)):
            yield text, {"prev_h": q, "A": A}, _attention(q, A)
    if name.startswith(("lstm_gates_f", "lstm_step_f")):
        case = Case(name, SIZES, seed)
        key = "a" if "a" in case.inputs else "x"
        case.inputs[key] = 1e4 * case.inputs[key]
        case.compute()
        yield (
            "large pre-activations give NaN: write the sigmoid so that it cannot",
            case.inputs,
            case.expected,
        )


def _attention(q, A):
    scores = np.einsum("nh,nph->np", q, A) / np.sqrt(A.shape[2])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    alpha = e / e.sum(axis=1, keepdims=True)
    return {"attn": np.einsum("np,nph->nh", alpha, A), "alpha": alpha}


def _loss(scores, y, mask, s=0.0):
    """Compute the loss and its gradient as it is, for any scores; s smooths the labels."""
    N, _, V = scores.shape
    scores = scores - scores.max(axis=2, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    target = (1 - s) * (np.arange(V) == y[:, :, None]) + s / V
    loss = -(target * logp)[mask].sum() / N
    return {"loss": np.asarray(loss), "dscores": (np.exp(logp) - target) * mask[:, :, None] / N}


def _losses(seed):
    case = Case("temporal_softmax_loss", SIZES, seed)
    scores, y, mask = case.inputs.values()
    high = np.zeros_like(scores)
    np.put_along_axis(high, (y[:, :, None] + 1) % SIZES["V"], 1e4, axis=2)
    rows = 1e4 * (np.arange(SIZES["N"] * SIZES["T"]).reshape(*y.shape, 1) % 2)
    for text, changed in (
        (f"scores of 10,000 overflow: {ROW_MAXIMUM}", scores + 1e4),
        (f"scores of -10,000 vanish, and their logarithm is infinite: {ROW_MAXIMUM}", scores - 1e4),
        ("rows of scores far apart spoil each other: subtract each row's own maximum, not that of "
         "the whole batch", scores + rows),
        ("a target whose probability rounds to 0 has an infinite loss: log softmax is the shifted "
         "score minus the log of the sum, not the log of the softmax", scores + high),
    ):  # fmt: skip
        yield text, {"scores": changed, "y": y, "mask": mask}, _loss(changed, y, mask)
    nothing = np.zeros_like(mask)
    inputs = {"scores": scores, "y": y, "mask": nothing}
    yield (
        "not zero when no target counts (the mask is False everywhere)",
        inputs,
        _loss(scores, y, nothing),
    )


def notes(trial):
    """List what a right kernel cannot do yet: lines, none for a kernel that is ready to train.

    Raises: Wrong for a label smoothing that is not right.
    """
    return [
        *_float32(trial),
        *_on_tensors(trial),
        *_under_the_mask(trial),
        *_smoothing(trial),
        *_without_complaint(trial),
        *_slow(trial),
    ]


def _float32(trial):
    case = Case(trial.name, SIZES, trial.seed)
    try:
        result = trial.call(trial.prepare(case, _converter(np.float32)))
    except Exception as problem:
        return [f"float32: {problem}"]
    wide = [
        key for key, got in zip(case.outputs, result, strict=False)
        if getattr(got, "dtype", np.float32) != np.float32
    ]  # fmt: skip
    if not wide:
        return []
    return [
        f"float32 in, {', '.join(wide)} out as float64: np.zeros, np.eye and np.sqrt of a whole "
        "number make float64"
    ]


def _converter(dtype):
    return lambda a: a.astype(dtype) if a.dtype.kind == "f" else a.copy()


def _on_tensors(trial):
    import torch

    case = Case(trial.name, SIZES, trial.seed)
    try:
        result = trial.call(trial.prepare(case, lambda a: torch.tensor(np.array(a))))
        for key, got in zip(case.outputs, result, strict=False):
            if not isinstance(got, torch.Tensor):
                return [f"torch tensors in, {key} out as {type(got).__name__}: NumPy alone"]
            if not error(got.detach().numpy(), case.expected[key]) < 1e-7:
                return [f"{key} is not right on torch tensors"]
    except Exception as problem:
        first = str(problem).split("\n  where")[0].replace("\n ", "")
        return [f"NumPy alone: on torch tensors it {first}"]
    return []


def _under_the_mask(trial):
    if trial.name != "temporal_softmax_loss":
        return []
    case = Case(trial.name, SIZES, trial.seed)
    scores, y, mask = case.inputs.values()
    worse = np.where(mask[:, :, None], scores, -np.inf)
    result = trial.call({"scores": worse, "y": y, "mask": mask})
    if all(
        error(got, case.expected[k]) < 1e-7 for k, got in zip(case.outputs, result, strict=True)
    ):
        return []
    return [
        "scores of -inf under the mask make it NaN: select with the mask, do not multiply by it"
    ]


def _smoothing(trial):
    """Try an argument that some courses' loss has, and that training here adds elsewhere."""
    if "label_smoothing" not in trial.parameters():
        return []
    scores, y, mask = Case(trial.name, SIZES, trial.seed).inputs.values()
    given = {"scores": scores, "y": y, "mask": mask, "label_smoothing": 0.2}
    loss, dscores = trial.call(given)
    loss = np.reshape(loss, ())
    if same(loss, _loss(scores, y, mask)["loss"]):
        return ["label_smoothing is taken, and ignored"]
    right = _loss(scores, y, mask, 0.2)
    if same(loss, right["loss"]) and same(dscores, right["dscores"]):
        return []
    raise Wrong(
        "loss, dscores: with label_smoothing s the target is 1 - s for the word, plus s / V for all"
    )


def _without_complaint(trial):
    """Look whether wrong shapes and ids go in unnoticed, as the docstring says they do not."""
    if trial.name == "word_embedding_forward":
        case = Case(trial.name, SIZES, trial.seed)
        wrong, text = {"x": case.inputs["x"] - 1, "W": case.inputs["W"]}, "an id of -1"
        wrong["x"][0, 0] = -1
    elif trial.name.endswith("_forward") and "N" in Case(trial.name, SIZES).letters:
        wrong = Case(trial.name, SIZES, trial.seed).arguments()
        second = [k for k, a in wrong.items() if a.ndim > 1 and len(a) == SIZES["N"]][1:]
        if not second:
            return []
        wrong[second[0]] = wrong[second[0]][:1]
        text = f"{second[0]} of one example beside {SIZES['N']}"
    else:
        return []
    try:
        call(trial.function, wrong)
    except Failed:
        return []
    return [f"{text} goes in without an error: check the arguments"]


def _slow(trial):
    """Time the kernel beside matrix products on sizes like those of training."""
    sizes = OTHERS | {"N": 16, "D": 16, "H": 32, "P": 16, "V": 64}
    if trial.name.startswith(("dot_product", "attention_lstm_f", "attention_lstm_b")):
        sizes |= {"N": 16, "T": 1, "P": 49, "H": 128}
    case = Case(trial.name, sizes)
    theirs, ours = [], []
    for _ in range(3):
        arguments = trial.prepare(case)
        for times, run in (
            (theirs, lambda given=arguments: trial.call(given)),
            (ours, case.compute),
        ):
            start = time.thread_time()  # what else the machine does has no part in it
            run()
            times.append(time.thread_time() - start)
    if min(theirs) < max(0.0005, 30 * min(ours)):
        return []
    ratio = min(theirs) / max(1e-6, min(ours))
    return [f"right, and slow: {ratio:.0f} times as long as whole-array operations"]
