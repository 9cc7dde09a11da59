"""One training step of a recurrent layer, forward and backward, beside torch's own."""

import torch

from helpers.layers import LSTM, RNN, AttentionLSTM, to_torch
from tools.benchmarks import loops
from tools.benchmarks.timing import rows
from tools.benchmarks.twin import AttentionTwin

SIZES = [(64, 16, 256, 512), (128, 16, 256, 512), (32, 17, 128, 256), (128, 30, 512, 512)]
POSITIONS = 49  # of the image that the attention LSTM looks at
KINDS = {
    "RNN": (RNN, loops.naive_rnn),
    "LSTM": (LSTM, loops.naive_lstm),
    "attention LSTM": (AttentionLSTM, loops.naive_attention_lstm),
}


def measure(peaks, sizes=SIZES, repetitions=7, device="cpu"):
    """Time every kind of layer at every size, in `repetitions` turns or more. Yields: `Row`s."""
    for N, T, D, H in sizes:
        turns = repetitions * (3 if N * T < 1000 else 1)  # the median of a short step needs more
        for kind in KINDS:
            size = f"N={N} T={T} D={D} H={H}" + f" P={POSITIONS}" * (kind == "attention LSTM")
            steps = training_steps(kind, (N, T, D, H), device)
            flops = products(kind, N, T, D, H)
            yield from rows(kind, size, steps, turns, "torch.nn, float32", flops, peaks)


def products(kind, N, T, D, H, P=POSITIONS):
    """Count the floating-point operations of the matrix products of one training step."""
    columns = H if kind == "RNN" else 4 * H
    rows_of_weights = D + 2 * H if kind == "attention LSTM" else D + H
    weights = 3 * 2 * N * T * rows_of_weights * columns  # forward, to the input, to the weights
    return weights + (6 * 2 * N * T * P * H if kind == "attention LSTM" else 0)


def training_steps(kind, sizes, device="cpu"):
    """Return the variants of one training step on equal weights and inputs.

    Returns: dict from variant to a function without arguments, which returns h and the gradients
        of x, of the initial state or image, and of the weights
    """
    N, T, D, H = sizes
    make, naive = KINDS[kind]
    layer = make(D, H).to(device)
    image = (N, POSITIONS, H) if kind == "attention LSTM" else (N, H)
    inputs = [torch.randn(N, T, D), torch.randn(image)]
    inputs = [value.to(device).requires_grad_() for value in inputs]
    dh = torch.randn(N, T, H).to(device)
    twin = AttentionTwin.of(layer) if kind == "attention LSTM" else to_torch(layer)
    names = ("Wx", "Wh", "Wattn", "b") if kind == "attention LSTM" else ("Wx", "Wh", "b")
    weights = [getattr(layer, name) for name in names]

    def step(forward, parameters, precision="float32"):
        def run():
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                h = forward(*inputs)
            h = h[0] if isinstance(h, tuple) else h
            return h, *torch.autograd.grad(h, (*inputs, *parameters), dh.to(h.dtype))

        return run

    def run_twin(x, state):
        if kind == "attention LSTM":
            return twin(x, state)
        state = state[None]  # torch stacks layers
        return twin(x, state if kind == "RNN" else (state, torch.zeros_like(state)))[0]

    return {
        "ours, float32": step(layer, weights),
        "ours, bf16": step(layer, weights, "bf16"),
        "torch.nn, float32": step(run_twin, list(twin.parameters())),
        "torch.nn, bf16": step(run_twin, list(twin.parameters()), "bf16"),
        "naive loop, float32": step(lambda *both: naive(*both, *weights), weights),
    }
