"""`check_function`: the verdict on a short function that is no kernel, in words.

A function runs on small cases beside its solution. Where its results differ, wrong versions are
made of the solution, and a mistake is named only if it reproduces the reader's numbers.
"""

import ast
import contextlib
import inspect

import numpy as np
import torch

from helpers import vocabulary
from helpers.diagnosis import tasks
from helpers.diagnosis.calling import NotWritten, Wrong, call
from helpers.vocabulary import END, NULL, START

BOUND = 1e-8
_TASKS = vars(tasks).get("PACKED") or inspect.getsource(tasks)
SOURCES: dict[str, str] = {
    node.name: ast.get_source_segment(_TASKS, node) or ""
    for node in ast.parse(_TASKS).body
    if isinstance(node, ast.FunctionDef)
} | {
    "shift_captions": vars(vocabulary).get("PACKED") or inspect.getsource(vocabulary.shift_captions)
}


def check_function(function, otherwise=None):
    """Compare a function with its solution on small cases, and name what is wrong with it.

    Inputs:
        function: named as one of those that notebooks leave to the reader
        otherwise: the function to go on with while the reader's is not right; what is wrong is
            then printed and nothing raised
    Returns: the function if it is right, else `otherwise`
    Raises: AssertionError, without `otherwise`; ValueError for a name that is not known
    """
    name = function.__name__
    if name not in CASES:
        raise ValueError(f"which function is this? There are: {', '.join(CASES)}")
    text, errors = f"{name}: not written yet", {}
    with contextlib.suppress(NotWritten):
        problem, errors = _judge(name, function)
        text = f"{name} is not right yet:\n  {problem}" if problem else ""
    if not text:
        measured = ", ".join(f"{key} {error:.1e}" for key, error in errors.items())
        print(f"{name} ok: {measured} (relative errors, below {BOUND:g})".replace("e-0", "e-"))
        return function
    if otherwise is None:
        raise AssertionError(text)
    missing = text.endswith("not written yet")
    print(
        text
        + (
            ": write it here, or go on with ours"
            if missing
            else "\n  (the notebook goes on with ours)"
        )
    )
    return otherwise


def _judge(name, function):
    """Return what is wrong, or None, and the relative error of each result."""
    right = _results(name, make(name))
    try:
        got = _results(name, function)
    except Wrong as wrong:
        return str(wrong), {}
    errors = {key: _error(got[key], value) for key, value in right.items()}
    wrong = [key for key, error in errors.items() if not error < BOUND]
    if not wrong:
        return None, errors
    place = f"{wrong[0]}: expected {_short(right[wrong[0]])}, got {_short(got[wrong[0]])}"
    for mistake, *pieces in tasks.MISTAKES[name]:
        with contextlib.suppress(Exception):
            its = _results(name, make(name, *pieces))
            if all(_error(got[key], value) < BOUND for key, value in its.items()):
                return f"{mistake}\n  {place}", errors
    return place, errors


def make(name, *pieces):
    """Make the solution, or what becomes of it as pieces of its code are replaced.

    Inputs: pieces: a piece, what stands there instead, another piece, and so on
    """
    source = SOURCES[name]
    for old, new in zip(pieces[::2], pieces[1::2], strict=True):
        assert old in source, (name, old)
        source = source.replace(old, new)
    space = vars(vocabulary) | vars(tasks)
    exec(source, space)
    return space[name]


def _results(name, function):
    """Run the cases of a function. Returns: dict from what is compared to numbers or lists"""
    names = inspect.signature(make(name)).parameters

    def called(*arguments):
        return call(function, dict(zip(names, arguments, strict=False)), listed=False)

    return CASES[name](called)


def _error(x, y):
    """Return the largest relative error, infinite where the shapes differ."""
    try:
        x, y = (np.asarray(value, dtype=np.float64) for value in (x, y))
    except (TypeError, ValueError):
        return 0.0 if _plain(x) == _plain(y) else np.inf
    if x.shape != y.shape:
        return np.inf
    both_nan = np.isnan(x) & np.isnan(y)
    with np.errstate(all="ignore"):
        errors = np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))
    return float(np.where(both_nan, 0.0, np.where(x == y, 0.0, errors)).max(initial=0.0))


def _plain(value):
    """Make lists of tuples and arrays, so that they compare."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value


def _short(value):
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    text = str(np.round(value, 4).tolist() if floats else _plain(value))
    return text if len(text) < 100 else f"{text[:97]}..."


def _relative_error(f):
    x, y = np.random.default_rng(0).uniform(1, 2, size=(2, 3, 4))
    z = np.random.default_rng(1).normal(size=(3, 4))
    return {
        "of numbers of both signs": f(z, 0.1 - z),
        "of random arrays": f(x, y),
        "the same in another order": f(y, x),
        "of equal arrays": f(x, x),
        "of zeros": f(np.zeros(2), np.zeros(2)),
    }


def _numerical_gradient(f):
    x, df = np.random.default_rng(1).normal(size=(2, 2, 3))
    kept = x.copy()
    return {
        "of x cubed with h = 0.1": f(lambda x: x**3, x, df, 0.1),
        "of tanh(x)": np.round(f(np.tanh, x, df), 6),  # what is left is rounding
        "x afterwards": x - kept + 1,
    }


def _shift_captions(f):
    captions = np.array([[1, 5, 6, 2, 0], [1, 7, 4, 8, 2]])
    return dict(zip(("inputs", "targets", "mask"), f(captions), strict=True))


class _Slope(torch.nn.Module):
    """A model so small that each step can be told from the losses."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))

    def forward(self, features, captions):
        return ((features @ self.w - captions) ** 2).mean()


def _training_loop(f):
    generator = torch.Generator().manual_seed(0)
    features, model = 3 * torch.randn(6, 2, dtype=torch.float64, generator=generator), _Slope()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    losses = f(model, optimizer, features, features.sum(1), 6)
    return {
        "losses": [getattr(loss, "item", lambda loss=loss: loss)() for loss in losses],
        "weights": model.w.detach().numpy().copy(),
        "last gradient": [np.nan] * 2 if model.w.grad is None else model.w.grad.numpy().copy(),
        "tensors": [isinstance(loss, torch.Tensor) for loss in losses],
    }


class _Parrot:
    """A captioner whose scores depend on the word it reads and on how often it was asked."""

    def __init__(self):
        self.table = torch.randn(9, 9, generator=torch.Generator().manual_seed(7))
        self.table[:, END] = 0.6
        self.table[START, END] = self.table[NULL, START] = -3.0

    def start(self, features):
        return (features,), None

    def step(self, words, state, A=None):
        return self.table[words] + state[0], (state[0].roll(1, dims=1),), None


def _greedy_decode(f):
    features = torch.randn(4, 9, generator=torch.Generator().manual_seed(3))
    return {"captions": [[int(word) for word in words] for words in f(_Parrot(), features, 6)]}


def _beam_search(f):
    table = 0.6 * np.random.default_rng(4).dirichlet(np.full(6, 0.7), size=(4, 6))
    table[..., END] += 0.4
    table = np.log(table)
    beams = [
        beam
        for width in (1, 3)
        for beam in f(lambda ids: table[min(len(ids), 3), ids[-1] if ids else START], width, 4)
    ]
    return {
        "captions": [[int(w) for w in ids] for ids, _ in beams],
        "log-probabilities": [float(p) for _, p in beams],
    }


def _cider_d(f):
    words = ["a", "brown", "dog", "runs", "after", "a", "red", "ball", "on", "a", "field"]
    grams = [tuple(words[i : i + n]) for n in range(1, 5) for i in range(len(words) - n + 1)]
    idf = dict(zip(grams, np.random.default_rng(5).uniform(0.2, 2, len(grams)), strict=True))
    pairs = {
        "of a part": ("a brown dog runs", "a brown dog runs after a ball"),
        "of repeated words": ("a red red red ball", "a red ball"),
        "of itself": ("a dog runs on a field", "a dog runs on a field"),
        "of nothing in common": ("cat", "a dog"),
    }
    return {name: f(c.split(), r.split(), idf) for name, (c, r) in pairs.items()}


def _policy_loss(f):
    rng = np.random.default_rng(6)
    loss, dlog_probs = f(-rng.uniform(5, 15, (3, 4)), rng.uniform(0, 2, (3, 4)))
    return {"loss": loss, "dlog_probs": dlog_probs}


CASES = {
    "relative_error": _relative_error,
    "numerical_gradient": _numerical_gradient,
    "shift_captions": _shift_captions,
    "training_loop": _training_loop,
    "greedy_decode": _greedy_decode,
    "beam_search": _beam_search,
    "cider_d": _cider_d,
    "policy_loss": _policy_loss,
}
