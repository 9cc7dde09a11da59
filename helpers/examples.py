"""Captions and image features as examples to train on, in batches of whole images."""

import numpy as np
import torch

from helpers.features import read_rows
from helpers.vocabulary import pad_captions


class CaptionExamples(torch.utils.data.Dataset):
    """One example per caption: the image's features and the caption's ids.

    Inputs:
        features: array or memory map, one row per image, (I, ...)
        captions: for each image a list of captions (text), of which there may be none; longer ones
            than `max_words` are cut
        per_image: take so many captions of each image, of more the first, fewer several times, so
            that each image weighs the same; None for all of them once
    Raises: ValueError when the numbers of images differ
    """

    def __init__(self, features, captions, vocabulary, max_words=25, per_image=None):
        if len(features) != len(captions):
            raise ValueError(f"{len(features)} rows of features for {len(captions)} images")
        if per_image:
            captions = [
                [several[k % len(several)] for k in range(per_image)] if several else []
                for several in captions
            ]
        self.features = features
        self.rows = np.repeat(np.arange(len(captions)), [len(several) for several in captions])
        self.ids = [vocabulary.encode(c, max_words + 2) for several in captions for c in several]

    def __len__(self):
        return len(self.ids)

    def batch(self, indices):
        """Return rows of the I images (I,) and the ids (N, T), padded, of N examples `indices`.

        K = N / I captions in a row belong to one image.
        """
        rows = self.rows[indices]
        K = np.count_nonzero(rows == rows[0])
        images = rows[::K]
        if not np.array_equal(rows, images.repeat(K)):
            images = rows  # each caption with a copy of its image
        return images, torch.from_numpy(pad_captions([self.ids[i] for i in indices]))

    def read(self, images):
        """Read the features of I rows: tensor (I, ...), float32."""
        return torch.from_numpy(read_rows(self.features, images))

    def references(self):
        """Return for each image its captions, lists of ids from the first word to <END>."""
        several = [[] for _ in range(len(self.features))]
        for row, caption in zip(self.rows.tolist(), self.ids, strict=True):
            several[row].append(caption[1:])
        return several

    def __getitems__(self, indices):
        """Return a whole batch: features (I, ...) and caption ids (N, T), see `batch`."""
        images, captions = self.batch(indices)
        return self.read(images), captions

    def batches(self, batch_size, seed, epoch):
        """Shuffle images into batches; all captions of an image stand together.

        The images of a batch have the same number of captions, so that they can share features.

        Inputs: batch_size: captions per batch, about; seed, epoch: what the order depends on
        Returns: list of arrays of examples, (N,) each
        """
        rng = np.random.default_rng([seed, epoch])
        _, starts, counts = np.unique(self.rows, return_index=True, return_counts=True)
        batches = []
        for K in np.unique(counts):
            first = rng.permutation(starts[counts == K])  # of each image's K captions
            images = max(1, batch_size // K)
            for several in np.split(first, np.arange(images, len(first), images)):
                batches.append((several[:, None] + np.arange(K)).ravel())
        return [batches[i] for i in rng.permutation(len(batches))]
