"""Small random arrays of unequal sizes, for each kernel, and what has to come out of them."""

import copy

import numpy as np

from helpers.diagnosis import textbook

# The arguments of each forward kernel, and its outputs but the cache.
KERNELS = {
    "rnn_step": ("x:N,D prev_h:N,H Wx:D,H Wh:H,H b:H", "next_h"),
    "rnn": ("x:N,T,D h0:N,H Wx:D,H Wh:H,H b:H", "h"),
    "lstm_gates": ("a:N,4H prev_c:N,H", "next_h next_c"),
    "lstm_step": ("x:N,D prev_h:N,H prev_c:N,H Wx:D,4H Wh:H,4H b:4H", "next_h next_c"),
    "lstm": ("x:N,T,D h0:N,H Wx:D,4H Wh:H,4H b:4H", "h"),
    "dot_product_attention": ("prev_h:N,H A:N,P,H", "attn alpha"),
    "attention_lstm_step": (
        "x:N,D prev_h:N,H prev_c:N,H attn:N,H Wx:D,4H Wh:H,4H Wattn:H,4H b:4H",
        "next_h next_c",
    ),
    "attention_lstm": ("x:N,T,D A:N,P,H Wx:D,4H Wh:H,4H Wattn:H,4H b:4H", "h alpha"),
    "word_embedding": ("x:N,T W:V,D", "out"),
    "temporal_affine": ("x:N,T,D W:D,M b:M", "out"),
    "temporal_softmax_loss": ("scores:N,T,V y:N,T mask:N,T", "loss dscores"),
}
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
        name: of the kernel
        sizes: dict from N, T, D, H, P, V, M to sizes
        seed: of the random numbers
        c0: for an LSTM, whether a first cell state, (N, H), is given
    """

    def __init__(self, name, sizes, seed=0, c0=False):
        self.name, self.c0, self.hypotheses = name, c0, None
        self.model = name.removesuffix("_forward").removesuffix("_backward")
        self.backward = name.endswith("_backward")
        self.forward_name = f"{self.model}_forward" if self.backward else name
        rng = np.random.default_rng(seed)
        shapes, outputs = KERNELS[self.model]
        shapes += " c0:N,H" if c0 else ""
        self.sizes = dict(sizes)
        self.inputs = {}
        for each in shapes.split():
            key, letters = each.split(":")
            self.inputs[key] = self._random(rng, key, letters.split(","))
            self.inputs[key].setflags(write=False)  # no mistake that is tried may change it
        self.sizes["W"] = int(self.inputs["mask"].sum()) if "mask" in self.inputs else 1
        self.outputs = self.forward_outputs = outputs.split()
        self.after = [] if self.backward or name == self.model else ["cache"]
        self.upstream = {}
        if self.backward:
            values = getattr(textbook, self.forward_name)(*self.inputs.values())
            wanted = self.outputs[:1] if "alpha" in self.outputs else self.outputs
            self.upstream = {
                f"d{key}": rng.normal(scale=0.6, size=np.shape(value))
                for key, value in zip(wanted, values, strict=False)
            }
            self.outputs = [f"d{k}" for k, a in self.inputs.items() if a.dtype.kind == "f"]
        self.letters = {each for part in shapes.split() for each in part.split(":")[1].split(",")}
        self.compute()

    def like(self, seed=0, **sizes):
        """Return a case of the same kernel with other sizes or other numbers."""
        return Case(self.name, self.sizes | sizes, seed, self.c0)

    def compute(self):
        """Work out what is expected, again where an input was replaced."""
        self.expected = self.run(vars(textbook))

    def _random(self, rng, key, letters):
        shape = [
            4 * self.sizes["H"] if letter == "4H" else self.sizes[letter] for letter in letters
        ]
        if key == "y" or (key == "x" and self.model == "word_embedding"):
            ids = rng.integers(0, self.sizes["V"], shape)
            ids.flat[-1] = ids.flat[0]  # a word that occurs twice, not in neighbouring places
            return ids
        if key == "mask":
            mask = rng.random(shape) < 0.7
            mask.flat[0] = True
            mask.flat[1:2] = False
            return mask
        return rng.normal(scale=0.6, size=shape)

    def run(self, functions):
        """Return the outputs by name, computed by functions of the textbook, changed or not."""
        if self.backward:
            *_, cache = getattr(textbook, self.forward_name)(*self.inputs.values())
            values = functions[self.name](*self.upstream.values(), cache)
        else:
            values = functions[self.name](*self.inputs.values())
        return {k: np.asarray(v) for k, v in zip(self.outputs, values, strict=False)}

    def arguments(self, convert=copy.deepcopy):
        """Return copies of the inputs of the forward pass, by name."""
        return {key: convert(array) for key, array in self.inputs.items()}
