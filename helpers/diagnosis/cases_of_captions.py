"""The cases and the typical mistakes of beam search, CIDEr-D and the policy gradient."""

import numpy as np

from helpers.vocabulary import END, START


def _beam_search(f):
    table = 0.6 * np.random.default_rng(4).dirichlet(np.full(6, 0.7), size=(4, 6))
    table[..., END] += 0.4
    table = np.log(table)

    def next_log_probs(ids):
        return table[min(len(ids), 3), ids[-1] if ids else START]

    found = {width: f(next_log_probs, width, 4) for width in (1, 3)}
    return {
        "captions": [[int(w) for w in ids] for beams in found.values() for ids, _ in beams],
        "log-probabilities": [float(p) for beams in found.values() for _, p in beams],
    }


def _beams(finished=True, keep=None, best=True, add=True):
    def beam_search(next_log_probs, width, max_length):
        beams: list = [([], 0.0)]
        for _ in range(max_length):
            candidates = []
            for ids, log_prob in beams:
                if finished and ids and ids[-1] == END:
                    candidates.append((ids, log_prob))
                    continue
                for word, more in enumerate(next_log_probs(tuple(ids))):
                    candidates.append(([*ids, word], log_prob * add + float(more)))
            candidates.sort(key=lambda beam: -beam[1] if best else beam[1])
            beams = candidates[: keep or width]
        return beams

    return beam_search


WRONG_BEAMS = {
    "a caption that ended with <END> is extended: keep it as it is": _beams(finished=False),
    "one beginning alone is kept, whatever the width": _beams(keep=1),
    "the least probable beginnings are kept": _beams(best=False),
    "log-probabilities of the words before are lost: add them up": _beams(add=False),
}


def _cider_d(f):
    words = ["a", "brown", "dog", "runs", "after", "a", "red", "ball", "on", "a", "field"]
    grams = [tuple(words[i : i + n]) for n in range(1, 5) for i in range(len(words) - n + 1)]
    idf = dict(zip(grams, np.random.default_rng(5).uniform(0.2, 2, len(grams)), strict=True))
    pairs = {
        "of a part": ("a brown dog runs", "a brown dog runs after a ball"),
        "of repeated words": ("a red red red ball", "a red ball"),
        "of itself": ("a dog runs on a field", "a dog runs on a field"),
        "of nothing in common": ("cat", "a dog"),
    }
    return {name: f(c.split(), r.split(), idf) for name, (c, r) in pairs.items()}


def _policy_loss(f):
    rng = np.random.default_rng(6)
    loss, dlog_probs = f(-rng.uniform(5, 15, (3, 4)), rng.uniform(0, 2, (3, 4)))
    return {"loss": loss, "dlog_probs": dlog_probs}


def _weighed(sign=-1, baseline="others", mean=True):
    def policy_loss(log_probs, rewards):
        K = rewards.shape[1]
        total = rewards.sum(1, keepdims=True)
        base = {"others": (total - rewards) / (K - 1), "all": total / K, "none": 0.0}[baseline]
        count = rewards.size if mean else 1
        advantages = rewards - base
        return sign * (advantages * log_probs).sum() / count, sign * advantages / count

    return policy_loss
