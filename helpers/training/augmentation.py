"""More pictures from few: each one mirrored and cut in several ways, for training."""

import copy

import numpy as np
from PIL import ImageOps

from helpers.examples import CaptionExamples

SMALLEST = 0.5  # share of the picture that a random cut keeps, at least


class Views:
    """Several views of each picture: as it is, mirrored, and cut at random, both ways round.

    To `encode_features` it is a data set: of CaptionedImages, I pictures with V views of each.
    """

    def __init__(self, data, views, seed=0):
        self.data, self.seed = data, seed
        self.name, self.split = f"{data.name}-{views}-views", data.split
        self.captions = data.captions * views

    def __len__(self):
        return len(self.captions)

    def image(self, i):
        """Open view i // I of picture i % I. Returns: PIL image, RGB."""
        view, i = divmod(i, len(self.data))
        image = self.data.image(i)
        if view >= 2:
            rng = np.random.default_rng([self.seed, view, i])
            share = rng.uniform(SMALLEST, 1) ** 0.5
            width, height = (max(1, round(share * side)) for side in image.size)
            left = rng.integers(image.width - width + 1)
            top = rng.integers(image.height - height + 1)
            image = image.crop((left, top, left + width, top + height))
        return ImageOps.mirror(image) if view % 2 else image

    def fingerprint(self, i):
        """Return what changes with the view, its cut and the picture's file."""
        view, i = divmod(i, len(self.data))
        return f"{self.data.fingerprint(i)} {view} {self.seed}"


class ViewExamples(CaptionExamples):
    """Captions and one view of each image an epoch, of V: features (I * V, ...), as of `Views`."""

    def __init__(self, views, features, captions, vocabulary, max_words=25, per_image=None):
        super().__init__(features, captions * views, vocabulary, max_words, per_image)
        self.views = views

    def batches(self, batch_size, seed, epoch):
        """Shuffle images into batches, as `CaptionExamples` does, and choose each one's view."""
        per_view = len(self) // self.views
        one_view = copy.copy(self)
        one_view.rows = self.rows[:per_view]
        batches = CaptionExamples.batches(one_view, batch_size, seed, epoch)
        rng = np.random.default_rng([seed, epoch // self.views])
        first = rng.integers(self.views, size=len(self.features) // self.views)
        view = (first + epoch) % self.views
        return [batch + per_view * view[self.rows[batch]] for batch in batches]
