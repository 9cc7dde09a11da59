"""A device for machines without a GPU: its tensors hold numbers, and mix with none of the CPU's.

Where a GPU's tensors are on "cuda", these are on "stand_in"; a process that calls `install` knows
that device until it ends.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "stand_in"
MOVES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}  # from device to device


class OnDevice(torch.Tensor):
    """A tensor whose device is the stand-in; `inner` has its numbers, on the CPU."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        """Wrap a tensor of the CPU."""
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip
        tensor.inner = inner
        return tensor

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        """Compute on the CPU; refuse to mix devices, as a GPU does."""
        return compute(function, args, kwargs or {})

    def tolist(self):
        """Return the numbers, which torch does for tensors of no other class than its own."""
        return self.cpu().tolist()

    def __reduce_ex__(self, protocol):
        """Save the numbers, as a file would be read on a machine without this device."""
        return self.cpu().__reduce_ex__(protocol)


class Factories(TorchDispatchMode):
    """Makes tensors on the device where only the argument `device` says so."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # importing it takes seconds

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Do as `OnDevice` does."""
        return compute(function, args, kwargs or {})


def compute(function, args, kwargs):
    """Run one of torch's functions on what the tensors hold, and wrap what comes out."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    here = [isinstance(tensor, OnDevice) for tensor in tensors]
    others = [tensor for tensor, at in zip(tensors, here, strict=True) if not at and tensor.ndim]
    if any(here) and others and function not in MOVES:
        raise RuntimeError(f"{function}: found at least two devices, {NAME}:0 and cpu")
    named = kwargs.get("device")
    wrapped = any(here) if named is None else torch.device(named).type == NAME
    inside = {**kwargs, "device": torch.device("cpu")} if named is not None else kwargs
    values, names = tree_map_only(OnDevice, lambda tensor: tensor.inner, (args, inside))
    out = function(*values, **names)
    if function is torch.ops.aten.copy_.default:
        return args[0]
    if not wrapped:
        return out
    out = tree_map_only(torch.Tensor, OnDevice, out)
    return return_and_correct_aliasing(function, args, kwargs, out) if any(here) else out


class Generator(torch.Generator):
    """The CPU's, wherever it is asked for."""

    def __new__(cls, device=None):
        """Make it."""
        return super().__new__(cls)


class Module:
    """What torch asks of a device."""

    def __getattr__(self, name):
        """Answer what nothing depends on."""
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_: None

    def get_amp_supported_dtype(self):
        """Return the types of mixed precision."""
        return [torch.bfloat16]

    def is_available(self):
        """Return that it is."""
        return True

    def device_count(self):
        """Return that there is one."""
        return 1

    def current_device(self):
        """Return its number."""
        return 0

    def _is_in_bad_fork(self):
        return False


def install():
    """Let this process have the device."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=Module())
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor copies here as other functions do
    torch.Generator = Generator
    torch.inference_mode = torch.no_grad  # whose tensors may be of any class
    Factories().__enter__()
