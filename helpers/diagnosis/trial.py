"""All that is asked of a kernel, simplest first, until something is wrong."""

import contextlib

import numpy as np

from helpers.diagnosis.calling import ForwardWrong, NotWritten, Wrong, call, parameters, shape_text
from helpers.diagnosis.cases import OTHERS, SIZES, Case, arrays_in
from helpers.diagnosis.comparing import BOUND, as_array, error, same
from helpers.diagnosis.explaining import explain
from helpers.diagnosis.notes import NOTES

ROW_MAXIMUM = "subtract each row's own maximum before exp"
KEPT = (
    "right in the first call alone: something is kept from one call to the next, such as a global "
    "name, an array made once, or a default argument like grads={}"
)


class Trial:
    """One kernel of a reader's on trial.

    Inputs:
        name: of the kernel of the course that it should be
        function: the reader's
        forward: for a backward kernel, the forward kernel that makes its cache
        seed: of the random inputs
    """

    def __init__(self, name, function, forward, seed):
        self.name, self.function, self.forward, self.seed = name, function, forward, seed
        self.errors, self.notes, self.was_right = {}, [], False

    def run(self):
        """Put the kernel on trial: `errors` by output and `notes` are filled in.

        Raises: NotWritten; Wrong; ForwardWrong, where it is not the kernel that is to blame
        """
        case = Case(self.name, seed=self.seed)
        self._first(case)
        self._again(case)
        for text, other in self._variants():
            self._same(text, other)
        self._first_cell_state()
        self.notes = [note for make in NOTES for note in make(self)]

    def is_right(self):
        """Tell whether the outputs are right on one case, and whatever else may be wrong."""
        case = Case(self.name, seed=self.seed)
        with contextlib.suppress(NotWritten, Wrong):
            named = self.outputs(case)
            self.was_right = all(same(named[k], right) for k, right in case.expected.items())
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
        except NotWritten as missing:
            raise ForwardWrong(str(missing) or "not written yet") from None
        except Wrong as wrong:
            raise ForwardWrong(str(wrong)) from None
        if changed := [
            k for k, a in inputs.items() if not error(as_array(a), case.inputs[k]) < 1e-3
        ]:
            raise ForwardWrong(f"it modifies {', '.join(changed)}")
        if len(result) != len(case.forward_outputs) + 1:
            raise ForwardWrong("it returns no cache, or not in the end")
        for (key, right), got in zip(case.forward_expected.items(), result, strict=False):
            if not error(as_array(got), right) < 1e-3:  # in float32 too
                sizes = ", ".join(f"{letter} = {case.sizes[letter]}" for letter in "NT")
                raise ForwardWrong(f"its {key} is not right for {sizes}" + " and a c0" * case.c0)
        return {k: convert(a) for k, a in case.upstream.items()} | {"cache": result[-1]}

    def outputs(self, case):
        """Return the outputs of the kernel on a case as arrays, by name. Raises: Wrong"""
        return self._named(case, call(self.function, self.prepare(case)))

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
        named = self._named(case, result)
        if self.was_right and not all(same(named[k], right) for k, right in case.expected.items()):
            raise Wrong(KEPT)
        with np.errstate(all="ignore"):
            lines = explain(case, named, self.outputs)
        if lines:
            raise Wrong(*lines)
        self.errors = {k: error(named[k], case.expected[k]) for k in case.outputs}

    def _named(self, case, result):
        """Name the outputs, of the right number, kind and dtype, whatever their values."""
        wanted = [*case.outputs, *case.after]
        if len(result) != len(wanted):
            raise Wrong(_shortage(case, result, wanted))
        named = dict(zip(case.outputs, result, strict=False))
        kinds = {k: _kind(got, case.expected[k], wanted) for k, got in named.items()}
        if any(kinds.values()):
            raise Wrong(*(f"{k}: {kind}" for k, kind in kinds.items() if kind))
        named = {k: np.asarray(got) for k, got in named.items()}
        if named.get("loss", np.zeros(())).shape == (1,):
            named["loss"] = named["loss"][0]
        return named

    def _again(self, case):
        """Call with other numbers in between: neither may reach the other."""
        other = Case(self.name, seed=self.seed + 1)
        first = self.prepare(case)
        before = [array.copy() for array in arrays_in(first)]
        second = self.prepare(other)
        if any(not np.array_equal(a, b) for a, b in zip(arrays_in(first), before, strict=True)):
            raise ForwardWrong("its next call changes the cache of the one before")
        one = self._named(case, call(self.function, first))
        kept = {k: array.copy() for k, array in one.items()}
        two = self._named(other, call(self.function, second))
        for mine, got in ((case, kept), (other, two)):
            if wrong := [k for k in mine.outputs if not same(got[k], mine.expected[k])]:
                raise Wrong(f"{', '.join(wrong)}: {KEPT}")
        if wrong := [k for k in kept if not np.array_equal(kept[k], one[k])]:
            raise Wrong(
                f"{', '.join(wrong)}: the array that one call returned is overwritten by the next; "
                "make a new one in each call"
            )

    def _variants(self):
        """Yield (what is wrong where it fails, case): other sizes, and numbers at the edge."""
        letters = Case(self.name).letters
        start = f"right for N = {SIZES['N']}, T = {SIZES['T']}, but not for"
        for sizes, text in (
            ({}, "other sizes"),
            ({"T": 1}, "one timestep (T = 1)"),
            ({"N": 1}, "one example (N = 1)"),
            ({"D": 1, "M": 1}, "one input (D = 1)"),
            ({"P": 1}, "one position (P = 1)"),
            ({"H": 1}, "one hidden unit (H = 1)"),
        ):
            if not sizes or letters & sizes.keys():
                yield f"{start} {text}", Case(self.name, OTHERS | sizes, self.seed + 1)
        for text, changed in EXTREMES.get(self.name, {}).items():
            yield text, Case(self.name, seed=self.seed, changed=changed)

    def _same(self, text, case):
        """Compare on one more case. Raises: Wrong, with a text of what is wrong"""
        try:
            named = self.outputs(case)
        except ForwardWrong:
            raise
        except Wrong as wrong:
            raise Wrong(f"{text}: {wrong}") from None
        wrong = [
            k for k, right in case.expected.items() if not error(named[k], right) < 100 * BOUND
        ]
        shapes = [
            f"shape {named[k].shape} instead of {case.expected[k].shape}"
            for k in wrong if named[k].shape != case.expected[k].shape
        ]  # fmt: skip
        if wrong:
            raise Wrong(f"{', '.join(wrong)}: {'; '.join([text, *shapes[:1]])}")

    def _first_cell_state(self):
        if self.name not in ("lstm_forward", "lstm_backward"):
            return
        if self.name == "lstm_forward" and len(parameters(self.function)) == 5:
            return  # c0 = 0 alone, as CS231n has it
        case = Case(self.name, seed=self.seed, c0=True)
        try:
            result = call(self.function, self.prepare(case))
        except ForwardWrong as wrong:
            if "positional argument" in str(wrong):
                return  # the forward pass knows no c0
            raise
        if case.backward and len(result) == 5 and same(as_array(result[0]), case.expected["dx"]):
            raise Wrong("dc0 is missing where the forward pass was given a c0; it comes last")
        named = self._named(case, result)
        if not case.backward and same(named["h"], Case(self.name, seed=self.seed).expected["h"]):
            raise Wrong("h: the argument c0 is ignored: the first cell state stays 0")
        self._same("not right when a first cell state c0 is given", case)


# Inputs at the edge: kernel -> what is wrong where it fails -> how inputs change
_OVERFLOWING = "large pre-activations overflow: write the sigmoid so that it cannot"
EXTREMES: dict[str, dict] = {
    f"{name}_forward": {_OVERFLOWING: {key: lambda array: 1e4 * array}}
    for name, key in {"lstm_gates": "a", "lstm_step": "x", "attention_lstm_step": "x",
                      "lstm": "x"}.items()
} | {
    "dot_product_attention_forward": {
        f"scores of 10,000 overflow: {ROW_MAXIMUM}": {
            "prev_h": lambda q: 2e4 * q[[0, 0, 0]], "A": lambda A: A[[0, 0, 0]],
        },
        "one example's large scores spoil another's: subtract each row's own maximum": {
            "prev_h": lambda q: q * np.array([[1.0], [2e4], [1.0]]),
        },
    },
    "attention_lstm_forward": {
        _OVERFLOWING: {"x": lambda x: 1e4 * x},
        f"scores of 10,000 overflow: {ROW_MAXIMUM}": {"A": lambda A: 300 * A},
    },
    "temporal_softmax_loss": {
        f"scores of 10,000 overflow: {ROW_MAXIMUM}": {"scores": lambda s: s + 1e4},
        f"scores of -10,000 vanish, and their logarithm is infinite: {ROW_MAXIMUM}": {
            "scores": lambda s: s - 1e4,
        },
        "rows of scores far apart spoil each other: subtract each row's own maximum, not that of "
        "the whole batch": {
            "scores": lambda s: s + 1e4 * (np.arange(s[..., 0].size).reshape(*s.shape[:2], 1) % 2),
        },
        "a target whose probability rounds to 0 has an infinite loss: log softmax is the shifted "
        "score minus the log of the sum, not the log of the softmax": {
            "scores": lambda s: s + 1e4 * (np.arange(s.shape[2]) == 0),
        },
        "not zero when no target counts (the mask is False everywhere)": {"mask": np.zeros_like},
    },
}  # fmt: skip


def _shortage(case, result, wanted):
    """Say which outputs are missing or too many."""
    unmatched, missing = list(result), []
    for key in case.outputs:
        found = [k for k, got in enumerate(unmatched) if _is(got, case.expected[key])]
        if found:
            del unmatched[found[0]]
        else:
            missing.append(key)
    missing += ["the cache"] if case.after and not unmatched else []
    what = f"{len(result)} values" if len(result) > 1 else f"one value, {shape_text(result[0])}"
    text = f"returned {what}, expected {', '.join(wanted)}"
    if len(result) > len(wanted):
        return f"{text}: {len(result) - len(wanted)} too many"
    return f"{text}: {', '.join(missing)} missing" if missing else text


def _is(got, right):
    return isinstance(got, (np.ndarray, np.generic, float)) and same(got, right)


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
