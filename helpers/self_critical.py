"""Self-critical training: a captioner learns from its own captions, weighed by how good they are.

Captions that score better than the others of the same image get more probable, worse ones less.
Rennie et al. 2017, "Self-Critical Sequence Training for Image Captioning"; to compare a caption
with the mean of the others is Luo 2020's, "A Better Variant of Self-Critical Sequence Training".
"""

from collections import Counter
from math import exp, log, sqrt

import torch

from helpers import decoding
from helpers.vocabulary import START, pad_captions

LONGEST = 4  # n-grams of 1 to 4 words
SIGMA = 6.0  # words; how quickly another length than the reference's costs


class CiderReward:
    """CIDEr-D of captions that are ids, against the captions of the images that are trained on.

    <END> is a word of theirs: without it, captions that stop in mid-sentence would score best.
    Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation".

    Inputs: references: for each of I images a list of captions, each a list of ids with <END>
    """

    def __init__(self, references):
        counts = [[_count_ngrams(caption) for caption in several] for several in references]
        images = Counter(ngram for several in counts for ngram in set().union(*several))
        self.unseen = log(max(2, len(references)))  # what an n-gram of no image weighs
        self.idf = {ngram: self.unseen - log(number) for ngram, number in images.items()}
        self.references = [[self._weigh(caption) for caption in several] for several in counts]

    def __call__(self, image, caption):
        """Score a caption. Inputs: image: row in [0, I); caption: ids. Returns: in [0, 10]."""
        weights, norms, length = self._weigh(_count_ngrams(caption))
        total = 0.0
        for reference, reference_norms, reference_length in self.references[image]:
            products = [0.0] * LONGEST
            for ngram, weight in weights.items():
                other = reference.get(ngram, 0.0)
                products[len(ngram) - 1] += min(weight, other) * other
            scales = map(float.__mul__, norms, reference_norms)
            cosines = [
                product / (scale or 1) for product, scale in zip(products, scales, strict=True)
            ]
            total += sum(cosines) * exp(-((length - reference_length) ** 2) / (2 * SIGMA**2))
        return 10 / LONGEST * total / len(self.references[image])

    def _weigh(self, counts):
        """Return each n-gram's count times its idf, the norm of these for each n, the length."""
        weights = {ngram: n * self.idf.get(ngram, self.unseen) for ngram, n in counts.items()}
        squares = [0.0] * LONGEST
        for ngram, weight in weights.items():
            squares[len(ngram) - 1] += weight**2
        length = sum(n for ngram, n in counts.items() if len(ngram) == 1)
        return weights, [sqrt(square) for square in squares], length


def sampled_captions(model, features, reward, images, samples, seed, max_words=20):
    """Let a model say several captions of each image by chance, and compare them.

    Inputs:
        model: CaptioningRNN, in evaluation mode: what is sampled must be what learns
        features: of I images, as the model takes them
        reward, images: CiderReward, and its rows of these images, (I,)
        samples: K, captions of each image, at least 2, of at most `max_words`
    Returns: captions: ids from <START> on, padded, (I * K, T + 1), those of an image in a row;
        weights: by how much each one's reward is above the mean of its image's others, float32,
        (I * K,); the mean reward of all
    """
    captions = decoding.sample(model, features, seed=seed, max_length=max_words, copies=samples)
    captions = [caption.ids for caption in captions]
    rows = [row for row in images for _ in range(samples)]
    rewards = torch.tensor(list(map(reward, rows, captions))).view(-1, samples)  # (I, K)
    above_others = (rewards - rewards.mean(1, keepdim=True)) * samples / (samples - 1)
    ids = torch.from_numpy(pad_captions([[START, *caption] for caption in captions]))
    device = features.device
    return ids.to(device), above_others.flatten().to(device), rewards.mean().item()


def _count_ngrams(caption):
    """Count the n-grams of a list of ids. Returns: Counter of tuples of 1 to 4 ids."""
    return Counter(
        tuple(caption[start : start + n])
        for n in range(1, LONGEST + 1)
        for start in range(len(caption) - n + 1)
    )
