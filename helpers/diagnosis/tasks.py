"""The course's short functions that are no kernels, as notebooks show them, and their mistakes."""

import math
from collections import Counter

import numpy as np
import torch

from helpers.vocabulary import END, START


def relative_error(x, y):
    """Return the largest relative error of any entry, max |x - y| / max(1e-8, |x| + |y|).

    Inputs: x, y: arrays of one shape
    """
    errors = np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))
    return float(errors.max())


def numerical_gradient(f, x, df, delta=1e-5):
    """Return the gradient of sum(f(x) * df) with respect to x, by central differences.

    Inputs: f: function of x; x: (...), whose entries are moved in place by delta to either side,
        and put back; df: upstream gradient, of the shape of f(x)
    """
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        kept = x[index]
        x[index] = kept + delta
        above = f(x)
        x[index] = kept - delta
        below = f(x)
        x[index] = kept
        gradient[index] = ((above - below) * df).sum() / (2 * delta)
    return gradient


def training_loop(model, optimizer, features, captions, steps):
    """Train on the loss model(features, captions), with the gradient's norm clipped at 5.

    Returns: list of the losses before each step, floats
    """
    losses = []
    for _ in range(steps):
        loss = model(features, captions)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def greedy_decode(model, features, max_length):
    """Caption N images with the most probable word at each timestep, up to and with <END>.

    Inputs: model: model.start(features) returns state, A; model.step(words, state, A) returns
        scores (N, V), the next state and alpha
    Returns: list of N lists of at most max_length word ids
    """
    state, A = model.start(features)
    words = torch.full((len(features),), START)
    captions = [[] for _ in features]
    for _ in range(max_length):
        scores, state, _ = model.step(words, state, A)
        words = scores.argmax(dim=1)  # (N,): read again at the next timestep
        for caption, word in zip(captions, words.tolist(), strict=True):
            if END not in caption:
                caption.append(word)
    return captions


def beam_search(next_log_probs, width, max_length):
    """Keep the `width` most probable beginnings of a caption, and extend them word by word.

    Inputs: next_log_probs: function of a tuple of ids that returns the log-probability of each
        next word, (V,)
    Returns: list of up to `width` pairs (list of ids, log-probability), best first; a caption
        ends with <END> or has max_length words
    """
    beams = [([], 0.0)]
    for _ in range(max_length):
        candidates = []
        for ids, log_prob in beams:
            if ids and ids[-1] == END:
                candidates.append((ids, log_prob))
                continue
            for word, more in enumerate(next_log_probs(tuple(ids))):
                candidates.append(([*ids, word], log_prob + float(more)))
        beams = sorted(candidates, key=lambda beam: -beam[1])[:width]
    return beams


def cider_d(candidate, reference, idf, sigma=6.0):
    """Score a caption against one reference, with n-grams of one to four words.

    Inputs: candidate, reference: lists of words; idf: dict from n-gram, a tuple of words, to its
        weight; sigma: of the Gaussian that penalises a difference in length, in words
    Returns: a float in [0, 10]
    """
    score = 0.0
    for n in range(1, 5):
        c, r = (
            Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
            for words in (candidate, reference)
        )
        dot = sum(min(c[g], r[g]) * r[g] * idf.get(g, 0.0) ** 2 for g in c)
        sizes = [math.sqrt(sum((v[g] * idf.get(g, 0.0)) ** 2 for g in v)) for v in (c, r)]
        score += dot / (sizes[0] * sizes[1]) if all(sizes) else 0.0
    penalty = math.exp(-((len(candidate) - len(reference)) ** 2) / (2 * sigma**2))
    return 10 * penalty * score / 4


def policy_loss(log_probs, rewards):
    """Weigh the log-probability of sampled captions by how much better than the others they are.

    Inputs: log_probs, rewards: of K sampled captions for each of I images, (I, K)
    Returns:
        loss: minus the mean over all captions of advantage * log_prob; the advantage is the
            reward less the mean reward of the image's other K - 1 captions
        dlog_probs: its gradient, (I, K)
    """
    images, K = rewards.shape
    others = (rewards.sum(1, keepdims=True) - rewards) / (K - 1)  # (I, K)
    advantages = rewards - others
    loss = -(advantages * log_probs).sum() / (images * K)
    return loss, -advantages / (images * K)


# Mistakes in them beyond those that people make in all code: what is wrong, then a piece of the
# code and what stands there instead.
MISTAKES: dict[str, list[tuple]] = {
    "relative_error": [
        ("|x| + |y| is wanted below, not |x + y|", "np.abs(x) + np.abs(y)", "np.abs(x + y)"),
        ("the difference needs its absolute value", "np.abs(x - y)", "(x - y)"),
        ("0/0 is NaN: keep what stands below at 1e-8 or more", "np.maximum(1e-8, ", "("),
        ("1e-8 is a floor, not a summand: the larger of it and |x| + |y| stands below",
         "np.maximum(1e-8, ", "(1e-8 + "),
    ],
    "numerical_gradient": [
        ("the two points are 2 delta apart: divide by 2 delta, not by delta",
         "(2 * delta)", "delta"),
        ("a central difference is wanted, f(x + delta) - f(x - delta); this is one-sided",
         "kept - delta", "kept", "(2 * delta)", "delta"),
        ("each entry of x has to be put back", "x[index] = kept\n", "pass\n"),
        ("the sign is wrong: f(x + delta) - f(x - delta), in this order",
         "above - below", "below - above"),
        ("one entry of x may move every entry of f(x): sum over all, do not pick one",
         "((above - below) * df).sum()", "((above - below) * df)[index]"),
        ("each entry of the difference has its own weight: multiply by df, then sum",
         "((above - below) * df).sum()", "(above - below).sum() * df[index]"),
    ],
    "shift_captions": [
        ("inputs and targets are swapped", "return inputs, targets,", "return targets, inputs,"),
        ("the mask is inverted: True where the target counts", "!= NULL", "== NULL"),
        ("the mask belongs to the targets, not to the inputs", "targets != NULL", "inputs != NULL"),
        ("the mask leaves <END> out, which the model has to learn to say", "!= NULL", "> 2"),
        ("the mask has to hold True and False, which select; numbers do not",
         "targets != NULL", "(targets != NULL) * 1"),
        ("ids have to stay integers, which index: np.zeros makes floats, unless dtype=int",
         "return inputs, targets,", "return inputs * 1.0, targets * 1.0,"),
        ("the mask leaves out what follows <END>, but every <NULL> has to be out",
         "targets != NULL", "inputs != END"),
        ("the targets are not shifted: they must be one step later than the inputs",
         "captions[:, 1:]", "captions[:, :-1]"),
        ("both are as long as the captions: leave out the last input and the first target",
         "captions[:, :-1], captions[:, 1:]", "captions, captions"),
    ],
    "training_loop": [
        ("gradients add up from step to step: optimizer.zero_grad() is missing",
         "optimizer.zero_grad()", "pass"),
        ("the weights stay as they are: optimizer.step() is missing, or no gradient reaches it, "
         "for loss.backward() belongs between zero_grad() and step()", "optimizer.step()", "pass"),
        ("the gradient is not clipped, or only after the step: clip its norm at 5",
         "torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)", "pass"),
        ("the norm is clipped at 1, not at 5", "5.0", "1.0"),
        ("the norm is that of all gradients together, not of each parameter's by itself",
         "torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)",
         "[torch.nn.utils.clip_grad_norm_(each, 5.0) for each in model.parameters()]"),
        ("a gradient whose norm is below 5 stays as it is: clip it, do not normalise it",
         "loss.backward()", "loss.backward(1e9 * torch.ones_like(loss))"),
        ("keep loss.item(), a number; the tensors hold on to every step's graph", ".item()", ""),
    ],
    "greedy_decode": [
        ("it must first read <START>, id 1, and this reads <NULL>", ", START)", ", 0)"),
        ("the chosen word is not fed back: it must be read at the next timestep",
         "words = scores", "chosen = scores", "words.tolist()", "chosen.tolist()"),
        ("the state is not carried on: each step needs the state of the step before",
         "scores, state, _", "scores, _, _"),
        ("A is left out: each step needs it beside the state", ", state, A)", ", state, None)"),
        ("a caption goes on after <END>", "END not in caption", "True"),
        ("<END> is left out: a caption ends with it",
         "return captions", "return [[w for w in c if w != END] for c in captions]"),
    ],
    "beam_search": [
        ("a caption that ended with <END> is extended: keep it as it is", "if ids and", "if 0 and"),
        ("one beginning alone is kept, whatever the width", "[:width]", "[:1]"),
        ("rank by the sum of the logarithms, not by their mean per word",
         "-beam[1]", "-beam[1] / len(beam[0])"),
    ],
    "cider_d": [
        ("a repeated n-gram counts each time: clip it, min(c, r)", "min(c[g], r[g])", "c[g]"),
        ("the n-grams are not weighed with idf",
         "* idf.get(g, 0.0) ** 2", "", "* idf.get(g, 0.0)", ""),
        ("both vectors are weighed with idf: it stands twice in their product",
         " ** 2 for g", " for g"),
    ],
    "policy_loss": [
        ("the sign is wrong: a better caption must become more probable",
         "loss = -(", "loss = (", "return loss, -", "return loss, "),
        ("the baseline is missing: subtract the other captions' mean reward",
         "rewards - others\n", "rewards\n"),
        ("the baseline must leave the caption itself out", "rewards - others\n",
         "rewards - rewards.mean(1, keepdims=True)\n"),
        ("average over all captions: divide by I K", " / (images * K)", ""),
    ],
}  # fmt: skip
