"""Search the mistake that computes a reader's numbers, among thousands made systematically."""

import ast
import inspect
from collections.abc import Callable
from functools import cache
from itertools import combinations

import numpy as np

from helpers.diagnosis import textbook
from helpers.diagnosis.mutations import mutants

BOUND = 1e-8  # of relative errors, in float64
FUNCTIONS = {
    node.name: node
    for node in ast.parse(vars(textbook).get("PACKED") or inspect.getsource(textbook)).body
    if isinstance(node, ast.FunctionDef)
}

# What a reader may have made of an output that should be `right`.
CHANGED: list[tuple[str, Callable]] = [
    ("is zero everywhere", np.zeros_like),
    ("has the wrong sign", np.negative),
    ("is transposed", np.transpose),
    ("has its first two axes swapped", lambda a: a.swapaxes(0, 1) if a.ndim > 1 else a),
    ("runs backwards in time", lambda a: a[:, ::-1] if a.ndim == 3 else a),
    ("has an axis too many or too few, of size 1", np.squeeze),
    ("has two axes in one: reshape it", np.ravel),
    (
        "is in the order of time first, read as if the batch came first: transpose, do not reshape",
        lambda a: a.swapaxes(0, 1).reshape(a.shape) if a.ndim == 3 else a,
    ),
    ("is one timestep late: it repeats the first", lambda a: a[:, [0, *range(a.shape[1] - 1)]]),
    ("is the same number in every entry, the sum of all", lambda a: 0 * a + a.sum()),
    ("is added up over all entries", lambda a: a.sum()),
    ("is added up over time", lambda a: a.sum(axis=1) if a.ndim == 3 else a),
    ("is 1 too large in every entry", lambda a: a + 1),
    ("is squared", np.square),
]

# Factors that occur, by the sizes they are made of; W is the number of words in the mask.
FACTORS: list[tuple[str, Callable]] = [
    ("is N times too large: divide by N", lambda s: s["N"]),
    ("is averaged over the batch instead of summed: 1/N of it", lambda s: 1 / s["N"]),
    ("is averaged over time instead of summed: 1/T of it", lambda s: 1 / s["T"]),
    ("is T times too large", lambda s: s["T"]),
    ("is averaged over batch and time: 1/(N T) of it", lambda s: 1 / (s["N"] * s["T"])),
    ("is averaged over batch and time, instead of over the batch", lambda s: 1 / s["T"]),
    ("is averaged over the words in the mask instead of over the batch", lambda s: s["N"] / s["W"]),
    ("is averaged over the words in the mask instead of summed", lambda s: 1 / s["W"]),
    ("is averaged over all N T V scores", lambda s: 1 / (s["T"] * s["V"])),
    ("is 2 times too large", lambda s: 2),
    ("is half of what it should be", lambda s: 0.5),
    ("is sqrt(H) times too large: divide by sqrt(H)", lambda s: s["H"] ** 0.5),
    ("is 1/sqrt(H) of what it should be", lambda s: s["H"] ** -0.5),
    ("is averaged over the P positions: 1/P of it", lambda s: 1 / s["P"]),
    ("is P times too large: divide by P", lambda s: s["P"]),
    ("is in bits, not nats: the logarithm is to base 2", lambda s: 1 / np.log(2)),
]


def error(got, right):
    """Return the largest difference over the largest entry of what is right; infinity for NaN.

    Inputs: got, right: arrays of any shape
    """
    got, right = np.asarray(got), np.asarray(right)
    if got.shape != right.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        off = np.max(np.abs(got - right), initial=0.0)
        size = np.max(np.abs(right), initial=0.0)
    if not np.isfinite(off):
        return float("inf")
    return float(off / size) if size else (0.0 if off == 0 else float("inf"))


def same(got, right):
    """Tell whether two arrays have one shape and one content, but for rounding."""
    return error(got, right) < BOUND


def explain(case, got, wrong):
    """Name the mistake in outputs of one case.

    Inputs:
        case: `cases.Case` that was run
        got: dict from output to array of any shape, what came out
        wrong: list of the outputs that are not right
    Returns: dict from output, or several joined by commas, to what explains it
    """
    exchanged = {
        k: [o for o in case.expected if o != k and same(got[k], case.expected[o])] for k in wrong
    }
    if all(exchanged.values()):
        order = f"the order is {', '.join([*case.expected, *case.after])}"
        return {k: f"this is {others[0]}; {order}" for k, others in exchanged.items()}
    found = [
        (cost, text) for cost, text, out in hypotheses(case) if _reproduces(case, got, wrong, out)
    ]
    if found:
        return {", ".join(wrong): _simplest(found)}
    return {k: text for k in wrong if (text := _one_output(case, k, got[k]))}


def _reproduces(case, got, wrong, out):
    return all(same(got[k], out[k]) if k in wrong else same(out[k], case.expected[k]) for k in got)


def _simplest(found):
    cheapest = min(cost for cost, _ in found)
    texts = list(dict.fromkeys(text for cost, text in found if cost == cheapest))
    return ", or ".join(texts[:2])


def _one_output(case, key, got):
    """Explain one output by itself, or return None."""
    right = case.expected[key]
    for text, candidate, target in _shapes_and_factors(got, right, case.sizes):
        if same(candidate, target):
            return f"it {text}"
    found = []
    for cost, text, out in hypotheses(case):
        if same(got, out[key]) and not same(out[key], right):
            changed = sum(not same(out[k], case.expected[k]) for k in case.outputs)
            found.append((cost + 10 * changed, text))  # the nearest to this output
    return _simplest(found) if found else None


def _shapes_and_factors(got, right, sizes):
    for text, change in CHANGED:
        yield text, got, _try(change, right)
        if text.split()[0] == "has" and got.shape != right.shape:
            yield text, _try(change, got), right
    if got.shape != right.shape and got.size == right.size:
        shapes = f"{got.shape} instead of {right.shape}"
        yield f"has the right numbers in a wrong shape, {shapes}", got.reshape(right.shape), right
    if got.ndim == right.ndim == 3 and got.shape[1] == right.shape[1] + 1:
        yield "holds the first state too: leave it out, [:, 1:]", got[:, 1:], right
    if got.ndim == right.ndim == 3 and got.shape == right.shape and right.shape[1] > 1:
        late = got[:, 1:], right[:, :-1]
        yield "is one timestep late: it begins with the first state, not the one after it", *late
        yield "is one timestep early", got[:, :-1], right[:, 1:]
    for count in range(1, got.ndim + 1):
        for axes in combinations(range(got.ndim), count):
            if got.ndim > right.ndim:
                names = {sizes["N"]: "the batch (N)", sizes["T"]: "time (T)"}
                over = " and ".join(names.get(got.shape[axis], f"axis {axis}") for axis in axes)
                yield f"lacks the sum over {over}", got.sum(axis=axes), right
    for text, factor in FACTORS:
        yield text, got, factor(sizes) * right
        yield f"{text}, and has the wrong sign", got, -factor(sizes) * right
    if got.shape == right.shape and right.size > 1 and right.any():
        factor = np.vdot(right, got) / np.vdot(right, right)
        yield f"is {factor:.9g} times what it should be, in every entry", got, factor * right


def _try(change, array):
    try:
        return change(array)
    except (IndexError, ValueError):
        return np.array(np.nan)


def hypotheses(case):
    """List what each mistake computes on a case: (cost, sentence, dict from output to array)."""
    if case.hypotheses is None:
        case.hypotheses = [*_computed(case)]
    return case.hypotheses


def _computed(case):
    names = _called(case.name)
    if case.backward:  # the forward pass is right
        names = names - _called(case.forward_name) or {case.name}
    space = dict(vars(textbook))
    for name in FUNCTIONS:
        _define(FUNCTIONS[name], space)  # so that they call one another in this space
    with np.errstate(all="ignore"):
        for name in sorted(names):
            function, kept, shapes = FUNCTIONS[name], space[name], _shapes(case, name)
            for cost, text in mutants(function, shapes):
                try:
                    _define(function, space)
                    yield cost, text, case.run(space)
                except Exception:  # many make no sense
                    continue
            space[name] = kept


def _define(function, space):
    code = ast.Module([ast.fix_missing_locations(function)], [])
    exec(compile(code, "<mistake>", "exec"), space)


@cache
def _called(name):
    """Return a function of the textbook and those that it calls, but for what numpy has."""
    called = {
        node.id for node in ast.walk(FUNCTIONS[name]) if isinstance(node, ast.Name)
    } & FUNCTIONS.keys() - {"sigmoid", "softmax"}
    return {name}.union(*(_called(other) for other in called - {name}))


def _shapes(case, name):
    """Return the shapes of all names in a function of the textbook, as it runs on a case."""
    seen: dict[str, tuple] = {}
    function = ast.parse(ast.unparse(FUNCTIONS[name])).body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body.insert(-1, ast.parse("_see(locals())").body[0])
    space = dict(vars(textbook))

    def see(names):
        seen.update({k: np.shape(v) for k, v in names.items() if isinstance(v, (np.ndarray, int))})

    for other in FUNCTIONS.values():
        _define(other, space)
    space["_see"] = see
    _define(function, space)
    case.run(space)
    return seen
