"""Every figure of the course. A function draws one figure and returns it; `show` shows it."""

from helpers.plots.attention import (
    attention_lstm_cell,
    attention_maps,
    largest_weight,
    query_length,
    seed_scores,
)
from helpers.plots.beam import beam_tree
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
from helpers.plots.grounding import (
    attention_entropy,
    interventions,
    pointing_accuracy,
    pointing_by_offset,
)
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
from helpers.plots.style import COLORS, show, use_style, write_figure
from helpers.plots.words import (
    beam_widths,
    estimate_errors,
    rewards_while_learning,
    temperatures,
    words_considered,
)
