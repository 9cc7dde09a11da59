"""A guard against slower kernels that no busy machine trips: operations and sizes, not seconds."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.captioner import CaptioningRNN
from helpers.kernels import word_loss
from helpers.kernels.products import keeps_float32
from helpers.layers import LSTM, RNN, AttentionLSTM
from helpers.vocabulary import Vocabulary

keeps_float32()  # its trial, once per process, does not count
N, D, H, P = 3, 4, 5, 6


class Counting(TorchDispatchMode):
    """Count torch's operations by name, and note their largest result; views are free."""

    def __init__(self):
        super().__init__()
        self.operations, self.largest = Counter(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        if not function.is_view:
            self.operations[function.overloadpacket.__name__] += 1
            if isinstance(result, torch.Tensor):
                self.largest = max(self.largest, result.numel())
        return result


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
        operations = training_step(make, T)
        assert operations["mm"] + operations["addmm_"] == inside * T + outside


@pytest.mark.parametrize(("make", "most"), [(RNN, 10), (LSTM, 3), (AttentionLSTM, 48)])
def test_operations_per_timestep(make, most):
    few, many = training_step(make, 4), training_step(make, 14)
    assert (many.total() - few.total()) / 10 <= most


def captioner_step(V, T, masked=0):
    """Count a training step of a captioner of V words on captions of T words, some masked."""
    model = CaptioningRNN(Vocabulary(f"w{i}" for i in range(V - 4)), "lstm", 6, D, H)
    captions = torch.ones(N, T + 1, dtype=torch.long)
    captions[:, T + 1 - masked :] = 0
    with Counting() as counting:
        torch.autograd.grad(model(torch.randn(N, 6), captions), list(model.parameters()))
    return counting


def test_the_scores_of_all_words_are_never_held_at_once(monkeypatch):
    V, T = 200, 40
    monkeypatch.setattr(word_loss, "BLOCK", 4 * V)
    assert captioner_step(V, T).largest < N * T * V / 4
    monkeypatch.setattr(word_loss, "BLOCK", N * T * V)
    assert captioner_step(V, T).largest == N * T * V


def test_neither_padding_nor_features_cost_products(monkeypatch):
    monkeypatch.setattr(word_loss, "BLOCK", 0)  # a word at a time: three products each
    lstm = 4  # and two in each timestep, which add what they multiply
    assert captioner_step(20, 8).operations["mm"] == lstm + 2 + 3 * N * 8
    assert captioner_step(20, 8, masked=3).operations["mm"] == lstm + 2 + 3 * N * 5
