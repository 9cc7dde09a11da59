"""Every figure of the course. A function draws one figure and returns it; `show` shows it."""

from helpers.plots.attention import (
    attention_entropy,
    attention_lstm_cell,
    attention_maps,
    cell_scores,
    largest_weight,
    pointing_accuracy,
    pointing_by_offset,
)
from helpers.plots.cells import (
    captioner,
    cliff,
    gradient_norms,
    rnn_cell,
    saturation,
    step_size_errors,
    tanh_and_derivative,
    unrolled_rnn,
)
from helpers.plots.curves import learning_curves, loss_curve, task_curves
from helpers.plots.galleries import caption_gallery, seen_squares
from helpers.plots.lstm import (
    bleu_scores,
    eigenvalues,
    gates_over_time,
    gradient_ways,
    lstm_cell,
    memory_kept,
    memory_over_time,
    picture_worth,
)
from helpers.plots.style import COLORS, show, use_style
from helpers.plots.words import (
    beam_widths,
    estimate_errors,
    rewards_while_learning,
    temperatures,
    words_considered,
)

__all__ = [
    "COLORS",
    "attention_entropy",
    "attention_lstm_cell",
    "attention_maps",
    "beam_widths",
    "bleu_scores",
    "caption_gallery",
    "captioner",
    "cell_scores",
    "cliff",
    "eigenvalues",
    "estimate_errors",
    "gates_over_time",
    "gradient_norms",
    "gradient_ways",
    "largest_weight",
    "learning_curves",
    "loss_curve",
    "lstm_cell",
    "memory_kept",
    "memory_over_time",
    "picture_worth",
    "pointing_accuracy",
    "pointing_by_offset",
    "rewards_while_learning",
    "rnn_cell",
    "saturation",
    "seen_squares",
    "show",
    "step_size_errors",
    "tanh_and_derivative",
    "task_curves",
    "temperatures",
    "unrolled_rnn",
    "use_style",
    "words_considered",
]
