"""The order of the gates in this edition's kernels, and the way to the one that notebooks print.

Kernels in `lstm.py` and `attention.py` have the blocks of 4H columns in the order ORDER. Whoever
imports a kernel from `helpers.kernels` gets it with the columns put in the order i, f, o, g.
"""

import inspect
import re

from array_api_compat import array_namespace

from helpers.kernels import attention, lstm

USUAL = "ifog"
ORDER = "ifog"
# How a check names gates that are exchanged, and the line that it found them in
NAMED = re.compile(
    r"in the order (\w), (\w), (\w), (\w) instead of i, f, o, g(?: \(in (?:[^()]|\([^()]*\))*\))?"
)
# Arguments that have such columns, by position; for a backward pass, what it returns
COLUMNS = {
    "lstm_gates_forward": (0,),
    "lstm_gates_backward": (0,),
    "lstm_step_forward": (3, 4, 5),
    "lstm_step_backward": (3, 4, 5),
    "lstm_forward": (2, 3, 4),
    "lstm_backward": (2, 3, 4),
    "attention_lstm_step_forward": (4, 5, 6, 7),
    "attention_lstm_step_backward": (4, 5, 6, 7),
    "attention_lstm_forward": (2, 3, 4, 5),
    "attention_lstm_backward": (2, 3, 4, 5),
}


def moved(array, before, after):
    """Put blocks of columns in another order; what is no array stays as it is."""
    if not getattr(array, "shape", ()) or array.shape[-1] % 4:
        return array
    H = array.shape[-1] // 4
    places = [before.index(gate) * H for gate in after]
    return array_namespace(array).concat([array[..., k : k + H] for k in places], axis=-1)


class Reordered:
    """A kernel for columns in the usual order, made of one that has them in another order.

    Inputs: name: of the kernel; kernel: the other one; order: its order; beside: dict from name
    to all kernels that it could call, in the usual order
    """

    def __init__(self, name, kernel, order, beside):
        self.__name__, self.__doc__, self.order = name, kernel.__doc__, order
        self.__signature__ = inspect.signature(kernel)
        self.kernel, self.beside = kernel, beside

    @property
    def uses(self):
        """Kernels that it calls, for the checks: dict from name to kernel."""
        code = getattr(inspect.unwrap(self.kernel), "__code__", None)
        names = getattr(code, "co_names", ()) or getattr(self.kernel, "uses", ())
        return {name: self.beside[name] for name in names if name in self.beside}

    def in_own_order(self, text):
        """Say of this kernel's own columns what a check says of them in the usual order."""

        def renamed(found):
            own = ", ".join(found[1 + USUAL.index(gate)] for gate in self.order)
            return f"in the order {own} instead of {', '.join(self.order)}"

        return NAMED.sub(renamed, text)

    def __call__(self, *arguments, **named):
        columns = COLUMNS.get(self.__name__, ())
        if named:
            arguments = self.__signature__.bind(*arguments, **named).args
        if not self.__name__.endswith("_backward"):
            given = enumerate(arguments)
            return self.kernel(
                *(moved(a, USUAL, self.order) if k in columns else a for k, a in given)
            )
        result = self.kernel(*arguments)
        if not isinstance(result, tuple | list):
            return result
        return tuple(
            moved(a, self.order, USUAL) if k in columns else a for k, a in enumerate(result)
        )


kernels: dict = {}
for _name in COLUMNS:
    _kernel = getattr(lstm if _name.startswith("lstm") else attention, _name)
    kernels[_name] = _kernel if ORDER == USUAL else Reordered(_name, _kernel, ORDER, kernels)
