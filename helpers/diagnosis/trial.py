"""All that is asked of a kernel, simplest first, until something is wrong."""

import contextlib

import numpy as np

from helpers.diagnosis.calling import ForwardWrong, NotWritten, Wrong, call, parameters, shape_text
from helpers.diagnosis.cases import OTHERS, SIZES, Case, arrays_in
from helpers.diagnosis.explaining import BOUND, error, explain, same
from helpers.diagnosis.notes import NOTES

ROW_MAXIMUM = "subtract each row's own maximum before exp"
KEPT = (
    "right in the first call alone: something is kept from one call to the next, such as a global "
    "name, an array made once, or a default argument like grads={}"
)
OVERFLOW = "large pre-activations overflow: write the sigmoid so that it cannot"
SCORES = f"scores of 10,000 overflow: {ROW_MAXIMUM}"
# Inputs at the edge: kernel -> what is wrong where it fails -> how inputs change
EXTREMES: dict[str, dict] = {
    "lstm_gates_forward": {OVERFLOW: {"a": lambda a: 1e4 * a}},
    "lstm_step_forward": {OVERFLOW: {"x": lambda x: 1e4 * x}},
    "lstm_forward": {OVERFLOW: {"x": lambda x: 1e4 * x}},
    "attention_lstm_step_forward": {OVERFLOW: {"x": lambda x: 1e4 * x}},
    "attention_lstm_forward": {
        OVERFLOW: {"x": lambda x: 1e4 * x}, SCORES: {"A": lambda A: 300 * A},
    },
    "dot_product_attention_forward": {
        SCORES: {"prev_h": lambda q: 2e4 * q[[0, 0, 0]], "A": lambda A: A[[0, 0, 0]]},
        "one example's large scores spoil another's: subtract each row's own maximum":
            {"prev_h": lambda q: q * np.array([[1.0], [2e4], [1.0]])},
    },
    "temporal_softmax_loss": {
        SCORES: {"scores": lambda s: s + 1e4},
        f"scores of -10,000 vanish, and their logarithm is infinite: {ROW_MAXIMUM}":
            {"scores": lambda s: s - 1e4},
        "rows of scores far apart spoil each other: subtract each row's own maximum":
            {"scores": lambda s: s + 1e4 * np.eye(*s.shape[:2])[:, :, None]},
        "a target whose probability rounds to 0 has an infinite loss: log softmax is the shifted "
        "score minus the log of the sum, not the log of the softmax":
            {"scores": lambda s: s + 1e4 * (np.arange(s.shape[2]) == 0)},
        "not zero when no target counts (the mask is False everywhere)": {"mask": np.zeros_like},
    },
}  # fmt: skip
SPECIAL_SIZES: dict[str, dict] = {
    "other sizes": {}, "one timestep (T = 1)": {"T": 1}, "one example (N = 1)": {"N": 1},
    "one input (D = 1)": {"D": 1, "M": 1}, "one position (P = 1)": {"P": 1},
    "one hidden unit (H = 1)": {"H": 1},
}  # fmt: skip


class Trial:
    """One kernel of a reader's on trial: `name` is what it should be, `seed` of its random inputs.

    `forward` makes the cache of a backward kernel.
    """

    def __init__(self, name, function, forward, seed):
        self.name, self.function, self.forward, self.seed = name, function, forward, seed
        self.errors, self.notes, self.was_right = {}, [], False

    def case(self, **options):
        """Return a case of the kernel, with this trial's random inputs."""
        return Case(self.name, **{"seed": self.seed} | options)

    def run(self):
        """Fill in `errors` by output and `notes`.

        Raises: NotWritten; Wrong; ForwardWrong, where it is not the kernel that is to blame
        """
        case = self.case()
        self._first(case)
        self._again(case)
        for text, sizes in SPECIAL_SIZES.items():
            if not sizes or case.letters & sizes.keys():
                start = f"right for N = {SIZES['N']}, T = {SIZES['T']}, but not for {text}"
                self._same(start, self.case(sizes=OTHERS | sizes, seed=self.seed + 1))
        for text, changed in EXTREMES.get(self.name, {}).items():
            self._same(text, self.case(changed=changed))
        self._first_cell_state()
        self.notes = [note for make in NOTES for note in make(self)]

    def is_right(self):
        """Tell whether the outputs are right on one case, and whatever else may be wrong."""
        case = self.case()
        with contextlib.suppress(NotWritten, Wrong):
            self.was_right = not _differing(self.outputs(case), case)
        return self.was_right

    def prepare(self, case, convert=np.array):
        """Return the arguments of the kernel on a case, by name; for a cache, forward is called.

        Raises: ForwardWrong where forward is not right on this case.
        """
        inputs = {k: convert(a) for k, a in case.inputs.items()}
        if not case.backward:
            return inputs
        try:
            result = call(self.forward, inputs)
        except (NotWritten, Wrong) as problem:
            raise ForwardWrong(str(problem) or "not written yet") from None
        if changed := [k for k, a in inputs.items() if not error(a, case.inputs[k]) < 1e-3]:
            raise ForwardWrong(f"it modifies {', '.join(changed)}")
        if len(result) != len(case.forward_outputs) + 1:
            raise ForwardWrong("it returns no cache, or not in the end")
        for (key, right), got in zip(case.forward_expected.items(), result, strict=False):
            if not error(got, right) < 1e-3:  # in float32 too
                sizes = ", ".join(f"{letter} = {case.sizes[letter]}" for letter in "NT")
                raise ForwardWrong(f"its {key} is not right for {sizes}" + " and a c0" * case.c0)
        return {k: convert(a) for k, a in case.upstream.items()} | {"cache": result[-1]}

    def outputs(self, case):
        """Return the outputs of the kernel on a case as arrays, by name. Raises: Wrong"""
        return _named(case, call(self.function, self.prepare(case)))

    def _first(self, case):
        """Compare the outputs, and look whether arguments are as they were."""
        arguments = self.prepare(case)
        before = {k: [(a, a.copy()) for a in arrays_in(v)] for k, v in arguments.items()}
        result = call(self.function, arguments, quiet=False)
        changed = [k for k, of in before.items() if not all(np.array_equal(a, b) for a, b in of)]
        if changed:
            raise Wrong(
                f"{', '.join(changed)}: the function modified this argument; work on a copy"
            )
        named = _named(case, result)
        if self.was_right and _differing(named, case):
            raise Wrong(KEPT)
        with np.errstate(all="ignore"):
            lines = explain(case, named, self.outputs)
        if lines:
            # a kernel with its gates in another order than ours says which
            own = getattr(self.function, "in_own_order", str)
            raise Wrong(*map(own, lines))
        self.errors = {k: error(named[k], case.expected[k]) for k in case.outputs}

    def _again(self, case):
        """Call with other numbers in between: neither may reach the other."""
        other = self.case(seed=self.seed + 1)
        first = self.prepare(case)
        before = [array.copy() for array in arrays_in(first)]
        second = self.prepare(other)
        if any(not np.array_equal(a, b) for a, b in zip(arrays_in(first), before, strict=True)):
            raise ForwardWrong("its next call changes the cache of the one before")
        one = _named(case, call(self.function, first))
        kept = {k: array.copy() for k, array in one.items()}
        two = _named(other, call(self.function, second))
        if wrong := _differing(kept, case) or _differing(two, other):
            raise Wrong(f"{', '.join(wrong)}: {KEPT}")
        if wrong := _differing(one, case):
            raise Wrong(
                f"{', '.join(wrong)}: the array that one call returned is overwritten by the next; "
                "make a new one in each call"
            )

    def _same(self, text, case):
        """Compare on one more case. Raises: Wrong, with a text of what is wrong"""
        try:
            named = self.outputs(case)
        except ForwardWrong:
            raise
        except Wrong as wrong:
            raise Wrong(f"{text}: {wrong}") from None
        if wrong := _differing(named, case, 100 * BOUND):
            shapes = [
                f"; shape {named[k].shape} instead of {case.expected[k].shape}"
                for k in wrong if named[k].shape != case.expected[k].shape
            ]  # fmt: skip
            raise Wrong(f"{', '.join(wrong)}: {text}{''.join(shapes[:1])}")

    def _first_cell_state(self):
        """Give a c0, unless the forward pass knows none: c0 = 0 alone, as CS231n has it."""
        forward = self.forward if self.name == "lstm_backward" else self.function
        if self.name not in ("lstm_forward", "lstm_backward") or len(parameters(forward)) == 5:
            return
        case = self.case(c0=True)
        result = call(self.function, self.prepare(case))
        if case.backward and len(result) == 5 and same(result[0], case.expected["dx"]):
            raise Wrong("dc0 is missing where the forward pass was given a c0; it comes last")
        if not case.backward and same(_named(case, result)["h"], self.case().expected["h"]):
            raise Wrong("h: the argument c0 is ignored: the first cell state stays 0")
        self._same("not right when a first cell state c0 is given", case)


def _differing(named, case, bound=BOUND):
    """List the outputs that are not what they should be."""
    return [k for k, right in case.expected.items() if not error(named[k], right) < bound]


def _named(case, result):
    """Name the outputs, of the right number, kind and dtype, whatever their values."""
    wanted = [*case.outputs, *case.after]
    if len(result) != len(wanted):
        raise Wrong(_shortage(case, result, wanted))
    named = dict(zip(case.outputs, result, strict=False))
    kinds = {k: _kind(got, case.expected[k], wanted) for k, got in named.items()}
    if any(kinds.values()):
        raise Wrong(*(f"{k}: {kind}" for k, kind in kinds.items() if kind))
    return {k: np.squeeze(got) if np.shape(got) == (1,) and k == "loss" else np.asarray(got)
            for k, got in named.items()}  # fmt: skip


def _shortage(case, result, wanted):
    """Say which outputs are missing or too many."""
    what = f"{len(result)} values" if len(result) > 1 else f"one value, {shape_text(result[0])}"
    text = f"returned {what}, expected {', '.join(wanted)}"
    if len(result) > len(wanted):
        return f"{text}: {len(result) - len(wanted)} too many"
    right = case.expected.items()
    missing = [k for k, array in right if not any(same(got, array) for got in result)]
    return f"{text}: {', '.join(missing or ['the cache'])} missing"


def _kind(got, right, wanted):
    """Return what is wrong with the type of an output, whatever its shape, or None."""
    if got is None:
        return "is None: not computed yet"
    if isinstance(got, (tuple, dict)) and "cache" in wanted:
        return f"is a {type(got).__name__}, perhaps the cache; the order is {', '.join(wanted)}"
    if not isinstance(got, (np.ndarray, np.generic, float)):
        return f"is a {type(got).__module__}.{type(got).__name__}, but NumPy arrays went in"
    if np.asarray(got).dtype != right.dtype:
        return f"is {np.asarray(got).dtype}, but the inputs are {right.dtype}"
    return None
