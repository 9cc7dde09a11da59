"""The figures of the LSTM show what they are given."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt

matplotlib.use("agg")

from helpers import plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def text_of(axes):
    return [text.get_text() for text in axes.texts]


def test_the_cell_shows_gates_forwards_and_gradients_backwards():
    forwards, backwards = (text_of(plots.lstm_cell(gradients=g).axes[0]) for g in (False, True))
    for texts in (forwards, backwards):
        assert {"prev_c", "next_c", "prev_h", "next_h", "x"} <= set(texts)
        assert texts.count("σ") == 3 and texts.count("tanh") == 2
    assert "$f$  keep?" in forwards and "$f$  keep?" not in backwards
    assert "$dc \\odot f$" in backwards and "$dc \\odot f$" not in forwards


def test_memory_over_time_marks_open_gates():
    switches = {"i": [1, 0, 0], "f": [0, 1, 1]}
    top, bottom = plots.memory_over_time(switches, np.array([1, 1, 1]), np.zeros(3)).axes
    assert {text.get_position() for text in top.texts} == {(0.5, 0.5), (1.5, 1.5), (2.5, 1.5)}
    assert [label.get_text() for label in top.get_yticklabels()] == ["i", "f"]
    assert list(bottom.lines[0].get_ydata()) == [1, 1, 1]


def test_memory_kept_says_which_gate_keeps_how_much():
    axes = plots.memory_kept({0: [1, 0.5, 0.25], 2: [1, 0.88, 0.77]}).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["$b_f$ = 0,  f = 0.500", "$b_f$ = 2,  f = 0.880"]
    assert [list(line.get_ydata()) for line in axes.lines[:2]] == [[1, 0.5, 0.25], [1, 0.88, 0.77]]


def test_gradient_ways_share_a_logarithmic_axis_and_a_legend():
    ways = {"both": np.array([1, 0.9]), "gates": np.array([1, 0.1])}
    figure = plots.gradient_ways({"one": ways, "two": ways})
    for axes in figure.axes:
        assert axes.get_yscale() == "log" and axes.get_ylim() == (1e-24, 1e2)
        assert [list(line.get_ydata()) for line in axes.lines] == [[1, 0.9], [1, 0.1]]
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
    assert text_of(axes) == ["0.60", "0.30", "0.20", "0.15", "0.80", "0.40", "0.27", "0.20"]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches][:2], [0.6, 0.3])
    assert [line.get_ydata()[0] for line in axes.lines] == [0.4, 0.8, 0.8]


def test_picture_worth_draws_the_lead_beside_the_curves():
    runs = {"RNN": [[2.0, 1.0], [2.0, 2.0]], "LSTM": [[2.0, 3.0], [2.0, 4.0]]}
    left, right = plots.picture_worth(runs, "LSTM - RNN").axes
    assert [list(line.get_xdata()) for line in left.lines] == [[1, 2]] * 6
    assert [list(line.get_ydata()) for line in left.lines[2::3]] == [[2, 1.5], [2, 3.5]]
    assert list(right.lines[2].get_ydata()) == [0, 2] and right.get_title() == "LSTM - RNN"


def test_learning_curves_draw_a_validation_loss_where_there_is_one():
    history = [{"epoch": e, "loss": 9 - e, "validation loss": 8, "BLEU-4": 0.5} for e in (1, 2)]
    left, _ = plots.learning_curves({"lstm": history}).axes
    assert [line.get_label() for line in left.lines] == ["lstm", "lstm, validation"]
    assert list(left.lines[1].get_ydata()) == [8, 8]
