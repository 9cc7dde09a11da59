"""Tensors in files: one reader, one writer, and modules filled from what was read.

Nothing that a file may hold can run code: safetensors holds numbers alone, and torch.load is told
to refuse everything but tensors.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch.overrides import TorchFunctionMode

from helpers.files import DataError, atomic_write

_INITIALISING = {torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.div_}


def read_tensors(path, remedy="fetch it again"):
    """Read named tensors from a .safetensors file, or from a file of torch.save of any age.

    Weights that a checkpoint holds under "state_dict", or that DataParallel named "module....",
    are read too.

    Inputs: remedy: what to do about a file that cannot be used, for the error
    Returns: dict from names to tensors of any shape, on the CPU
    Raises: DataError naming the file when it is missing, cut off, or holds anything but tensors
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
    except Exception as error:  # a broken file makes both libraries raise nearly any kind of error
        problem = "refused, it is damaged, cut off or holds more than tensors"
        raise DataError(f"{path}: {problem}; {remedy}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    tensors = isinstance(state, dict) and all(isinstance(t, torch.Tensor) for t in state.values())
    if not tensors or not all(isinstance(name, str) for name in state):
        raise DataError(f"{path}: refused, it does not hold named tensors alone; {remedy}")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def write_tensors(path, tensors):
    """Write named tensors of any shape as safetensors, whole or not at all."""
    with atomic_write(path) as temporary:
        cpu = {name: each.cpu().contiguous() for name, each in tensors.items()}
        temporary.write_bytes(save(cpu))


def fill(module, tensors, path, remedy="the files are of different models"):
    """Put tensors into a module, instead of its own; floating point becomes float32.

    Inputs: module: nn.Module, maybe on the "meta" device; tensors: dict from names to tensors, each
        of which must fit by name and shape; path, remedy: their file, what to do if one does not
    Returns: the module, on the CPU. Raises: DataError naming the file that holds another network
    """
    state = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    try:
        module.load_state_dict(state, assign=True)
    except (RuntimeError, AttributeError) as error:
        first = f"{' '.join(str(error).split()):.200} ..."
        problem = f"holds the weights of another network ({first}); {remedy}"
        raise DataError(f"{path}: {problem}") from error
    return module


class Unfilled(TorchFunctionMode):
    """Inside this block modules get neither memory nor initial weights; `fill` gives them both.

    A wrong size in a file cannot take all the memory, and no time goes into drawing weights.
    """

    def __enter__(self):
        self.device = torch.device("meta")
        self.device.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.device.__exit__(*error)

    def __torch_function__(self, function, types, arguments=(), options=None):
        """Leave a weight as it is where it would be drawn at random or scaled."""
        if function in _INITIALISING:
            return arguments[0]
        return function(*arguments, **(options or {}))
