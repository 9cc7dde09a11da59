"""Name the mistake in outputs that are not right, or else the place where they are wrong."""

import contextlib

import numpy as np

from helpers.diagnosis.calling import NotWritten, Wrong
from helpers.diagnosis.mistakes import hypotheses

BOUND = 1e-8  # of relative errors, in float64

# What a reader may have made of an output `a` as a whole, where the mask holds W words.
CHANGES = {
    "is zero everywhere": "0 * a",
    "has the wrong sign": "-a",
    "is transposed": "a.T",
    "has its first two axes swapped": "a.swapaxes(0, 1)",
    "is in the order of time first, read as if the batch came first: transpose, do not reshape":
        "a.swapaxes(0, 1).reshape(a.shape)",
    "is added up over time": "a.sum(axis=1)",
    "is 1 too large in every entry": "a + 1",
    "is N times too large: divide by N": "N * a",
    "is averaged over the batch instead of summed: 1/N of it": "a / N",
    "is averaged over time instead of summed: 1/T of it": "a / T",
    "is averaged over batch and time: 1/(N T) of it": "a / (N * T)",
    "is averaged over the words in the mask instead of over the batch": "a * N / W",
    "is 2 times too large": "2 * a",
    "is half of what it should be": "a / 2",
    "is 1/sqrt(H) of what it should be": "a / H**0.5",
    "is in bits, not nats: the logarithm is to base 2": "a / np.log(2)",
}  # fmt: skip


def error(got, right):
    """Return the largest difference over the largest entry of what is right; infinity for NaN.

    Inputs: got: array or tensor of any shape, or anything else; right: array of any shape. Where
        it is zero or nearly so, it counts as 1e-6. For a number, (1,) is as good as ().
    """
    with contextlib.suppress(ValueError, TypeError), np.errstate(all="ignore"):
        got = np.asarray(got.detach().cpu() if hasattr(got, "detach") else got)
        if got.shape == np.shape(right) or (got.shape, np.shape(right)) == ((1,), ()):
            off = np.max(np.abs(got - right), initial=0.0) / np.max(np.abs(right), initial=1e-6)
            return float(off) if np.isfinite(off) else float("inf")
    return float("inf")  # it is not comparable


def same(got, right):
    """Tell whether two arrays have one shape and one content, but for rounding."""
    return error(got, right) < BOUND


def simple_changes(got, right, sizes):
    """List, in words, in which simple ways an array differs from another, as a whole.

    Inputs: got, right: arrays of any shape; sizes: dict from N, T, H and so on to sizes
    """
    return [text for text, *two in _changes(got, right, sizes) if same(*two)]


def _changes(got, right, sizes):
    """Yield (what is wrong, array, another): true where the two are the same."""
    for text, code in CHANGES.items():
        with contextlib.suppress(ValueError):  # too few axes
            made = eval(code, {"np": np, "a": right}, sizes)
            yield text, got, made
            yield f"{text}, and has the wrong sign", got, -made
    if got.shape == right.shape:
        if right.ndim == 3 and right.shape[1] > 1:
            yield "runs backwards in time", got, right[:, ::-1]
            late = "is one timestep late: it begins with the first state, not the one after it"
            yield late, got[:, 1:], right[:, :-1]
            yield "is one timestep early", got[:, :-1], right[:, 1:]
        if right.size > 1 and right.any():
            factor = np.vdot(right, got) / np.vdot(right, right)
            yield f"is {factor:.9g} times what it should be, in every entry", got, factor * right
        return
    yield "has an axis too many or too few, of size 1", got.squeeze(), right.squeeze()
    if got.size == right.size:
        shapes = f"{got.shape} instead of {right.shape}"
        yield f"has the right numbers in a wrong shape, {shapes}", got.reshape(right.shape), right
    if got.ndim == right.ndim == 3 and got.shape[1] == right.shape[1] + 1:
        yield "holds the first state too: leave it out, [:, 1:]", got[:, 1:], right
    for axis in range(got.ndim):
        yield f"lacks the sum over axis {axis}", got.sum(axis=axis), right


def explain(case, got, run):
    """List what is wrong with the outputs of one case, a line for one output or several.

    Inputs: got: dict from output to array of any shape; run: function of a case that returns its
        outputs by name, or raises
    """
    right = case.expected
    wrong = [k for k in case.outputs if not same(got[k], right[k])]
    if not wrong:
        return []
    swapped = {k: o for k in wrong for o in wrong if o != k and same(got[k], right[o])}
    order = f"the order is {', '.join([*right, *case.after])}"
    lines = [f"{k}: this is {other}; {order}" for k, other in swapped.items()]
    rest = {k: got[k] for k in wrong if k not in swapped}
    told: dict[str, list] = {}
    for k, text in (_explained(rest, case, wrong, run) if rest else {}).items():
        told.setdefault(text, []).append(k)
    lines += [f"{', '.join(keys)}: {text}" for text, keys in told.items()]
    fine = [k for k in case.outputs if k not in wrong]
    return lines + ([f"{', '.join(fine)}: right"] if fine else [])


def _explained(got, case, wrong, run):
    """Explain each output that is wrong: by one mistake, one each, two, or else by the place."""
    fine = {k: right for k, right in case.expected.items() if k not in wrong}
    likely = [each for each in hypotheses(case) if _makes(each, fine)]
    if found := [each for each in likely if _makes(each, got)]:
        return dict.fromkeys(got, _simplest(found))
    alone = {k: _alone(case, k, got[k], likely) for k in got}
    if not all(alone.values()) and (two := _two(case, fine | got, likely)):
        return dict.fromkeys(got, two)
    return {k: text or _place(case, k, got[k], run, wrong) for k, text in alone.items()}


def _two(case, wanted, likely):
    """Name two mistakes that together make the outputs, the first of which makes most of them."""

    def made(hypothesis):
        return sum(same(hypothesis[2][k], array) for k, array in wanted.items()), -hypothesis[0]

    first = max(likely, key=made, default=None)
    if first is None:
        return None
    second = [each for each in hypotheses(case, first[3]) if _makes(each, wanted)]
    return f"two mistakes: {first[1]}; and {_simplest(second)}" if second else None


def _makes(hypothesis, wanted):
    return all(same(hypothesis[2][k], array) for k, array in wanted.items())


def _simplest(found):
    cheapest = min(cost for cost, *_ in found)
    texts = list(dict.fromkeys(text for cost, text, *_ in found if cost == cheapest))
    return ", or ".join(texts[:2])


def _alone(case, key, got, tried):
    """Explain one output by itself, or return None."""
    right = case.expected[key]
    if changes := simple_changes(got, right, case.sizes):
        return f"it {changes[0]}"
    found = []
    for cost, text, out, _ in tried:
        if same(got, out[key]) and not same(out[key], right):
            changed = sum(not same(out[k], case.expected[k]) for k in case.outputs)
            found.append((cost + 10 * changed, text))  # the nearest to this output
    others = [f"it holds {k}" for k in case.outputs if same(got, case.expected[k])]
    return _simplest(found) if found else others[0] if others else None


def _place(case, key, got, run, wrong):
    """Say where one output is wrong, and what it takes to be right."""
    right = case.expected[key]
    if got.shape != right.shape:
        return f"has shape {got.shape}, expected {right.shape}"
    if broken := np.sum(~np.isfinite(got)):
        return f"{broken} of {got.size} entries are NaN or infinite"
    off = np.abs(got - right) > BOUND * np.max(np.abs(right), initial=1e-30)
    parts = [*_entries(case, key, got, off), *_when(case, key, run)]
    if wrong == [key] and len(case.outputs) > 1:
        parts.insert(0, "it alone is wrong, so look at the line that makes it")
    worst = np.unravel_index(np.argmax(np.abs(got - right)), right.shape)
    entry = f"{[int(i) for i in worst]}: " if worst else ""
    numbers = f"at {entry}got {got[worst]:.6g}, expected {right[worst]:.6g}"
    return f"{'; '.join(parts or [f'{off.sum()} of {off.size} entries differ'])} ({numbers})"


def _entries(case, key, got, off):
    """Yield in which gates, timesteps, rows or words the wrong entries lie, where not in all."""
    sizes, right = case.sizes, case.expected[key]
    if off.ndim and off.shape[-1] == 4 * sizes["H"]:
        parts = (np.split(a, 4, axis=-1) for a in (got, right, off))
        mine, its, wrong = (dict(zip("ifog", part, strict=True)) for part in parts)
        gates = [gate for gate in "ifog" if wrong[gate].any()]
        if len(gates) < 4:
            yield f"only the columns of gate {', '.join(gates)} are wrong"
        for gate in gates:
            of = [f"holds that of gate {o}" for o in "ifog" if same(mine[gate], its[o])]
            for text in [*of, *simple_changes(mine[gate], its[gate], sizes)][:1]:
                yield f"the block of gate {gate} {text}"
    if off.ndim == 3 and off.shape[1] == sizes["T"]:
        steps = off.any(axis=(0, 2))
        first, last = np.flatnonzero(steps)[[0, -1]]
        if first > 0 and steps[first:].all():
            yield f"right until t = {first - 1}, wrong from t = {first} on"
        elif last + 1 < len(steps) and steps[: last + 1].all():
            yield f"right from t = {last + 1} on, wrong before"
        elif not steps.all():
            yield f"only t = {', '.join(map(str, np.flatnonzero(steps)))} is wrong"
    rows = off.reshape(len(off), -1).any(axis=1) if off.ndim else off
    if off.ndim and len(off) in (sizes["N"], sizes["V"]) and not rows.all():
        what = "example" if len(off) == sizes["N"] else "row"
        yield f"only {what} {', '.join(map(str, np.flatnonzero(rows)))} is wrong"


def _when(case, key, run):
    """Yield which simpler inputs make the output right: one example, one step, an argument 0."""

    def is_right(**changes):
        simple = case.like(1, **changes)
        with contextlib.suppress(NotWritten, Wrong):
            return np.any(simple.expected[key]) and same(run(simple)[key], simple.expected[key])

    for letter, text in (("N", "one example (N = 1)"), ("T", "one timestep (T = 1)")):
        if letter in case.letters and is_right(**{letter: 1}):
            yield f"right for {text}, wrong for {case.sizes[letter]}"
    floats = [k for k, a in (case.upstream | case.inputs).items() if a.dtype.kind == "f"]
    if zeros := [name for name in floats if is_right(changed={name: np.zeros_like})]:
        yield f"right once {' or '.join(zeros)} is zero: look at what becomes of it"
