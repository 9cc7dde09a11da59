"""Every figure of the course. A function draws one figure and returns it; `plt.show()` shows it."""

from helpers.plots.cells import (
    cliff,
    gradient_norms,
    rnn_cell,
    saturation,
    step_size_errors,
    tanh_and_derivative,
    unrolled_rnn,
)
from helpers.plots.curves import learning_curves, loss_curve, task_curves
from helpers.plots.pictures import caption_gallery
from helpers.plots.style import COLORS, use_style
from helpers.plots.words import words_considered

__all__ = [
    "COLORS",
    "caption_gallery",
    "cliff",
    "gradient_norms",
    "learning_curves",
    "loss_curve",
    "rnn_cell",
    "saturation",
    "step_size_errors",
    "tanh_and_derivative",
    "task_curves",
    "unrolled_rnn",
    "use_style",
    "words_considered",
]
