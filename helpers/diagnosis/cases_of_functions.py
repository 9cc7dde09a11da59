"""The cases and the typical mistakes of `check_function`."""

import numpy as np
import torch

from helpers.diagnosis import tasks
from helpers.diagnosis.cases_of_captions import (
    WRONG_BEAMS,
    _beam_search,
    _cider_d,
    _policy_loss,
    _weighed,
)
from helpers.diagnosis.functions import Task
from helpers.vocabulary import END, NULL, START, shift_captions


def _relative_error(f):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(1, 2, size=(2, 3, 4))
    z = rng.normal(size=(3, 4))
    return {
        "of numbers of both signs": f(z, 0.1 - z),
        "of random arrays": f(x, y),
        "the same in another order": f(y, x),
        "of equal arrays": f(x, x),
        "of zeros": f(np.zeros(2), np.zeros(2)),
    }


def _wrong_errors():
    floor = 1e-8

    def ratio(above, below):
        return lambda x, y: above(np.abs(x - y) / np.maximum(floor, below(x, y)))

    both = lambda x, y: np.abs(x) + np.abs(y)  # noqa: E731
    return {
        "the largest error is wanted, and this is the mean": ratio(np.mean, both),
        "one number is wanted: the largest of the errors": ratio(np.asarray, both),
        "it is not divided by |x| + |y|": lambda x, y: np.abs(x - y).max(),
        "|x| + |y| is wanted below, not |x + y|": ratio(np.max, lambda x, y: np.abs(x + y)),
        "|x| + |y| is wanted below, not |y| alone": ratio(np.max, lambda x, y: np.abs(y)),
        "|x| + |y| is wanted below, not |x| alone": ratio(np.max, lambda x, y: np.abs(x)),
        "the difference needs its absolute value": lambda x, y: (
            (x - y) / np.maximum(floor, both(x, y))
        ).max(),
        "0/0 is NaN: keep what stands below at 1e-8 or more": lambda x, y: (
            np.abs(x - y) / both(x, y)
        ).max(),
    }


def _numerical_gradient(f):
    rng = np.random.default_rng(1)
    x, df = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    kept = x.copy()
    wide = f(lambda x: x**3, x, df, h=0.1)
    small = f(lambda x: np.tanh(x), x, df)
    return {
        "of x cubed with h = 0.1": wide,
        "of tanh(x)": np.round(small, 6),  # what is left is rounding
        "x afterwards": x - kept + 1,
    }


def _differences(distance, weigh=True, one_sided=False, put_back=True, sign=1):
    def gradient(f, x, df, h=1e-5):
        result = np.zeros_like(x)
        for index in np.ndindex(*x.shape):
            kept = x[index]
            x[index] = kept + h
            above = f(x)
            x[index] = kept if one_sided else kept - h
            below = f(x)
            if put_back:
                x[index] = kept
            change = sign * (above - below) * (df if weigh else 1)
            result[index] = change.sum() / (distance * h)
        return result

    return gradient


WRONG_GRADIENTS = {
    "the two points are 2 h apart: divide by 2 h, not by h": _differences(1),
    "a central difference is wanted, f(x + h) - f(x - h); this is one-sided": _differences(
        1, one_sided=True
    ),
    "it is one-sided: take f(x - h), not f(x)": _differences(2, one_sided=True),
    "the change of f(x) has to be weighed with df before it is summed": _differences(
        2, weigh=False
    ),
    "each entry of x has to be put back": _differences(2, put_back=False),
    "the sign is wrong: f(x + h) - f(x - h), in this order": _differences(2, sign=-1),
}


def _shift_captions(f):
    captions = np.array([[1, 5, 6, 2, 0], [1, 7, 4, 8, 2]])
    inputs, targets, mask = f(captions)
    return {"inputs": inputs, "targets": targets, "mask": mask}


WRONG_SHIFTS = {
    "inputs and targets are swapped": lambda c: (c[:, 1:], c[:, :-1], c[:, 1:] != NULL),
    "the mask is inverted: True where the target counts": lambda c: (
        c[:, :-1], c[:, 1:], c[:, 1:] == NULL
    ),
    "the mask belongs to the targets, not to the inputs": lambda c: (
        c[:, :-1], c[:, 1:], c[:, :-1] != NULL
    ),
    "the mask leaves <END> out, which the model has to learn to say": lambda c: (
        c[:, :-1], c[:, 1:], c[:, 1:] > END
    ),
    "the targets are not shifted: they must be one step later than the inputs": lambda c: (
        c[:, :-1], c[:, :-1], c[:, :-1] != NULL
    ),
    "both are as long as the captions: leave out the last input and the first target": lambda c: (
        c, c, c != NULL
    ),
}  # fmt: skip


class _Slope(torch.nn.Module):
    """A model so small that each step can be told from the losses."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))

    def forward(self, features, captions):
        return ((features @ self.w - captions) ** 2).mean()


def _training_loop(f):
    generator = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(6, 2, dtype=torch.float64, generator=generator)
    model = _Slope()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5)
    losses = f(model, optimizer, features, features.sum(1), 6)
    kinds = [isinstance(loss, torch.Tensor) for loss in losses]
    losses = [loss.item() if isinstance(loss, torch.Tensor) else loss for loss in losses]
    gradient = torch.full((2,), torch.nan) if model.w.grad is None else model.w.grad
    return {
        "losses": losses, "weights": model.w.detach().numpy().copy(),
        "last gradient": gradient.numpy().copy(), "tensors": kinds,
    }  # fmt: skip


def _loop(zero=True, backward=True, clip="before", step=True, item=True, bound=5.0):
    def training_loop(model, optimizer, features, captions, steps):
        losses = []
        for _ in range(steps):
            loss = model(features, captions)
            if zero:
                optimizer.zero_grad()
            if backward:
                loss.backward()
            if clip == "before":
                torch.nn.utils.clip_grad_norm_(model.parameters(), bound)
            if step:
                optimizer.step()
            losses.append(loss.item() if item else loss)
        return losses

    return training_loop


WRONG_LOOPS = {
    "gradients add up from step to step: optimizer.zero_grad() is missing": _loop(zero=False),
    "no gradient reaches the step: loss.backward() belongs between zero_grad() and step()": _loop(
        backward=False
    ),
    "optimizer.step() is missing: the weights stay as they are": _loop(step=False),
    "the gradient is not clipped, or only after the step: clip its norm at 5": _loop(clip=None),
    "the norm is clipped at 1, not at 5": _loop(bound=1.0),
    "keep loss.item(), a number; the tensors hold on to every step's graph": _loop(item=False),
}


class _Parrot:
    """A captioner whose scores depend on the word it reads and on how often it was asked."""

    def __init__(self):
        generator = torch.Generator().manual_seed(7)
        self.table = torch.randn(9, 9, generator=generator)
        self.table[:, END] = 0.6
        self.table[START, END] = self.table[NULL, START] = -3.0

    def start(self, features):
        return (features,), None

    def step(self, words, state, A=None):
        (h,) = state
        return self.table[words] + h, (h.roll(1, dims=1),), None


def _greedy_decode(f):
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(4, 9, generator=generator)
    captions = f(_Parrot(), features, 6)
    return {"captions": [[int(word) for word in caption] for caption in captions]}


def _decode(first=START, feed=True, carry=True, stop=True, with_end=True, pick=torch.argmax):
    @torch.no_grad()
    def greedy_decode(model, features, max_length):
        state, A = model.start(features)
        words = torch.full((len(features),), first)
        captions: list = [[] for _ in features]
        for _ in range(max_length):
            scores, after, _ = model.step(words, state, A)
            state = after if carry else state
            chosen = pick(scores, dim=1)
            words = chosen if feed else words
            for caption, word in zip(captions, chosen.tolist(), strict=True):
                if not stop or END not in caption:
                    caption.append(word)
        return captions if with_end else [[w for w in c if w != END] for c in captions]

    return greedy_decode


WRONG_DECODERS = {
    "it must first read <START>, id 1, and this reads <NULL>": _decode(first=NULL),
    "the chosen word is not fed back: it must be read at the next timestep": _decode(feed=False),
    "the state is not carried on: each step needs the state of the step before": _decode(
        carry=False
    ),
    "a caption goes on after <END>": _decode(stop=False),
    "<END> is left out: a caption ends with it": _decode(with_end=False),
    "the least probable word is chosen: argmax, not argmin": _decode(pick=torch.argmin),
}


TASKS = {
    "relative_error": Task(tasks.relative_error, _relative_error, _wrong_errors()),
    "numerical_gradient": Task(tasks.numerical_gradient, _numerical_gradient, WRONG_GRADIENTS),
    "shift_captions": Task(shift_captions, _shift_captions, WRONG_SHIFTS),
    "training_loop": Task(tasks.training_loop, _training_loop, WRONG_LOOPS),
    "greedy_decode": Task(tasks.greedy_decode, _greedy_decode, WRONG_DECODERS),
    "beam_search": Task(tasks.beam_search, _beam_search, WRONG_BEAMS),
    "cider_d": Task(tasks.cider_d, _cider_d, {}),
    "policy_loss": Task(
        tasks.policy_loss,
        _policy_loss,
        {
            "the sign is wrong: a better caption must become more probable": _weighed(sign=1),
            "the baseline is missing: subtract the other captions' mean reward": _weighed(
                baseline="none"
            ),
            "the baseline must leave the caption itself out": _weighed(baseline="all"),
            "average over all captions: divide by I K": _weighed(mean=False),
        },
    ),
}
