"""The figures of attention show what they are given."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

matplotlib.use("agg")

from helpers import plots
from helpers.decoding import Caption


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("gradients", [False, True])
def test_the_cell_has_three_ways_to_the_past(gradients):
    (axes,) = plots.attention_lstm_cell(gradients=gradients).axes
    assert [text for text in texts(axes) if text in "123" and text] == ["1", "2", "3"]
    heads = [text.xy for text in axes.texts if hasattr(text, "xy")]
    assert sum(x < 2 for x, _ in heads) == (3 if gradients else 0)  # arrows that leave on the left


def test_maps_have_a_panel_for_each_word_on_one_scale():
    alpha = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
    caption = Caption("red boat", ["red", "boat"], [4, 5, 2], -1.0, alpha)
    picture = np.full((8, 8, 3), 200, np.uint8)
    boxes = [{1: [(0, 4, 3, 2)]}]
    figure = plots.attention_maps([picture], [caption], boxes=boxes, columns=3)
    shown, first, second, bar = figure.axes
    assert [axes.get_title() for axes in (shown, first, second)] == ["the picture", "red", "boat"]
    for axes, weights in ((first, alpha[0]), (second, alpha[1])):
        np.testing.assert_array_equal(axes.images[1].get_array().ravel(), weights)
        assert axes.images[1].norm.vmax == 0.7  # the map of <END> does not count
    (box,) = [patch for patch in second.patches if isinstance(patch, Rectangle)]
    assert box.get_bbox().bounds == (0, 4, 3, 2)
    assert second.lines[0].get_xydata().tolist() == [[2, 2]]  # the first of 2 x 2 cells of 4 pixels
    assert not first.patches and "weight" in bar.get_ylabel()


def test_pointing_says_how_many_words_a_bar_is_made_of():
    shares = {"map of the word": 0.7, "map of another word": 0.4, "chance": 0.1}
    kinds = {"boat": (0.5, 0.3, 40), "bird": (0.9, 0.05, 10)}
    left, right = plots.pointing_accuracy(shares, kinds).axes
    assert [bar.get_height() for bar in left.patches] == [0.7, 0.4, 0.1]
    labels = [label.get_text() for label in right.get_yticklabels()]
    assert labels == ["boat (n = 40)", "bird (n = 10)"]
    assert [bar.get_width() for bar in right.patches] == [0.5, 0.9]


def test_the_tree_shows_products_and_what_is_kept():
    tree = {"": {"a": 0.6, "two": 0.4}, "a": {"boat": 0.5, "kite": 0.5}, "two": {"boats": 0.9}}
    for width, kept in ((1, {"a", "a boat"}), (2, {"a", "two", "two boats", "a boat"})):
        (axes,) = plots.beam_tree(tree, width).axes
        shown = dict(text.split("\n") for text in texts(axes) if "\n" in text)
        assert shown["<START>"] == "1.00" and shown["a kite"] == "0.30"
        assert shown["two boats"] == "0.36"
        names = [text.split("\n")[0] for text in texts(axes) if "\n" in text]
        colors = [patch.get_facecolor() for patch in axes.patches]
        blue = {name for name, color in zip(names, colors, strict=True) if color == colors[0]}
        assert blue == kept | {"<START>"}


def test_a_query_is_shown_at_one_length():
    weights = np.array([[0.5, 0.5], [0.8, 0.2], [0.9, 0.1]])
    left, right = plots.query_length(np.array([0.0, 1.0, 2.0]), weights, 1).axes
    assert [line.get_ydata().tolist() for line in left.lines[:2]] == weights.T.tolist()
    assert [bar.get_height() for bar in right.patches] == [0.8, 0.2]
    assert right.get_title() == "At length 1"


def test_every_seed_has_a_dot():
    seeds = [{"greedy": {"BLEU-4": x}, "beam 5": {"BLEU-4": x + 0.1}} for x in (0.5, 0.6)]
    (axes,) = plots.seed_scores({"LSTM": seeds, "transformer": seeds[:1]}, ["BLEU-4"]).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [
        [0.5, 0.6], [0.6, 0.7], [0.5], [0.6],
    ]  # fmt: skip
    assert [label.get_text() for label in axes.get_xticklabels()] == ["LSTM", "transformer"]


def test_interventions_are_named():
    (axes,) = plots.interventions({"its own maps": 3.0, "even maps": 1.5}).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["its own maps", "even maps"]
    assert texts(axes) == ["3.00", "1.50"]
