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
    assert {text.get_position() for text in top.texts} == {(0, 0), (1, 1), (2, 1)}
    assert [label.get_text() for label in top.get_yticklabels()] == ["i", "f"]
    assert list(bottom.lines[0].get_ydata()) == [1, 1, 1]


def test_gradient_flow_names_each_line_at_its_end():
    curves = {"RNN": np.array([1, 0.1]), "LSTM": np.array([1, 0.9])}
    axes = plots.gradient_flow(curves, dashed=["RNN"]).axes[0]
    assert {text.get_text(): text.xy for text in axes.texts} == {"RNN": (1, 0.1), "LSTM": (1, 0.9)}
    assert [line.get_linestyle() for line in axes.lines] == ["--", "-"]


def test_gates_over_time_share_a_scale_by_their_sign():
    panels = {"f": np.full((3, 4), 0.5), "c": np.full((3, 4), -0.5)}
    figure = plots.gates_over_time(panels, ["a", "red", "boat"])
    images = [axes.images[0] for axes in figure.axes[:2]]
    assert [image.get_array().shape for image in images] == [(4, 3), (4, 3)]
    assert [image.get_clim() for image in images] == [(0, 1), (-1, 1)]
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["a", "red", "boat"]


def test_bleu_scores_label_each_bar():
    scores = {"RNN": {"BLEU-1": 0.5, "BLEU-2": 0.25}, "LSTM": {"BLEU-1": 0.75, "BLEU-2": 0.5}}
    axes = plots.bleu_scores(scores).axes[0]
    assert text_of(axes) == ["0.50", "0.25", "0.75", "0.50"]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.25, 0.75, 0.5]


def test_picture_worth_counts_words_from_one():
    (line,) = plots.picture_worth({"LSTM": np.array([2.0, 3.0])}).axes[0].lines
    assert list(line.get_xdata()) == [1, 2] and list(line.get_ydata()) == [2, 3]


def test_learning_curves_draw_a_validation_loss_where_there_is_one():
    history = [{"epoch": e, "loss": 9 - e, "validation loss": 8, "BLEU-4": 0.5} for e in (1, 2)]
    left, _ = plots.learning_curves({"lstm": history}).axes
    assert [line.get_label() for line in left.lines] == ["lstm", "lstm, validation"]
    assert list(left.lines[1].get_ydata()) == [8, 8]
