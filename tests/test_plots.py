"""The figures show what they are given."""

import base64
import io

import matplotlib
import pytest
import torch
from bs4 import BeautifulSoup  # nbconvert's
from matplotlib import pyplot as plt
from PIL import Image
from skimage import data

matplotlib.use("agg")

from helpers import plots
from helpers.vocabulary import Vocabulary


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """Give a function that shows a figure and returns its image as (kind, bytes, attributes)."""
    displayed = []
    monkeypatch.setattr("helpers.plots.style.display", lambda data, raw: displayed.append(data))

    def show(figure, alt="a line that rises"):
        plots.show(figure, alt)
        image = BeautifulSoup(displayed[-1]["text/html"], "html.parser").img
        kind, _, data = image["src"].removeprefix("data:image/").partition(";base64,")
        return kind, base64.b64decode(data), image.attrs

    return show


def test_shows_lines_as_svg_with_alternative_text(shown):
    before = plt.get_fignums()  # what other tests have left open
    kind, svg, attributes = shown(plots.loss_curve([3, 2, 1], "nats"), 'a "line" < 3')
    assert kind == "svg+xml" and svg.startswith(b"<?xml")
    assert attributes["alt"] == 'a "line" < 3' and attributes["class"] == ["drawing"]
    assert plt.get_fignums() == before
    assert svg == shown(plots.loss_curve([3, 2, 1], "nats"))[1], "differs from run to run"


def test_shows_pictures_sharp_and_in_all_their_colours(shown):
    picture = Image.radial_gradient("L").convert("HSV").convert("RGB")
    kind, png, attributes = shown(plots.caption_gallery([picture] * 2, ["a", "b"], columns=2))
    image = Image.open(io.BytesIO(png))
    assert kind == "png" and attributes["class"] == ["picture"]
    assert abs(image.width - 2 * int(attributes["width"])) <= 4
    assert len(image.convert("RGB").getcolors(1 << 24)) > 200


def test_shows_photographs_as_jpeg(shown):
    kind, jpeg, _ = shown(plots.caption_gallery([data.astronaut()] * 8, ["a"] * 8))
    assert kind == "jpeg" and Image.open(io.BytesIO(jpeg)).format == "JPEG"


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
