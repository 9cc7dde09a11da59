"""One training step of a recurrent layer, forward and backward, beside torch's own."""

import torch

from helpers.layers import LSTM, RNN, AttentionLSTM, to_torch, use_engine
from tools.benchmarks import loops
from tools.benchmarks.timing import interleaved, row
from tools.benchmarks.twin import AttentionTwin

SIZES = [(64, 16, 256, 512), (128, 16, 256, 512), (32, 17, 128, 256), (128, 30, 512, 512)]
POSITIONS = 49  # of the image that the attention LSTM looks at
KINDS = {
    "RNN": (RNN, loops.naive_rnn),
    "LSTM": (LSTM, loops.naive_lstm),
    "attention LSTM": (AttentionLSTM, loops.naive_attention_lstm),
}


def measure(repetitions=7, device="cpu"):
    """Time every kind of layer at every size, in `repetitions` turns or more. Yields: rows"""
    for N, T, D, H in SIZES:
        turns = repetitions * (3 if N * T < 1000 else 1)  # the median of a short step needs more
        for kind in KINDS:
            size = f"N={N} T={T} D={D} H={H}" + f" P={POSITIONS}" * (kind == "attention LSTM")
            steps = training_steps(kind, (N, T, D, H), device)
            if device == "cpu":
                steps["products alone, float32"] = loops.products(kind, (N, T, D, H))
            yield row(kind, size, interleaved(steps, turns))


def engines(device="cpu"):
    """List the engines that can be had; a line says why one cannot."""
    if device != "cpu":
        return ["textbook"]
    with use_engine("compiled"):
        return ["textbook", "compiled"] if use_engine.engine else ["textbook"]


def with_engine(engine, step):
    """Return a step that runs with an engine."""

    def run():
        with use_engine(engine):
            return step()

    return run


def training_steps(kind, sizes, device="cpu"):
    """Return the variants of one training step on equal weights and inputs.

    Returns: dict from variant to a function without arguments, which returns h and the gradients
        of x, of the initial state or image, and of the weights
    """
    N, T, D, H = sizes
    make, naive = KINDS[kind]
    layer = make(D, H).to(device)
    attends = kind == "attention LSTM"
    inputs = [torch.randn(N, T, D), torch.randn((N, POSITIONS, H) if attends else (N, H))]
    inputs = [value.to(device).requires_grad_() for value in inputs]
    dh = torch.randn(N, T, H).to(device)
    twin = AttentionTwin.of(layer) if attends else to_torch(layer)
    weights = [getattr(layer, name) for name in ("Wx", "Wh", "Wattn", "b") if hasattr(layer, name)]

    def step(forward, parameters, precision):
        def run():
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                h = forward(*inputs)
            h = h[0] if isinstance(h, tuple) else h
            return h, *torch.autograd.grad(h, (*inputs, *parameters), dh.to(h.dtype))

        return run

    def run_twin(x, state):
        if attends:
            return twin(x, state)
        state = state[None]  # torch stacks layers
        return twin(x, state if kind == "RNN" else (state, torch.zeros_like(state)))[0]

    steps = {}
    for precision in ("float32", "bf16"):
        steps[f"torch, {precision}"] = step(run_twin, list(twin.parameters()), precision)
        for engine in ["textbook"] if kind == "RNN" else engines(device):
            ours = with_engine(engine, step(layer, weights, precision))
            steps[f"{engine}, {precision}"] = ours
    loop = step(lambda *both: naive(*both, *weights), weights, "float32")
    return steps | {"autograd's loop, float32": loop}
