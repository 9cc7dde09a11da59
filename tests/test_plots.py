"""The figures show what they are given."""

import base64
import io

import matplotlib
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup  # nbconvert's
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image
from skimage import data

matplotlib.use("agg")

from helpers import plots
from helpers.decoding import Caption
from helpers.vocabulary import Vocabulary


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(axes):
    return [text.get_text() for text in axes.texts]


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


def test_lines_are_named_marked_where_few_and_held_against_a_level():
    names = ["-1", "the word's own", "+1"]
    curves = {"none": [0.8, 0.7, 0.3], "others": [0.5, 0.4, 0.2]}
    axes = plots.lines(curves, names, "Maps", "whose map", "share", ("chance", 0.2)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == names
    assert [line.get_label() for line in axes.lines] == ["none", "others", "chance"]
    assert list(axes.lines[0].get_ydata()) == [0.8, 0.7, 0.3]
    assert list(axes.lines[2].get_ydata()) == [0.2, 0.2] and axes.get_legend()
    assert [line.get_marker() for line in axes.lines[:2]] == ["o", "s"]
    axes = plots.lines({"one": range(50)}, range(50), "a", "b", "c", yscale="log").axes[0]
    assert (
        axes.get_yscale() == "log"
        and axes.lines[0].get_marker() == "None"
        and not axes.get_legend()
    )


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
    more = plots.interventions({str(k): 1.0 for k in range(9)})
    assert more.get_size_inches()[1] > 2 * axes.figure.get_size_inches()[1]  # no bar is thinner


def test_the_cell_shows_gates_forwards_and_gradients_backwards():
    forwards, backwards = (texts(plots.lstm_cell(gradients=g).axes[0]) for g in (False, True))
    for each in (forwards, backwards):
        assert {"prev_c", "next_c", "prev_h", "next_h", "x"} <= set(each)
        assert each.count("σ") == 3 and each.count("tanh") == 2
    assert "$f$  keep?" in forwards and "$f$  keep?" not in backwards
    assert "$dc \\odot f$" in backwards and "$dc \\odot f$" not in forwards


def test_memory_over_time_marks_open_gates():
    switches = {"i": [1, 0, 0], "f": [0, 1, 1]}
    top, bottom = plots.memory_over_time(switches, np.array([1, 1, 1]), np.zeros(3)).axes
    assert {text.get_position() for text in top.texts} == {(0.5, 0.5), (1.5, 1.5), (2.5, 1.5)}
    assert [label.get_text() for label in top.get_yticklabels()] == ["i", "f"]
    assert list(bottom.lines[0].get_ydata()) == [1, 1, 1]


def test_gradient_norms_share_a_logarithmic_axis_and_a_legend():
    ways = {"both": np.array([1, 0.9]), "gates": np.array([1, 0.1])}
    figure = plots.gradient_norms({"one": ways, "two": ways}, ylim=(1e-24, 1e2))
    for axes in figure.axes:
        assert axes.get_yscale() == "log" and axes.get_ylim() == (1e-24, 1e2)
        assert [list(line.get_ydata()) for line in axes.lines[:2]] == [[1, 0.9], [1, 0.1]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["both", "gates"]


def test_eigenvalues_lie_where_they_are_beside_the_unit_circle():
    values = np.array([0.5 + 0.25j, 0.5 - 0.25j])
    circle, points = plots.eigenvalues({"LSTM": values}).axes[0].lines
    np.testing.assert_allclose(np.hypot(circle.get_xdata(), circle.get_ydata()), 1)
    assert list(points.get_xdata()) == [0.5, 0.5] and list(points.get_ydata()) == [0.25, -0.25]


def test_gates_over_time_share_a_scale_by_their_sign():
    panels = {"f": np.full((3, 4), 0.5), "c": np.full((3, 4), -0.5)}
    figure = plots.gates_over_time(panels, ["a", "red", "boat"])
    images = [axes.images[0] for axes in figure.axes[:2]]
    assert [image.get_array().shape for image in images] == [(4, 3), (4, 3)]
    assert [image.get_clim() for image in images] == [(0, 1), (-1, 1)]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["a", "red", "boat"]


def test_bleu_scores_draw_the_mean_as_a_bar_and_each_seed_as_a_dot():
    seeds = [{f"BLEU-{n}": score / n for n in (1, 2, 3, 4)} for score in (0.4, 0.8)]
    axes = plots.bleu_scores({"RNN": seeds, "LSTM": seeds[1:]}).axes[0]
    assert texts(axes) == ["0.60", "0.30", "0.20", "0.15", "0.80", "0.40", "0.27", "0.20"]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches][:2], [0.6, 0.3])
    assert [line.get_ydata()[0] for line in axes.lines] == [0.4, 0.8, 0.8]


def test_picture_worth_draws_the_lead_beside_the_curves():
    runs = {"RNN": [[2.0, 1.0], [2.0, 2.0]], "LSTM": [[2.0, 3.0], [2.0, 4.0]]}
    left, right = plots.picture_worth(runs, "LSTM - RNN", "one seed").axes
    assert [list(line.get_xdata()) for line in left.lines] == [[1, 2]] * 6
    assert [list(line.get_ydata()) for line in left.lines[2::3]] == [[2, 1.5], [2, 3.5]]
    assert list(right.lines[2].get_ydata()) == [0, 2] and right.get_title() == "LSTM - RNN"
    assert left.get_legend().get_title().get_text() == "thin: one seed, thick: mean"


def test_learning_curves_draw_a_validation_loss_where_there_is_one():
    history = [{"epoch": e, "loss": 9 - e, "validation loss": 8, "BLEU-4": 0.5} for e in (1, 2)]
    left, _ = plots.learning_curves({"lstm": history}).axes
    assert [line.get_label() for line in left.lines] == ["lstm", "lstm, validation"]
    assert list(left.lines[1].get_ydata()) == [8, 8]


def test_temperatures_share_the_words_and_sum_to_one():
    vocabulary = Vocabulary(["cat", "dog", "bird"])
    log_probs = torch.tensor([0, 0, 0, 0, 0.5, 0.3, 0.2]).log()
    cool, warm = plots.temperatures(log_probs, vocabulary, (0.5, 1), count=2).axes
    assert [text.get_text() for text in cool.get_yticklabels()] == ["cat", "dog", "all others"]
    widths = [[float(bar.get_width()) for bar in axes.patches] for axes in (cool, warm)]
    assert widths[1] == pytest.approx([0.5, 0.3, 0.2])
    squares = [0.25, 0.09, 0.04]
    assert widths[0] == pytest.approx([square / sum(squares) for square in squares])


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
