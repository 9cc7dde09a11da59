"""The mistakes that readers make in a kernel of their own, and what each would compute.

A mistake is a sentence and the part of `dissection` that it replaces. A table holds for all
kernels: a kernel without that part comes out right, and so the mistake is never found in it.
"""

import torch

from helpers.diagnosis.dissection import keep, mean_position, scaled, softmax, with_gradient_of


def _zero(a, *_):
    return torch.zeros_like(a)


def _cut(a, *_):
    """Keep the value, and let no gradient through."""
    return a.detach()


def _derivative(f, df):
    """Return f with df(f(a)) in place of its derivative."""
    return lambda a: with_gradient_of(f(a), df(f(a)).detach() * a)


def _swap_gates(a):
    """Read the blocks in the order i, f, g, o."""
    i, f, o, g = a.chunk(4, dim=1)
    return torch.cat([i, f, g, o], dim=1)


def _last_of_each_word(out, x):
    """Keep the gradient of each word's last occurrence alone, as `dW[x] += dout` does."""
    words = x.flatten().tolist()
    last = [word not in words[k + 1 :] for k, word in enumerate(words)]
    return torch.where(torch.tensor(last).reshape(x.shape)[..., None], out, out.detach())


def _only(chosen):
    """Let the gradient of the shared weights come from one timestep alone."""
    return lambda w, t, steps: w if t == chosen % steps else w.detach()


def _transposed(state, W):
    return state @ (W.T if W.shape[0] == W.shape[1] else W)


FORWARD_MISTAKES = [
    ("the bias b is left out", {"bias": _zero}),
    ("the product of x with its weights is left out", {"input": _zero}),
    (
        "the product of the hidden state with Wh is left out",
        {"recurrent": lambda h, W: 0 * (h @ W)},
    ),
    ("the hidden state is multiplied with Wh transposed", {"recurrent": _transposed}),
    ("the product of attn with Wattn is left out", {"attended": _zero}),
    ("tanh is missing", {"tanh": keep}),
    ("sigmoid stands where tanh belongs", {"tanh": torch.sigmoid}),
    ("the gates are read in the order i, f, g, o instead of i, f, o, g", {"gates": _swap_gates}),
    ("gate i lacks its sigmoid", {"i": keep}),
    ("gate f lacks its sigmoid", {"f": keep}),
    ("gate o lacks its sigmoid", {"o": keep}),
    ("g lacks its tanh", {"g": keep}),
    ("g goes through sigmoid instead of tanh", {"g": torch.sigmoid}),
    ("the previous cell state, times f, is left out", {"forget": lambda f, c: 0 * c}),
    ("the previous cell state is not multiplied by f", {"forget": lambda f, c: c}),
    ("next_h = o * next_c: the tanh of next_c is missing", {"tanh_c": keep}),
    ("every timestep starts from the first hidden state", {"carry_h": lambda h, h0: h0}),
    ("every timestep starts from the first cell state", {"carry_c": lambda c, c0: c0}),
    ("the first states are zero instead of the mean of A", {"first": lambda A: _zero(A[:, 0])}),
    ("the first states are the sum of A instead of its mean", {"first": lambda A: A.sum(dim=1)}),
    ("the first cell state is zero instead of the mean of A", {"first_c": _zero}),
    ("the scores are not divided by sqrt(H)", {"scale": keep}),
    ("the scores are divided by H instead of sqrt(H)", {"scale": lambda s, hidden: s / hidden}),
    ("the softmax is missing", {"softmax": keep}),
    ("the softmax goes over the batch, not the positions", {"softmax": lambda s: s.softmax(dim=0)}),
    ("the mask is ignored", {"mask": torch.ones_like, "mask_of_target": torch.ones_like}),
    ("the mask holds for the target words alone, not for the softmax", {"mask": torch.ones_like}),
    ("the scores of masked targets are subtracted too", {"mask_of_target": torch.ones_like}),
    ("the 1 at the target word is not subtracted", {"target": _cut}),
]

BACKWARD_MISTAKES = [
    (
        "the derivative of tanh, 1 - next_h**2, is missing",
        {"tanh": _derivative(torch.tanh, torch.ones_like)},
    ),
    (
        "it is divided by 1 - next_h**2 instead of multiplied",
        {"tanh": _derivative(torch.tanh, lambda h: 1 / (1 - h**2))},
    ),
    (
        "the derivative of tanh is 1 - next_h**2, not next_h**2 - 1",
        {"tanh": _derivative(torch.tanh, lambda h: h**2 - 1)},
    ),
    (
        "the derivative of tanh is 1 - next_h**2, not 1 - next_h",
        {"tanh": _derivative(torch.tanh, lambda h: 1 - h)},
    ),
    (
        "the derivative of tanh is 1 - next_h**2, not 1 + next_h**2",
        {"tanh": _derivative(torch.tanh, lambda h: 1 + h**2)},
    ),
    (
        "tanh is applied once too often: next_h is already the tanh",
        {"tanh": _derivative(torch.tanh, lambda h: 1 - h.tanh() ** 2)},
    ),
    (
        "the derivative is that of a sigmoid, h (1 - h), instead of 1 - h**2",
        {"tanh": _derivative(torch.tanh, lambda h: h * (1 - h))},
    ),
    (
        "the hidden state's gradient needs Wh transposed: da Wh.T",
        {
            "recurrent": lambda h, W: with_gradient_of(
                h @ W, _transposed(h, W.detach()) + h.detach() @ W
            )
        },
    ),
    (
        "dWh is made with the new hidden state instead of the previous one",
        {"remember": lambda prev_h, next_h: next_h},
    ),
    (
        "the gradients of the gates are put together in the order i, f, g, o, not i, f, o, g",
        {"gates": lambda a: with_gradient_of(a, _swap_gates(a))},
    ),
    (
        "the derivatives of the sigmoids, i (1 - i) and so on, are missing",
        dict.fromkeys("ifo", _derivative(torch.sigmoid, torch.ones_like)),
    ),
    ("i (1 - i) is missing", {"i": _derivative(torch.sigmoid, torch.ones_like)}),
    ("f (1 - f) is missing", {"f": _derivative(torch.sigmoid, torch.ones_like)}),
    ("o (1 - o) is missing", {"o": _derivative(torch.sigmoid, torch.ones_like)}),
    ("1 - g**2 is missing", {"g": _derivative(torch.tanh, torch.ones_like)}),
    (
        "the derivative of tanh(next_c), 1 - tanh(next_c)**2, is missing",
        {"tanh_c": _derivative(torch.tanh, torch.ones_like)},
    ),
    (
        "what next_h passes on to next_c, dnext_h o (1 - tanh(next_c)**2), is left out",
        {"tanh_c": lambda c: c.tanh().detach()},
    ),
    ("the gradient that reaches next_c from later, dnext_c, is left out", {"next_c": _cut}),
    (
        "the previous cell state's gradient lacks the factor f",
        {"forget": lambda f, c: with_gradient_of(f * c, f * c.detach() + c)},
    ),
    (
        "nothing is carried back from one timestep to the one before",
        {"carry_h": _cut, "carry_c": _cut},
    ),
    ("the loop over time runs forwards instead of backwards", {"forwards_in_time": True}),
    ("the hidden state's gradient is not carried back to the timestep before", {"carry_h": _cut}),
    ("the cell state's gradient is not carried back to the timestep before", {"carry_c": _cut}),
    (
        "the sum over time is missing: it is the last timestep's gradient alone",
        {"shared": _only(-1)},
    ),
    (
        "the sum over time is missing: it is the first timestep's gradient alone",
        {"shared": _only(0)},
    ),
    (
        "what comes through h0 = c0 = mean of A is missing",
        {"first": lambda A: mean_position(A).detach()},
    ),
    (
        "what comes through h0 = c0 = mean of A is not divided by P",
        {"first": lambda A: with_gradient_of(mean_position(A), A.sum(dim=1))},
    ),
    ("what comes through c0 = mean of A is missing", {"first_c": _cut}),
    ("what comes through the attention to prev_h is missing", {"query": _cut}),
    ("the part of dA that comes through the scores is missing", {"keys": _cut}),
    ("the part of dA that alpha weighs, alpha dattn, is missing", {"values": _cut}),
    ("what comes through alpha is missing", {"weights": _cut}),
    ("what comes through the attention to A is missing", {"keys": _cut, "values": _cut}),
    ("what comes through Wh to prev_h is missing", {"recurrent": lambda h, W: h.detach() @ W}),
    (
        "the scores' gradient is not divided by sqrt(H)",
        {"scale": lambda s, hidden: with_gradient_of(scaled(s, hidden), s)},
    ),
    (
        "the derivative of the softmax is missing",
        {"softmax": lambda s: with_gradient_of(softmax(s), s)},
    ),
    (
        "the softmax's derivative lacks the subtracted sum over positions",
        {"softmax": lambda s: with_gradient_of(softmax(s), softmax(s).detach() * s)},
    ),
    (
        "a word met several times keeps its last gradient alone: use np.add.at(dW, x, dout)",
        {"lookup": _last_of_each_word},
    ),
]
