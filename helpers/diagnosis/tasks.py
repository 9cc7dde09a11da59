"""The course's short functions that are no kernels: what notebooks show as their solutions."""

import math
from collections import Counter

import numpy as np
import torch

from helpers.vocabulary import END, START


def relative_error(x, y):
    """Return the largest relative error of any entry, max |x - y| / max(1e-8, |x| + |y|).

    Inputs: x, y: arrays of one shape
    Returns: a float in [0, 1]
    """
    errors = np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))
    return float(errors.max())


def numerical_gradient(f, x, df, h=1e-5):
    """Return the gradient of sum(f(x) * df) with respect to x, by central differences.

    Inputs:
        f: function of x, with a result of any shape
        x: (...), whose entries are moved in place one after the other, and put back
        df: upstream gradient, of the shape of f(x)
        h: how far an entry moves to either side
    Returns: an array of the shape of x
    """
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        kept = x[index]
        x[index] = kept + h
        above = f(x)
        x[index] = kept - h
        below = f(x)
        x[index] = kept
        gradient[index] = ((above - below) * df).sum() / (2 * h)
    return gradient


def training_loop(model, optimizer, features, captions, steps):
    """Train a captioner on all captions at each step, with the gradient's norm clipped at 5.

    Inputs:
        model: model(features, captions) is the loss
        optimizer: one of torch's, over the model's parameters
        features, captions: what the model takes
        steps: how many
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
    """Caption images with the most probable word at each timestep.

    Inputs:
        model: model.start(features) returns state, A; model.step(words, state, A) returns
            scores (N, V), the next state and alpha
        features: of N images
        max_length: how many words at most
    Returns: list of N lists of word ids, each up to and including <END>
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

    Inputs:
        next_log_probs: function of a tuple of ids that returns the log-probability of each
            next word, (V,)
        width: how many beginnings are kept
        max_length: how many words at most
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

    Inputs:
        candidate, reference: lists of words
        idf: dict from n-gram, a tuple of words, to its weight
        sigma: of the Gaussian that penalises a difference in length, in words
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
