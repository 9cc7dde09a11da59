"""Small random arrays of unequal sizes, for each kernel, and what has to come out of them."""

import inspect
import re

import numpy as np

from helpers.diagnosis import textbook

# The arguments of each forward kernel with their shapes, and its outputs but the cache.
KERNELS = {
    "rnn_step": ("x:ND prev_h:NH Wx:DH Wh:HH b:H", "next_h"),
    "rnn": ("x:NTD h0:NH Wx:DH Wh:HH b:H", "h"),
    "lstm_gates": ("a:N4H prev_c:NH", "next_h next_c"),
    "lstm_step": ("x:ND prev_h:NH prev_c:NH Wx:D4H Wh:H4H b:4H", "next_h next_c"),
    "lstm": ("x:NTD h0:NH Wx:D4H Wh:H4H b:4H", "h"),
    "dot_product_attention": ("prev_h:NH A:NPH", "attn alpha"),
    "attention_lstm_step": (
        "x:ND prev_h:NH prev_c:NH attn:NH Wx:D4H Wh:H4H Wattn:H4H b:4H", "next_h next_c",
    ),
    "attention_lstm": ("x:NTD A:NPH Wx:D4H Wh:H4H Wattn:H4H b:4H", "h alpha"),
    "word_embedding": ("x:NT W:VD", "out"),
    "temporal_affine": ("x:NTD W:DM b:M", "out"),
    "temporal_softmax_loss": ("scores:NTV y:NT mask:NT", "loss dscores"),
}  # fmt: skip
SIZES = {"N": 3, "T": 5, "D": 4, "H": 7, "P": 6, "V": 9, "M": 8}  # no two alike
OTHERS = {"N": 4, "T": 3, "D": 6, "H": 5, "P": 8, "V": 11, "M": 7}


def checkable():
    """List the names of the kernels that can be checked, in the order of the course."""
    return [
        name
        for model in KERNELS
        for name in (model, f"{model}_forward", f"{model}_backward")
        if hasattr(textbook, name)
    ]


class Case:
    """Inputs of one kernel, and what has to come out.

    Inputs:
        sizes: dict from N, T, D, H, P, V, M to sizes
        c0: for an LSTM, whether a first cell state, (N, H), is given
        changed: dict from an input, or an upstream gradient, to a function that makes another
            array of it, of its shape
    """

    def __init__(self, name, sizes=SIZES, seed=0, c0=False, changed=None):
        self.name, self.sizes, self.c0 = name, dict(sizes), c0
        model = name.removesuffix("_forward").removesuffix("_backward")
        self.backward = name.endswith("_backward")
        self.forward_name = f"{model}_forward" if self.backward else name
        rng = np.random.default_rng(seed)
        shapes, outputs = KERNELS[model]
        self.letters = {*shapes} & SIZES.keys()
        shapes = dict(each.split(":") for each in (shapes + " c0:NH" * c0).split())
        self.inputs = {k: self._random(rng, k, letters) for k, letters in shapes.items()}
        self.upstream = {}
        self.outputs = self.forward_outputs = outputs.split()
        self.after = [] if self.backward or name == model else ["cache"]
        self._change(self.inputs, changed)
        values = getattr(textbook, self.forward_name)(*self.inputs.values())
        self.forward_expected = dict(zip(self.forward_outputs, values, strict=False))
        self._given = [*self.inputs.values()]
        if self.backward:
            self.upstream = {
                f"d{k}": rng.normal(scale=0.6, size=value.shape)
                for k, value in self.forward_expected.items() if k != "alpha"
            }  # fmt: skip
            self._change(self.upstream, changed)
            self.outputs = [f"d{k}" for k, a in self.inputs.items() if a.dtype.kind == "f"]
            self._given = [*self.upstream.values(), values[-1]]
        for array in arrays_in(self._given):  # no mistake that is tried may change one
            array.setflags(write=False)
        self.sizes["W"] = int(self.inputs["mask"].sum()) if "mask" in self.inputs else 1
        self.expected = self.run(vars(textbook))

    def run(self, functions):
        """Return the outputs by name, computed by functions of the textbook, changed or not."""
        values = functions[self.name](*self._given)
        return {k: np.asarray(v) for k, v in zip(self.outputs, values, strict=False)}

    def like(self, seed=0, changed=None, **sizes):
        """Return a case of the same kernel with other sizes or other numbers."""
        return Case(self.name, self.sizes | sizes, seed, self.c0, changed)

    def _random(self, rng, key, letters):
        shape = [
            self.sizes[one] * (4 if four else 1) for four, one in re.findall("(4?)(.)", letters)
        ]
        if key == "y" or (key == "x" and "V" in self.letters):
            ids = rng.integers(0, self.sizes["V"], shape)
            ids.flat[-1] = ids.flat[0]  # a word that occurs twice, not in neighbouring places
            return ids
        if key == "mask":
            mask = rng.random(shape) < 0.7
            mask.flat[:2] = [True, False][: mask.size]
            return mask
        return rng.normal(scale=0.6, size=shape)

    @staticmethod
    def _change(arrays, changed):
        arrays |= {k: change(arrays[k]) for k, change in (changed or {}).items() if k in arrays}


def arrays_in(value, depth=6):
    """Collect the NumPy arrays in arguments or a cache, whatever it is made of."""
    if isinstance(value, np.ndarray):
        return [value]
    if depth == 0 or isinstance(value, (str, bytes, type)) or inspect.ismodule(value):
        return []
    if not isinstance(value, (tuple, list)):
        value = value if isinstance(value, dict) else getattr(value, "__dict__", {})
        value = list(value.values())
    return [array for each in value for array in arrays_in(each, depth - 1)]


def points(name):
    """Return how many points a kernel is worth."""
    if name.startswith(("word_embedding", "temporal_affine")) or name == "lstm_gates_forward":
        return 1
    if name.endswith("_step_forward"):
        return 1
    short = name.endswith(("_forward", "_step_backward")) or name == "lstm_gates_backward"
    return 2 if short or name == "dot_product_attention_backward" else 3
