"""The figures of words and searches show what they are given."""

import matplotlib
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

matplotlib.use("agg")

from helpers import plots
from helpers.vocabulary import Vocabulary


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_temperatures_share_the_words_and_sum_to_one():
    vocabulary = Vocabulary(["cat", "dog", "bird"])
    log_probs = torch.tensor([0, 0, 0, 0, 0.5, 0.3, 0.2]).log()
    cool, warm = plots.temperatures(log_probs, vocabulary, (0.5, 1), count=2).axes
    assert [text.get_text() for text in cool.get_yticklabels()] == ["cat", "dog", "all others"]
    widths = [[float(bar.get_width()) for bar in axes.patches] for axes in (cool, warm)]
    assert widths[1] == pytest.approx([0.5, 0.3, 0.2])
    squares = [0.25, 0.09, 0.04]
    assert widths[0] == pytest.approx([square / sum(squares) for square in squares])


def test_a_beams_gains_and_estimates_are_drawn():
    axes = plots.beam_widths((1, 2, 5), (-9, -8, -7.5)).axes[0]
    assert list(axes.lines[0].get_xdata()) == [1, 2, 5]
    assert list(axes.lines[0].get_ydata()) == [-9, -8, -7.5]
    axes = plots.estimate_errors((2, 4), {"none": [3, 2], "others": [1, 0.5]}).axes[0]
    assert [line.get_label() for line in axes.lines] == ["none", "others"]
    assert list(axes.lines[1].get_ydata()) == [1, 0.5]


def test_rewards_are_drawn_with_their_running_mean():
    one, mean = plots.rewards_while_learning([1.0, 2.0, 6.0], window=2).axes[0].lines
    assert list(one.get_ydata()) == [1, 2, 6]
    assert list(mean.get_xdata()) == [2, 3] and mean.get_ydata().tolist() == [1.5, 4]


def test_the_square_that_is_seen_is_in_the_middle():
    wide, tall = plots.seen_squares(
        [Image.new("RGB", (90, 40)), Image.new("RGB", (40, 60))], 288, cells=2
    ).axes
    frames = [axes.patches[0].get_bbox().bounds for axes in (wide, tall)]
    assert frames == [(25, 0, 40, 40), (0, 10, 40, 40)]
    assert [len(axes.lines) for axes in (wide, tall)] == [2, 2]


def test_a_gallery_of_squares_cuts_the_ends_off():
    image = Image.new("RGB", (90, 30), "red")
    image.paste("blue", (30, 0, 60, 30))
    shown = plots.caption_gallery([image], ["a blue square"], square=True).axes[0].images[0]
    height, width, _ = shown.get_array().shape
    inner = shown.get_array()[20:-20, 20:-20]  # the edges are smoothed
    assert height == width and (inner == [0, 0, 255]).all()
