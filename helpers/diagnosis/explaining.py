"""Name the mistake in outputs that are not right, or else the place where they are wrong."""

import numpy as np

from helpers.diagnosis.calling import NotWritten, Wrong
from helpers.diagnosis.comparing import BOUND, same, simple_changes
from helpers.diagnosis.mistakes import hypotheses


def explain(case, got, run):
    """Tell what is wrong with the outputs of one case.

    Inputs:
        case: `cases.Case` that was run
        got: dict from output to array of any shape, what came out
        run: function of a case that returns its outputs by name, or raises
    Returns: list of lines, each about one output or several; empty when all are right
    """
    right = case.expected
    wrong = [k for k in case.outputs if not same(got[k], right[k])]
    if not wrong:
        return []
    lines = []
    swapped = {k: o for k in wrong for o in wrong if o != k and same(got[k], right[o])}
    if swapped:
        order = f"the order is {', '.join([*right, *case.after])}"
        lines = [f"{k}: this is {other}; {order}" for k, other in swapped.items()]
    rest = [k for k in wrong if k not in swapped]
    told = _explained({k: got[k] for k in rest}, case, wrong, swapped, run) if rest else {}
    lines += [f"{', '.join(keys)}: {text}" for text, keys in told.items()]
    fine = [k for k in case.outputs if k not in wrong]
    return lines + ([f"{', '.join(fine)}: right"] if fine else [])


def _explained(got, case, wrong, swapped, run):
    """Explain outputs that are wrong: by one mistake, one each, two, or else by the place.

    Returns: dict from what is wrong to the outputs that it explains
    """
    wanted = {k: got.get(k, right) for k, right in case.expected.items() if k not in swapped}
    fine = {k: right for k, right in case.expected.items() if k not in wrong}
    tried = list(hypotheses(case))
    if found := [each for each in tried if _makes(each, wanted)]:
        return {_simplest(found): [*got]}
    likely = [each for each in tried if _makes(each, fine)]
    alone = {k: _alone(case, k, got[k], likely) for k in got}
    whole = all(alone.values()) or _two(case, wanted, likely) or _beginning(case, run, wrong)
    if isinstance(whole, str):
        return {whole: [*got]}
    told: dict[str, list] = {}
    for k, text in alone.items():
        told.setdefault(text or _place(case, k, got[k], run, wrong, tried), []).append(k)
    return told


def _two(case, wanted, likely):
    """Name two mistakes that together make the outputs, or return None.

    The first is the one that makes most of them as they are, the columns of each gate apart.
    """
    blocks = _blocks(case, wanted)

    def alike(outputs):
        return sum(
            same(block, blocks[k]) for k, block in _blocks(case, outputs).items() if k in blocks
        )

    first = max(likely, key=lambda each: (alike(each[2]), -each[0]), default=None)
    if first is None or alike(first[2]) <= alike(case.expected):
        return None
    second = [each for each in hypotheses(case, first[3]) if _makes(each, wanted)]
    return f"two mistakes: {first[1]}; and {_simplest(second)}" if second else None


def _beginning(case, run, wrong):
    """Tell that a backward pass goes wrong where it makes da, of pre-activations, or return None.

    In a case with more inputs than pre-activations da can be had from dx = da Wx^T.
    """
    if not {"dx", "dWx", "db"} <= {*wrong}:
        return None
    size = case.inputs["Wx"].shape[1]
    wide = case.like(1, D=size + 3)
    try:
        got = run(wide)
    except (NotWritten, Wrong):
        return None
    if any(got[k].shape != wide.expected[k].shape for k in got):
        return None
    x, Wx = wide.inputs["x"], wide.inputs["Wx"]
    da, right = got["dx"] @ np.linalg.pinv(Wx.T), wide.expected["dx"] @ np.linalg.pinv(Wx.T)
    follows = {
        "dx": da @ Wx.T,
        "dWx": x.reshape(-1, size + 3).T @ da.reshape(-1, size),
        "db": da.reshape(-1, size).sum(axis=0),
    }
    if not all(same(got[k], array) for k, array in follows.items()):
        return None
    wide.expected["da"] = right
    entries = "; ".join(_entries(wide, "da", da, np.abs(da - right) > BOUND * np.abs(right).max()))
    return (
        "dx, dWx and db follow from one wrong da, the gradient of the pre-activations: look at the "
        f"line that makes it{'; ' * bool(entries)}{entries}"
    )


def _makes(hypothesis, wanted):
    return all(same(hypothesis[2][k], array) for k, array in wanted.items())


def _blocks(case, outputs):
    """Take outputs apart into the columns of the four gates, where they have so many."""
    gates = 4 * case.sizes["H"]
    return {
        (k, n): block
        for k, a in outputs.items()
        for n, block in enumerate(
            np.split(a, 4, axis=-1) if a.ndim and a.shape[-1] == gates else [a]
        )
    }


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


def _place(case, key, got, run, wrong, tried):
    """Say where one output is wrong, and what it takes to be right."""
    right = case.expected[key]
    if got.shape != right.shape:
        return f"has shape {got.shape}, expected {right.shape}"
    if broken := np.sum(~np.isfinite(got)):
        return f"{broken} of {got.size} entries are NaN or infinite"
    off = np.abs(got - right) > BOUND * np.max(np.abs(right), initial=1e-30)
    parts = [*_entries(case, key, got, off), *_when(case, key, run)]
    if not parts and (found := _alone(case, key, got, tried)):
        parts = [f"as if {found}"]
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
        blocks = [np.split(each, 4, axis=-1) for each in (got, right, off)]
        wrong = {name: block[:2] for name, *block in zip("ifog", *blocks, strict=True)
                 if block[2].any()}  # fmt: skip
        if len(wrong) < 4:
            yield f"only the columns of gate {', '.join(wrong)} are wrong"
        for name, (mine, its) in wrong.items():
            of = [o for o, block in zip("ifog", blocks[1], strict=True) if same(mine, block)]
            texts = [f"holds that of gate {of[0]}"] if of else simple_changes(mine, its, sizes)
            if texts:
                yield f"the block of gate {name} {texts[0]}"
    if off.ndim == 3 and off.shape[1] == sizes["T"]:
        steps = off.any(axis=(0, 2))
        first, last = np.flatnonzero(steps)[[0, -1]]
        if first > 0 and steps[first:].all():
            yield f"right until t = {first - 1}, wrong from t = {first} on"
        elif last + 1 < len(steps) and steps[: last + 1].all():
            yield f"right from t = {last + 1} on, wrong before"
        elif not steps.all():
            yield f"only t = {', '.join(map(str, np.flatnonzero(steps)))} is wrong"
    if off.ndim and off.shape[0] in (sizes["N"], sizes["V"]):
        rows = off.reshape(len(off), -1).any(axis=1)
        if not rows.all():
            what = "example" if len(off) == sizes["N"] else "row"
            yield f"only {what} {', '.join(map(str, np.flatnonzero(rows)))} is wrong"


def _when(case, key, run):
    """Yield which simpler inputs make the output right: one example, one step, an argument 0."""
    for letter, text in (("N", "one example (N = 1)"), ("T", "one timestep (T = 1)")):
        several = letter in case.letters and case.sizes[letter] > 1
        if several and _right(case.like(1, **{letter: 1}), key, run):
            yield f"right for {text}, wrong for {case.sizes[letter]}"
    zeros = []
    for name, array in (case.upstream | case.inputs).items():
        if array.dtype.kind == "f":
            simple = case.like(1, {name: np.zeros_like})
            if np.any(simple.expected[key]) and _right(simple, key, run):
                zeros.append(name)
    if zeros:
        yield f"right once {' or '.join(zeros)} is zero: look at what becomes of it"


def _right(case, key, run):
    try:
        return same(run(case)[key], case.expected[key])
    except (NotWritten, Wrong):
        return False
