"""Time our recurrent layers beside PyTorch's own: one training step, forward and backward.

Both layers have the same weights and read the same input. Their steps alternate, so that
whatever else the machine does meets both alike.
"""

import argparse
import operator
import platform
import statistics
import time

import torch

from helpers.layers import LSTM, RNN, to_torch


def run_torch(twin, x, h0):
    """Run torch.nn.RNN or torch.nn.LSTM as ours run. Inputs, returns: as `LSTM.forward`."""
    state = h0[None]  # (1, N, H): torch stacks layers
    state = (state, torch.zeros_like(state)) if isinstance(twin, torch.nn.LSTM) else state
    return twin(x, state)[0]


def interleaved(steps, repetitions, warm_up=3):
    """Time functions in turns.

    Inputs:
        steps: list of functions without arguments
        repetitions: how often each is timed, after `warm_up` calls that are not
    Returns: for each function a list of `repetitions` durations in milliseconds
    """
    durations = [[] for _ in steps]
    for repetition in range(warm_up + repetitions):
        for step, kept in zip(steps, durations, strict=True):
            start = time.perf_counter()
            step()
            if repetition >= warm_up:
                kept.append(1000 * (time.perf_counter() - start))
    return durations


def compare(kind, sizes, repetitions):
    """Time a training step of one kind of layer, ours and torch's.

    Inputs:
        kind: RNN or LSTM
        sizes: N, T, D, H
        repetitions: timed steps of each
    Returns: two lists of durations in milliseconds
    Raises: AssertionError if the two layers do not compute the same.
    """
    N, T, D, H = sizes
    x, h0 = torch.randn(N, T, D, requires_grad=True), torch.randn(N, H, requires_grad=True)
    dh = torch.randn(N, T, H)
    layer = kind(D, H)
    twin = to_torch(layer)
    torch.testing.assert_close(layer(x, h0), run_torch(twin, x, h0), rtol=1e-4, atol=1e-4)

    def train_ours():
        torch.autograd.grad(layer(x, h0), (x, h0, *layer.parameters()), dh)

    def train_torch():
        torch.autograd.grad(run_torch(twin, x, h0), (x, h0, *twin.parameters()), dh)

    return interleaved([train_ours, train_torch], repetitions)


def spread(durations):
    """Return the median with its quartiles as text: on a busy machine these lie far apart."""
    low, median, high = statistics.quantiles(durations, n=4)
    return f"{median:.1f} ({low:.1f} to {high:.1f})"


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernels", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--sizes", type=int, nargs=4, metavar=("N", "T", "D", "H"), default=(64, 16, 256, 512),
        help="batch, timesteps, input, hidden",
    )  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=30, help="timed steps of each layer")
    options = parser.parse_args()
    if options.repetitions < 2:
        parser.error("--repetitions must be at least 2, for the quartiles")

    torch.manual_seed(0)
    sizes = "N={} T={} D={} H={}".format(*options.sizes)
    print(f"One training step, {sizes}, float32; {options.repetitions} repetitions in turns")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print("Median and the quartiles around it, in ms; the median ratio of neighbouring steps\n")
    print(f"{'layer':6}{'ours':>22}{'torch.nn':>22}{'ours / torch.nn':>18}")
    for kind in (RNN, LSTM):
        ours, torchs = compare(kind, options.sizes, options.repetitions)
        ratio = statistics.median(map(operator.truediv, ours, torchs))
        print(f"{kind.__name__:6}{spread(ours):>22}{spread(torchs):>22}{ratio:18.2f}")


if __name__ == "__main__":
    main()
