"""Small cases of the course's functions that are no kernels, and what is wrong with a reader's."""

import ast
import contextlib
import inspect
from functools import cache

import numpy as np
import torch

from helpers import vocabulary
from helpers.diagnosis import tasks
from helpers.diagnosis.calling import Wrong, call
from helpers.diagnosis.explaining import BOUND, error
from helpers.diagnosis.mistakes import mutants
from helpers.vocabulary import END, NULL, START


def compare(name, function):
    """Run a function beside its solution.

    Inputs: name: of one in CASES; function: the reader's
    Returns: dict from result to its relative error
    Raises: NotWritten; Wrong, with the mistake in the solution that makes the same of each case
    """
    right, got = _results(name, make(name)), _results(name, function)
    errors = {key: _error(got[key], value) for key, value in right.items()}
    wrong = [key for key in right if not errors[key] < BOUND]
    if not wrong:
        return errors
    place = f"{wrong[0]}: expected {_short(right[wrong[0]])}, got {_short(got[wrong[0]])}"
    raise Wrong(*_named(name, got), place)


def make(name, *pieces):
    """Make the solution, or what becomes of it as pieces of its code are replaced.

    Inputs: pieces: a piece, what stands there instead, another piece, and so on
    """
    code = _code(name)
    for old, new in zip(pieces[::2], pieces[1::2], strict=True):
        assert old in code, (name, old)
        code = code.replace(old, new)
    space = vars(vocabulary) | vars(tasks)
    exec(code, space)
    return space[name]


@cache
def _code(name):
    module = vocabulary if name == "shift_captions" else tasks
    source = vars(module).get("PACKED") or inspect.getsource(module)
    node = next(n for n in ast.parse(source).body if getattr(n, "name", None) == name)
    return ast.get_source_segment(source, node)


def _named(name, got):
    """Yield the first mistake in the solution that makes the results, if there is one."""
    for text, *pieces in [*tasks.MISTAKES[name], *_changed(name)]:
        with contextlib.suppress(Exception):  # many make no sense
            its = _results(name, make(name, *pieces))
            if all(_error(got[key], value) < BOUND for key, value in its.items()):
                yield text
                return


@cache
def _changed(name):
    """List mistakes that people make in all code: what is wrong, the code, and the code with it."""
    tree = ast.parse(_code(name))
    del tree.body[0].body[0]  # the docstring
    lines = ast.unparse(tree).replace(" ** ", "**").splitlines()
    return [(text, _code(name), "\n".join(new)) for _, text, new in mutants(lines, {})]


def _results(name, function):
    """Run the cases of a function. Returns: dict from what is compared to numbers or lists"""
    names = inspect.signature(make(name)).parameters

    def called(*arguments):
        return call(function, dict(zip(names, arguments, strict=False)), listed=False)

    return CASES[name](called)


def _error(x, y):
    """Return the relative error of numbers, where NaN equals NaN; of lists 0 where they agree."""
    try:
        x, y = (np.nan_to_num(np.asarray(each, dtype=np.float64), nan=-1e9) for each in (x, y))
    except (TypeError, ValueError):  # lists of unequal length
        return 0.0 if x == y else np.inf
    return error(x, y)


def _short(value):
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    text = " ".join(f"{np.round(value, 4).tolist() if floats else value}".split())
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


class _Slope(torch.nn.Linear):
    """A model so small that each step can be told from the losses."""

    def forward(self, features, captions=None):
        return ((super().forward(features)[:, 0] - captions) ** 2).mean()


def _training_loop(f):
    generator = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(6, 2, dtype=torch.float64, generator=generator)
    model = _Slope(2, 1, bias=False, dtype=torch.float64)
    model.weight.data = torch.tensor([[3.0, -2.0]], dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    losses = f(model, optimizer, features, features.sum(1), 6)
    return {
        "losses": [getattr(loss, "detach", lambda loss=loss: loss)() for loss in losses],
        "weights": model.weight.detach().numpy().copy(),
        "last gradient": np.full(2, np.nan) if model.weight.grad is None else model.weight.grad,
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

    def next_log_probs(ids):
        return np.log(table[min(len(ids), 3), ids[-1] if ids else START])

    beams = [beam for width in (1, 3) for beam in f(next_log_probs, width, 4)]
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
    each.__name__[1:]: each
    for each in (_relative_error, _numerical_gradient, _shift_captions, _training_loop,
                 _greedy_decode, _beam_search, _cider_d, _policy_loss)
}  # fmt: skip
