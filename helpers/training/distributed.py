"""One model trained by several processes, which torchrun starts: each takes a share of each batch.

Each weighs its loss so that the mean of all gradients is that of the whole batch, and uses its rows
of the whole batch's dropout masks: many processes do what one does, up to rounding.
"""

import contextlib
import datetime
import os
import sys
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

# DistributedDataParallel imports this. Imported once there is a process group, its functions keep
# the group as a default argument: Gloo's threads outlive it and may abort Python's exit.
import torch.distributed.nn
from torch import nn


@dataclass(frozen=True)
class Share:
    """What a process takes of a batch, and how much its loss weighs."""

    images: slice
    captions: slice
    total: int  # N, captions in the whole batch
    weight: float = 1.0
    parts: dict = field(default_factory=dict)  # rows here -> which of how many in the whole batch


@contextlib.contextmanager
def together(device):
    """Join the processes that torchrun started, if it did; only the first one prints.

    Returns: a context manager that gives the device of this process, such as "cuda:1" for "cuda"
    Raises: ValueError for more processes than GPUs
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield device
        return
    cuda = torch.device(device).type == "cuda"
    if cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        if torch.device(device).index >= torch.cuda.device_count():
            gpus = torch.cuda.device_count()
            raise ValueError(f"{device}: of GPUs there are {gpus}; start as many processes")
        torch.cuda.set_device(device)
    # the others wait while the first one encodes pictures, which may take hours
    dist.init_process_group("nccl" if cuda else "gloo", timeout=datetime.timedelta(days=7))
    try:
        with (
            open(os.devnull, "w") as nowhere,
            contextlib.redirect_stdout(sys.stdout if is_first() else nowhere),
        ):
            yield device
    finally:
        dist.destroy_process_group()


def processes():
    """Return how many processes train together; 1 without torchrun."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank():
    """Return this process's number; 0, of the one that prints and writes, without torchrun."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first():
    """Tell whether this process is the one that prints and writes files."""
    return rank() == 0


@contextlib.contextmanager
def first_alone():
    """Let the first process run a block before the others: they find what it leaves on disk."""
    if not is_first():
        dist.barrier()
    yield
    if is_first() and processes() > 1:
        dist.barrier()


def agree(compute):
    """Let the first process compute a value for all. Returns: what its `compute()` returned."""
    values = [compute() if is_first() else None]
    if processes() > 1:
        dist.broadcast_object_list(values)
    return values[0]


def mean(value):
    """Return the mean of all processes' values, float."""
    if processes() == 1:
        return value
    device = f"cuda:{torch.cuda.current_device()}" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return total.item() / processes()


def share(images, captions):
    """Cut a batch of I images and N captions, N / I in a row to each, into this process's Share."""
    if processes() == 1:
        return Share(slice(None), slice(None), captions)
    first, last = (images * (dist.get_rank() + more) // processes() for more in (0, 1))
    weight = (last - first) * processes() / images
    last = max(last, first + 1)  # one without an image still takes part, with one of no weight
    K = captions // images
    rows, several = slice(first, last), slice(first * K, last * K)
    parts = {last - first: (rows, images), (last - first) * K: (several, captions)}
    return Share(rows, several, captions, weight, parts)


def distribute(model):
    """Make a model train together with its copies: `nn.Dropout` modules become `SharedDropout`.

    Returns: what to call for the loss, the model itself for a process alone
    """
    if processes() == 1:
        return model
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Dropout):
                setattr(parent, name, SharedDropout(child.p))
    return nn.parallel.DistributedDataParallel(model)


class SharedDropout(nn.Dropout):
    """Dropout whose mask does not depend on how many processes share the batch."""

    share = Share(slice(None), slice(None), 0)  # of the batch that comes, for all of them

    def forward(self, x):
        """Inputs: x: of this process's images or captions, (n, ...). Returns: its shape."""
        if not self.training or self.p == 0:
            return x
        rows, total = self.share.parts.get(len(x), (slice(None), len(x)))
        keep = x.new_empty(total, *x.shape[1:]).bernoulli_(1 - self.p)  # of the whole batch
        return x * keep.div_(1 - self.p)[rows]
