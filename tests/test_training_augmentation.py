"""Mirrored and cut pictures for training."""

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import ImageOps
from small import CAPTIONS, VOCABULARY

from helpers.images import open_image
from helpers.training.augmentation import ViewExamples, Views


class FourPhotographs:
    """What `Views` asks of a data set."""

    name, split, captions = "four", "train", CAPTIONS

    def __len__(self):
        return 4

    def image(self, i):
        names = ("coffee.png", "chelsea.png", "rocket.jpg", "astronaut.png")
        return open_image(Path(skimage.__file__).parent / "data" / names[i])

    def fingerprint(self, i):
        return f"photograph {i}"


@pytest.fixture(scope="module")
def views():
    return Views(FourPhotographs(), 4)


def test_views_of_a_picture(views):
    whole = FourPhotographs().image(1)
    assert views.image(1) == whole
    assert views.image(4 + 1) == ImageOps.mirror(whole)
    for view in (2, 3):
        cut = views.image(4 * view + 1)
        share = cut.width * cut.height / (whole.width * whole.height)
        assert 0.49 < share < 1 and cut == views.image(4 * view + 1)
    assert len({views.fingerprint(i) for i in range(16)}) == 16 == len(views)


def test_another_seed_cuts_elsewhere(views):
    other = Views(FourPhotographs(), 4, seed=1)
    assert other.image(9) != views.image(9) and other.fingerprint(9) != views.fingerprint(9)


def test_each_view_is_seen_once_in_as_many_epochs():
    examples = ViewExamples(3, np.zeros((12, 1)), CAPTIONS, VOCABULARY)
    epochs = [examples.batches(2, 0, epoch) for epoch in range(6)]
    assert {len(batches) for batches in epochs} == {4}
    for several in (epochs[:3], epochs[3:]):
        seen = np.concatenate([batch for batches in several for batch in batches])
        assert sorted(seen) == list(range(len(examples)))
    for batches in epochs:
        captions = [n % (len(examples) // 3) for batch in batches for n in batch]
        assert sorted(captions) == list(range(len(examples) // 3))  # each image once
    assert [b.tolist() for b in epochs[0]] != [b.tolist() for b in epochs[3]]
