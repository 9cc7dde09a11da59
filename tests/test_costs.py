"""A guard against slower kernels that no busy machine can trip: operations, not seconds."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.layers import LSTM, RNN, AttentionLSTM

N, D, H, P = 3, 4, 5, 6


class Counting(TorchDispatchMode):
    """Count torch's operations by name, and those that compute: views are free."""

    def __init__(self):
        super().__init__()
        self.operations = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if not function.is_view:
            self.operations[function.overloadpacket.__name__] += 1
        return function(*args, **kwargs or {})


def training_step(make, T):
    """Return the operations of one forward and backward pass over T timesteps."""
    layer = make(D, H)
    inputs = [
        torch.randn(N, T, D),
        torch.randn(N, P, H) if make is AttentionLSTM else torch.randn(N, H),
    ]
    inputs = [value.requires_grad_() for value in inputs]
    with Counting() as counting:
        h = layer(*inputs)[0] if make is AttentionLSTM else layer(*inputs)
        torch.autograd.grad(h, (*inputs, *layer.parameters()), torch.ones_like(h))
    return counting.operations


@pytest.mark.parametrize(
    ("make", "inside", "outside"), [(RNN, 2, 4), (LSTM, 2, 4), (AttentionLSTM, 4, 5)]
)
def test_matrix_products(make, inside, outside):
    """One per weight and timestep each way; one for x Wx, for dx and for each weight."""
    for T in (1, 4):
        assert training_step(make, T)["mm"] == inside * T + outside


@pytest.mark.parametrize(("make", "most"), [(RNN, 10), (LSTM, 21), (AttentionLSTM, 50)])
def test_operations_per_timestep(make, most):
    few, many = training_step(make, 4), training_step(make, 14)
    assert (many.total() - few.total()) / 10 <= most
