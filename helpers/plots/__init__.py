"""Every figure of the course. A function draws one figure and returns it; `show` shows it."""

from helpers.plots.curves import (
    cliff,
    eigenvalues,
    gradient_norms,
    learning_curves,
    lines,
    loss_curve,
    picture_worth,
    saturation,
    tanh_and_derivative,
    task_curves,
)
from helpers.plots.diagrams import (
    attention_lstm_cell,
    beam_tree,
    captioner,
    lstm_cell,
    rnn_cell,
    unrolled_rnn,
)
from helpers.plots.pictures import attention_maps, caption_gallery, seen_squares
from helpers.plots.scores import (
    bleu_scores,
    gates_over_time,
    interventions,
    memory_over_time,
    pointing_accuracy,
    query_length,
    seed_scores,
    temperatures,
    words_considered,
)
from helpers.plots.style import COLORS, show, write_figure
