"""Small cases of the course's functions that are no kernels, and what is wrong with a reader's."""

import ast
import contextlib
from collections.abc import Callable
from functools import cache
from itertools import chain

import numpy as np
import torch

from helpers import vocabulary
from helpers.diagnosis import tasks
from helpers.diagnosis.calling import Wrong, call, parameters, source_of
from helpers.diagnosis.explaining import BOUND, error
from helpers.diagnosis.mistakes import mutants
from helpers.vocabulary import END, NULL, START


class _Slope(torch.nn.Linear):
    """A model so small that losses tell the steps, of which the last two need no clipping."""

    def forward(self, features, captions=None):
        return ((super().forward(features)[:, 0] - captions) ** 4).mean()


def _slope():
    features = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).double()
    model = _Slope(2, 1, dtype=torch.float64)
    model.weight.data = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    model.bias.data.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.12, momentum=0.5)
    return model, optimizer, features, features.sum(1), 6


class _Parrot:
    """A captioner whose scores depend on the word it reads, on A and on how often it was asked."""

    def __init__(self):
        self.table = torch.randn(9, 9, generator=torch.Generator().manual_seed(5))
        self.table[:, END] = 0.6
        self.table[START, END] = -3.0
        self.table[:, [NULL, START]] = -9.0

    def start(self, features):
        return (features,), 1.5 * features.flip(1)

    def step(self, words, state, A=None):
        scores = torch.nn.functional.embedding(words, self.table) + state[0]
        return scores + (0 if A is None else A), (state[0].roll(1, dims=1),), None


def _next_log_probs(ids):
    table = 0.9 * np.random.default_rng(55).dirichlet(np.full(6, 0.7), size=(4, 6))
    table[..., END] += 0.1
    return np.log(table[min(len(ids), 3), ids[-1] if ids else START])


def _uneven(ids):
    """Let the best caption be the shorter, while the best mean per word is the longer's."""
    following = {(): {3: 0.4, 4: 0.6}, (4,): {3: 0.6, 5: 0.4}}.get(tuple(ids), {END: 1.0})
    return np.log([following.get(word, 1e-9) for word in range(6)])


def _captions(candidate, reference, *sigma):
    words = ["a", "brown", "dog", "runs", "after", "a", "red", "ball", "on", "a", "field"]
    grams = [tuple(words[i : i + n]) for n in range(1, 5) for i in range(len(words) - n + 1)]
    idf = zip(grams, np.random.default_rng(5).uniform(0.2, 2, len(grams)), strict=True)
    return candidate.split(), reference.split(), dict(idf), *sigma


# Name of a function -> what is compared -> arguments, made anew for each call
X, Y, DF = np.random.default_rng(1).normal(size=(3, 2, 3))
M, WIDER = np.random.default_rng(2).normal(size=(3, 4)), np.array([[1.0, 2, 3, 5], [8, 13, 21, 34]])
TINY = np.array([1e-9, 0, -4.5e-9, -8e-9])
CASES: dict[str, Callable[[], dict]] = {
    "relative_error": lambda: {
        "of numbers of both signs": (X, 0.1 - X), "of equal numbers": (X, X),
        "of positive numbers": (X**2, Y**2), "in another order": (Y**2, X**2),
        "of zeros": (0 * X, 0 * X), "of tiny numbers": (TINY, np.array([-2e-9, 0, -8e-9, -4.5e-9])),
    },
    "numerical_gradient": lambda: {
        "of x cubed with delta = 0.1": (lambda x: x**3, X.copy(), DF, 0.1),
        "of tanh(x)": (np.tanh, X.copy(), DF), "of x @ M": (lambda x: x @ M, X.copy(), WIDER, 0.1),
    },
    "shift_captions": lambda: {
        "inputs, targets, mask": (np.array([[1, 5, 6, 2, 0], [1, 7, 4, 8, 2]]),),
        "of more padding": (np.array([[1, 5, 2, 0, 0, 0], [1, 2, 0, 0, 0, 0]]),),
    },
    "training_loop": lambda: {"losses": _slope()},
    "greedy_decode": lambda: {
        "captions": (_Parrot(), torch.randn(4, 9, generator=torch.Generator().manual_seed(3)), 6)
    },
    "beam_search": lambda: {
        **{f"of width {k}": (_next_log_probs, k, 4) for k in (1, 3)},
        "of unequal lengths": (_uneven, 2, 4),
    },
    "cider_d": lambda: {
        "of a part": _captions("brown dog runs after a ball", "brown dog runs after", 5.0),
        "of repeated words": _captions("a red red", "a red ball on a field"),
        "of itself": _captions("a dog runs on a field", "a dog runs on a field"),
        "of nothing in common": _captions("a dog runs", "cat"),
    },
    "policy_loss": lambda: {"loss, dlog_probs": (-np.hstack([X, Y]) ** 2, np.hstack([Y, DF]) ** 2)},
}  # fmt: skip


def compare(name, function):
    """Run a function beside its solution.

    Inputs: name: of one in CASES; function: the reader's
    Returns: dict from what is compared to its relative error
    Raises: NotWritten; Wrong, with the mistake in the solution that makes the same of each case
    """
    right, got = _results(name, make(name)), _results(name, function)
    errors = {key: error(got[key][0], numbers) for key, (numbers, _) in right.items()}
    for key, off in errors.items():
        if not off < BOUND:
            what, mine, its = _apart(key, right[key][1], got[key][1])
            raise Wrong(*_named(name, got), f"{what}: expected {_difference(mine, its, off)}")
    return errors


def _apart(key, expected, came):
    """Narrow several outputs, named in the key, to the first that is wrong."""
    names = key.split(", ")
    if isinstance(came, (tuple, list)) and len(came) == len(names) > 1:
        for name, *two in zip(names, expected, came, strict=True):
            if not error(*map(_numbers, two)) < BOUND:
                return name, *two
    return key, expected, came


def _difference(expected, came, off):
    """Say what a result should be and what it is: its numbers, their kind, or the arguments."""
    if error(_numbers(came), _numbers(expected)) < BOUND:
        return "arguments left as ours leaves them"
    for tell in (_text, _kind):
        if tell(expected) != tell(came):
            return f"{tell(expected)}, got {tell(came)}"
    return f"{_text(expected)}; the relative error is {off:.1e}"


def make(name, *pieces):
    """Make the solution, or what becomes of it as pieces of its code are replaced.

    Inputs: pieces: a piece, what stands there instead, another piece, and so on
    """
    code, space = _code(name), vars(vocabulary) | vars(tasks)
    for old, new in zip(pieces[::2], pieces[1::2], strict=True):
        assert old in code, (name, old)
        code = code.replace(old, new)
    exec(code, space)
    return space[name]


@cache
def _code(name):
    module = vocabulary if name == "shift_captions" else tasks
    source = source_of(module)
    node = next(n for n in ast.parse(source).body if getattr(n, "name", None) == name)
    return ast.get_source_segment(source, node)


def _named(name, got):
    """Yield the first mistake in the solution that makes the results, if there is one."""
    tree = ast.parse(_code(name))
    del tree.body[0].body[0]  # the docstring
    lines = ast.unparse(tree).replace(" ** ", "**").splitlines()
    general = ((text, _code(name), "\n".join(new)) for _, text, new in mutants(lines, {}))
    for text, *pieces in chain(tasks.MISTAKES[name], general):
        with contextlib.suppress(Exception):  # many make no sense
            its = _results(name, make(name, *pieces))
            if all(error(got[key][0], its[key][0]) < BOUND for key in its):
                yield text
                return


def _results(name, function):
    """Return a dict from what is compared to its numbers, of arguments afterwards too, and it."""
    names, results = parameters(make(name)), {}
    for key, given in CASES[name]().items():
        arguments = [each.copy() if isinstance(each, np.ndarray) else each for each in given]
        result = call(function, dict(zip(names, arguments, strict=False)), listed=False)
        results[key] = np.nan_to_num([*_numbers(result), *_numbers(arguments)], nan=-1e9), result
    return results


def _text(value):
    """Write a result, rounded and cut short."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"[:99]
    array = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
    return str((np.round(array, 4) if array.dtype.kind == "f" else array).tolist())[:99]


def _kind(value):
    """Tell the types in a result: [float], or [Tensor] where each number is one."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(dict.fromkeys(map(_kind, value)))}]"
    return f"{type(value).__name__}{' of ' * hasattr(value, 'dtype')}{getattr(value, 'dtype', '')}"


def _numbers(value):
    """List the numbers in a result or an argument, with the lengths of lists and arrays.

    An array without axes counts as a number.
    """
    if isinstance(value, torch.nn.Module):
        value = [*value.parameters()]  # gradients may be cleared before a step or after it
    if isinstance(value, torch.Tensor):
        graph = [1] * (value.grad_fn is not None)  # a loss holds its graph
        return graph + _numbers(value.detach().numpy())
    if isinstance(value, np.ndarray):
        kind = ["bif".find(value.dtype.kind)] * (value.ndim > 0)
        return [*value.shape, *kind, *value.ravel().tolist()]
    if isinstance(value, (list, tuple)):
        return [len(value), *chain(*map(_numbers, value))]
    return [value] if isinstance(value, (int, float, np.generic)) else []
