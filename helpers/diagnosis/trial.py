"""All that is asked of a kernel, simplest first, until something is wrong."""

import copy
import inspect

import numpy as np

from helpers.diagnosis import extremes, textbook
from helpers.diagnosis.calling import (
    Failed,
    ForwardWrong,
    NotWritten,
    Unchanged,
    Wrong,
    call,
    listed,
    shape_text,
)
from helpers.diagnosis.cases import OTHERS, SIZES, Case
from helpers.diagnosis.hypotheses import BOUND, error, explain, same
from helpers.diagnosis.placing import place


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
        self.errors, self.notes = {}, []

    def run(self, values=False):
        """Put the kernel on trial: `errors` by output and `notes` are filled in.

        Raises: NotWritten; Wrong
        """
        case = Case(self.name, SIZES, self.seed)
        self.errors = self._compare(case, self._outputs(case))
        if values:
            return
        self._again(case)
        for change, text in (
            ({}, "other sizes"),
            ({"T": 1}, "one timestep (T = 1)"),
            ({"N": 1}, "one example (N = 1)"),
            ({"D": 1, "M": 1}, "one input (D = 1)"),
        ):
            if not change or case.letters & change.keys():
                other = Case(self.name, OTHERS | change, self.seed + 1)
                self._only(other, text)
        if self.name.startswith("lstm_") and self.name.split("_")[1] in ("forward", "backward"):
            self._first_cell_state()
        for text, arguments, expected in extremes.cases(self.name, self.seed):
            self._extreme(text, arguments, expected)
        self.notes += extremes.notes(self)

    def parameters(self):
        """Return the names of the arguments that the function takes, empty when it tells none."""
        try:
            return list(inspect.signature(self.function).parameters)
        except (TypeError, ValueError):
            return []

    def prepare(self, case, convert=copy.deepcopy):
        """Return the arguments of the kernel on a case, by name; for a cache, forward is called.

        Raises: ForwardWrong where forward is not right on this case.
        """
        inputs = case.arguments(convert)
        if not case.backward:
            return inputs
        try:
            result = listed(call(self.forward, inputs))
        except Failed as failed:
            raise ForwardWrong(str(failed)) from None
        if len(result) != len(case.forward_outputs) + 1:
            raise ForwardWrong("it returns no cache, or not in the end")
        right = getattr(textbook, case.forward_name)(*case.inputs.values())
        for key, got, wanted in zip(case.forward_outputs, result, right, strict=False):
            if not error(_as_array(got), wanted) < 1e-3:  # in float32 too
                sizes = ", ".join(f"{letter} = {case.sizes[letter]}" for letter in "NT")
                raise ForwardWrong(f"its {key} is not right for {sizes}" + " and a c0" * case.c0)
        return {k: convert(a) for k, a in case.upstream.items()} | {"cache": result[-1]}

    def call(self, arguments, quiet=True):
        """Call the kernel. Returns: list of what it returned. Raises: NotWritten, Wrong"""
        try:
            result = call(self.function, arguments, quiet)
        except NotWritten:
            raise
        except Failed as failed:
            raise Wrong(str(failed)) from None
        if result is None:
            raise NotWritten
        return listed(result)

    def outputs(self, case):
        """Return the outputs of the kernel on a case as arrays, by name. Raises: Wrong"""
        return self._named(case, self.call(self.prepare(case)))

    def _outputs(self, case):
        arguments = self.prepare(case)
        kept = {key: Unchanged(value) for key, value in arguments.items()}
        result = self.call(arguments, quiet=False)
        changed = [key for key, before in kept.items() if before.broken()]
        lines = [f"{key}: the function modified this argument; work on a copy" for key in changed]
        try:
            named = self._named(case, result)
            self._compare(case, named)
        except Wrong as wrong:
            raise Wrong(*(lines or wrong.lines)) from None
        if lines:
            raise Wrong(*lines)
        return named

    def _named(self, case, result):
        """Check number, kind and dtype of outputs, not their values."""
        wanted = [*case.outputs, *case.after]
        if len(result) != len(wanted):
            raise Wrong(_shortage(case, result, wanted))
        lines, named = [], {}
        for key, got in zip(case.outputs, result, strict=False):
            if kind := _wrong_kind(got, case.expected[key], wanted):
                lines.append(f"{key}: {kind}")
            elif np.shape(got) == (1,) and not case.expected[key].shape:
                named[key] = np.asarray(got)[0]  # a loss
            else:
                named[key] = np.asarray(got)
        if lines:
            raise Wrong(*lines)
        return named

    def _compare(self, case, named):
        """Return the error of each output. Raises: Wrong, with what explains those not right"""
        wrong = [k for k in case.outputs if not same(named[k], case.expected[k])]
        if not wrong:
            return {k: error(named[k], case.expected[k]) for k in case.outputs}
        explained = explain(case, named, wrong)
        told = {k for keys in explained for k in keys.split(", ")}
        lines = [f"{keys}: {text}" for keys, text in explained.items()]
        for key in wrong:
            if key not in told:
                lines.append(f"{key}: {self._place(case, key, named[key], wrong)}")
        right = [k for k in case.outputs if k not in wrong]
        raise Wrong(*lines, *([f"{', '.join(right)}: right"] if right else []))

    def _place(self, case, key, got, wrong):
        right = case.expected[key]
        if got.shape != right.shape:
            return f"has shape {got.shape}, expected {right.shape}"
        if broken := np.sum(~np.isfinite(got)):
            return f"{broken} of {got.size} entries are NaN or infinite"
        worst = np.unravel_index(np.argmax(np.abs(got - right)), right.shape)
        entry = f"{[int(i) for i in worst]}: " if worst else ""
        numbers = f"at {entry}got {got[worst]:.6g}, expected {right[worst]:.6g}"
        where = place(case, key, got, self.outputs)
        if len(wrong) == 1 and len(case.outputs) > 1:
            where = f"it alone is wrong, so look at the line that makes it; {where}"
        return f"{where} ({numbers})"

    def _only(self, case, text):
        """Compare on one more case: what is wrong there alone has to do with its sizes."""
        start = f"right for N = {SIZES['N']}, T = {SIZES['T']}, but not for {text}"
        try:
            named = self.outputs(case)
        except Wrong as wrong:
            raise Wrong(f"{start}: {wrong}") from None
        lines = []
        for key, right in case.expected.items():
            if named[key].shape != right.shape:
                lines.append(f"{key} has shape {named[key].shape}, expected {right.shape}")
            elif not same(named[key], right):
                lines.append(f"{key} differs")
        if lines:
            raise Wrong(f"{start}: {', '.join(lines)}")

    def _again(self, case):
        """Call with other numbers in between: neither may reach the other."""
        other = Case(self.name, SIZES, self.seed + 1)
        first, second = self.prepare(case), self.prepare(other)
        one = self._named(case, self.call(first))
        kept = {key: array.copy() for key, array in one.items()}
        state = (
            "right in the first call alone: something is kept from one call to the next, such as "
            "a global name, an array made once, or a default argument like grads={}"
        )
        two = self._named(other, self.call(second))
        for mine, got in ((case, kept), (other, two)):
            lines = [key for key in mine.outputs if not same(got[key], mine.expected[key])]
            if lines:
                raise Wrong(f"{', '.join(lines)}: {state}")
        lines = [key for key in kept if not np.array_equal(kept[key], one[key])]
        if lines:
            raise Wrong(
                f"{', '.join(lines)}: the array that one call returned is overwritten by the next; "
                "make a new one in each call"
            )

    def _first_cell_state(self):
        if self.name == "lstm_forward" and len(self.parameters()) == 5:
            return  # c0 = 0 alone, as CS231n has it
        case = Case(self.name, SIZES, self.seed, c0=True)
        without = Case(self.name, SIZES, self.seed)
        try:
            given = self.prepare(case)
        except ForwardWrong as wrong:
            if "positional argument" in str(wrong):
                return  # the forward pass knows no c0
            raise
        result = self.call(given)
        if not case.backward:
            named = self._named(case, result)
            if not same(named["h"], case.expected["h"]):
                if same(named["h"], without.expected["h"]):
                    raise Wrong("h: the argument c0 is ignored: the first cell state stays 0")
                raise Wrong("h: not right when a first cell state c0 is given")
            return
        if len(result) == 5 and same(np.asarray(result[0]), case.expected["dx"]):
            raise Wrong("dc0 is missing where the forward pass was given a c0; it comes last")
        self._compare(case, self._named(case, result))

    def _extreme(self, text, arguments, expected):
        result = self.call(copy.deepcopy(arguments))
        for (key, right), got in zip(expected.items(), result, strict=False):
            if np.shape(got) == (1,) and not right.shape:
                got = np.asarray(got)[0]
            if not error(got, right) < 100 * BOUND:
                raise Wrong(f"{key}: {text}")


def _as_array(got):
    """Return a NumPy array of what may be a tensor."""
    return np.asarray(got.detach().cpu() if hasattr(got, "detach") else got)


def _shortage(case, result, wanted):
    """Say which outputs are missing or too many."""
    unmatched, missing = list(result), []
    for key in case.outputs:
        found = [k for k, got in enumerate(unmatched) if _is(got, case.expected[key])]
        if found:
            del unmatched[found[0]]
        else:
            missing.append(key)
    if case.after and (not unmatched or (missing and len(unmatched) < 1)):
        missing.append("the cache")
    what = f"{len(result)} values" if len(result) > 1 else f"one value, {shape_text(result[0])}"
    text = f"returned {what}, expected {', '.join(wanted)}"
    if len(result) < len(wanted) and missing:
        return f"{text}: {', '.join(missing)} missing"
    return f"{text}: {len(result) - len(wanted)} too many" if len(result) > len(wanted) else text


def _is(got, right):
    return isinstance(got, (np.ndarray, np.generic, float)) and same(got, right)


def _wrong_kind(got, right, wanted):
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
