"""The figures show what they are given."""

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


def test_learning_curves_draw_each_run():
    history = [{"epoch": e, "loss": 9 - e, "BLEU-4": e / 10} for e in (1, 2, 3)]
    left, right = plots.learning_curves({"rnn": history, "lstm": history}).axes
    for axes, values in ((left, [8, 7, 6]), (right, [0.1, 0.2, 0.3])):
        assert [line.get_label() for line in axes.lines] == ["rnn", "lstm"]
        assert list(axes.lines[0].get_ydata()) == values
        assert axes.get_legend() and axes.get_xlabel() and axes.get_ylabel() and axes.get_title()


def test_gallery_puts_each_caption_under_its_picture():
    images = [Image.new("RGB", (40, 30), color) for color in ("red", "green", "blue")]
    figure = plots.caption_gallery(images, ["a dog", "a cat", "a red boat"], columns=2, width=6)
    assert len(figure.axes) == 4
    texts = [axes.texts[0].get_text() for axes in figure.axes[:3]]
    assert texts == ["a dog", "a cat", "a red\nboat"]
    assert tuple(figure.axes[2].images[0].get_array()[0, 0]) == (0, 0, 255)


def test_words_considered_marks_what_was_said():
    vocabulary = Vocabulary(["a", "cat", "dog"])
    probabilities = torch.tensor([[0, 0, 0.1, 0, 0.7, 0.15, 0.05], [0, 0, 0.1, 0, 0.1, 0.3, 0.5]])
    axes = plots.words_considered(probabilities, vocabulary, [4, 5], count=2).axes[0]
    words = {text.get_position(): (text.get_text(), text.get_weight()) for text in axes.texts}
    assert words == {
        (0, 0): ("a", "bold"),
        (0, 1): ("cat", "normal"),
        (1, 0): ("dog", "normal"),
        (1, 1): ("cat", "bold"),
    }


def test_pointing_by_offset_names_the_words_own_map():
    axes = plots.pointing_by_offset([-1, 0, 1], [0.8, 0.7, 0.3], chance=0.2).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["-1", "the word's own", "+1"]
    assert list(axes.lines[0].get_ydata()) == [0.8, 0.7, 0.3]
    assert list(axes.lines[1].get_ydata()) == [0.2, 0.2]
