"""The pointing game and entropy, on maps whose scores can be counted by hand."""

import numpy as np
import pytest

from helpers.decoding import Caption
from helpers.grounding import (
    by_category,
    cell_centres,
    cells_in_boxes,
    entropy,
    entropy_over_time,
    pointing_game,
    pointing_scores,
)
from helpers.vocabulary import END

CATEGORY = {"dog": "dog", "puppy": "dog", "ball": "ball", "boat": "boat"}


def caption_of(text, highest, ended=True, positions=4):
    """Return a caption whose maps are highest at the given cells, one per word and <END>."""
    words = text.split()
    alpha = np.full((len(highest), positions), 0.3 / (positions - 1))
    alpha[np.arange(len(highest)), highest] = 0.7
    ids = [*range(5, 5 + len(words)), *([END] if ended else [])]
    assert len(ids) == len(highest)
    return Caption(text, words, ids, -1.0, alpha)


def test_centres_count_row_by_row():
    np.testing.assert_allclose(cell_centres(4, 200), [(50, 50), (150, 50), (50, 150), (150, 150)])
    np.testing.assert_allclose(cell_centres(49, 224)[[0, 1, 7]], [(16, 16), (48, 16), (16, 48)])


def test_a_grid_is_square():
    with pytest.raises(ValueError, match="square number, not 6"):
        cell_centres(6, 224)


def test_cells_in_boxes_by_hand():
    # a flat box, so that width and height cannot be exchanged, nor can rows and columns
    np.testing.assert_array_equal(cells_in_boxes(4, [(10, 40, 180, 20)], 200), [1, 1, 0, 0])
    np.testing.assert_array_equal(cells_in_boxes(4, [(140, 10, 20, 180)], 200), [0, 1, 0, 1])
    both = [(40, 40, 20, 20), (140, 140, 20, 20)]
    np.testing.assert_array_equal(cells_in_boxes(4, both, 200), [1, 0, 0, 1])
    np.testing.assert_array_equal(cells_in_boxes(4, [], 200), [0, 0, 0, 0])


def test_edges_of_a_box():
    # the centre at 50 belongs to a box that begins there, not to one that ends there
    assert cells_in_boxes(1, [(50, 50, 10, 10)], 100).all()
    assert not cells_in_boxes(1, [(40, 40, 10, 20)], 100).any()
    assert not cells_in_boxes(1, [(40, 40, 20, 10)], 100).any()


def test_the_game_by_hand():
    # the ball lies in cell 3, dogs stand in cells 0 and 1; "boat" is not in the picture
    boxes = [("ball", 110, 110, 80, 80), ("dog", 10, 10, 80, 80), ("dog", 110, 10, 80, 80)]
    caption = caption_of("a puppy ball boat", [3, 1, 0, 3, 2])
    points = pointing_game([caption], [boxes], CATEGORY, size=200)
    assert [(p.step, p.word, p.category, p.hit) for p in points] == [
        (1, "puppy", "dog", 1),
        (2, "ball", "ball", 0),
    ]
    assert [p.chance for p in points] == [2 / 4, 1 / 4]
    # the other maps point to 3, 0, 3 and to 3, 1, 3; that of <END> does not count
    assert [p.other for p in points] == pytest.approx([1 / 3, 2 / 3])
    assert pointing_scores(points) == pytest.approx(
        {"map of the word": 1 / 2, "map of another word": 1 / 2, "chance": 3 / 8}
    )


def test_maps_of_neighbouring_words_are_averaged_by_hand():
    # the maps point to 3, 1, 0, 3; those before "puppy" and "ball" to 3 and 1
    boxes = [("ball", 110, 110, 80, 80), ("dog", 10, 10, 80, 80), ("dog", 110, 10, 80, 80)]
    caption = caption_of("a puppy ball boat", [3, 1, 0, 3, 2])
    before = pointing_game([caption], [boxes], CATEGORY, size=200, steps=(-1,))
    assert [(p.word, p.hit) for p in before] == [("puppy", 0), ("ball", 0)]
    after = pointing_game([caption], [boxes], CATEGORY, size=200, steps=(1,))
    assert [(p.word, p.hit) for p in after] == [("puppy", 1), ("ball", 1)]
    caption.alpha[1:3] = [[0.5, 0, 0.3, 0.2], [0, 0.5, 0.3, 0.2]]  # the mean is largest at 2
    both = pointing_game([caption], [boxes], CATEGORY, size=200, steps=(-1, 0))
    assert [p.hit for p in both if p.word == "ball"] == [0]
    first = caption_of("dog", [0], ended=False)  # no word before the first: it does not take part
    assert not pointing_game([first], [boxes], CATEGORY, size=200, steps=(-1,))


def test_a_caption_that_was_cut_off():
    # no <END>, so the last map is that of the last word
    boxes = [("dog", 110, 110, 80, 80)]
    (point,) = pointing_game([caption_of("a dog", [0, 3], ended=False)], [boxes], CATEGORY, 200)
    assert (point.hit, point.other) == (1, 0)


def test_a_word_alone_has_no_other_map():
    boxes = [("dog", 110, 110, 80, 80)]
    (point,) = pointing_game([caption_of("dog", [0, 0])], [boxes], CATEGORY, 200)
    assert (point.hit, point.other, point.chance) == (0, 1 / 4, 1 / 4)


def test_even_maps_of_a_random_model_score_chance():
    rng = np.random.default_rng(0)
    captions = [caption_of("dog", rng.integers(0, 49, 2), positions=49) for _ in range(3000)]
    boxes = [[("dog", 32, 64, 96, 64)]] * len(captions)  # 3 x 2 cells
    scores = pointing_scores(pointing_game(captions, boxes, CATEGORY))
    assert scores["chance"] == pytest.approx(6 / 49)
    assert scores["map of the word"] == pytest.approx(6 / 49, abs=0.02)


def test_refuses_what_cannot_be_scored():
    blind = Caption("a dog", ["a", "dog"], [4, 5, END], -1.0)
    with pytest.raises(ValueError, match="caption 0 has no maps"):
        pointing_game([blind], [[]], CATEGORY)
    with pytest.raises(ValueError, match="1 captions for 2"):
        pointing_game([blind], [[], []], CATEGORY)
    with pytest.raises(ValueError, match="nothing to score"):
        pointing_scores([])


def test_entropy():
    maps = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(entropy(maps), [0, np.log(4), np.log(2)], atol=1e-12)
    assert entropy(maps.astype(np.float32)[None]).shape == (1, 3)


def test_entropy_over_time_averages_what_is_there():
    short, long = caption_of("dog", [0, 0]), caption_of("a dog", [0, 0, 0])
    long.alpha[:] = 0.25
    means, counts = entropy_over_time([short, long])
    peaked = entropy(short.alpha[0])
    np.testing.assert_allclose(means, [(peaked + np.log(4)) / 2] * 2 + [np.log(4)])
    assert counts.tolist() == [2, 2, 1]


def test_words_of_a_kind_are_averaged_and_counted():
    boxes = [("ball", 110, 110, 80, 80), ("dog", 10, 10, 80, 80), ("dog", 110, 10, 80, 80)]
    caption = caption_of("a puppy ball boat", [3, 1, 0, 3, 2])
    points = pointing_game([caption, caption], [boxes, boxes], CATEGORY, size=200)
    assert by_category(points) == {"dog": (1.0, 0.5, 2), "ball": (0.0, 0.25, 2)}
