"""Hand-written forward and backward passes on NumPy arrays and torch tensors."""

from helpers.kernels.attention import (
    attention_lstm_backward,
    attention_lstm_forward,
    attention_lstm_step_backward,
    attention_lstm_step_forward,
    dot_product_attention_backward,
    dot_product_attention_forward,
)
from helpers.kernels.lstm import (
    lstm_backward,
    lstm_forward,
    lstm_gates_backward,
    lstm_gates_forward,
    lstm_step_backward,
    lstm_step_forward,
)
from helpers.kernels.rnn import rnn_backward, rnn_forward, rnn_step_backward, rnn_step_forward
from helpers.kernels.temporal import (
    temporal_affine_backward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_backward,
    word_embedding_forward,
)

__all__ = [
    "attention_lstm_backward",
    "attention_lstm_forward",
    "attention_lstm_step_backward",
    "attention_lstm_step_forward",
    "dot_product_attention_backward",
    "dot_product_attention_forward",
    "lstm_backward",
    "lstm_forward",
    "lstm_gates_backward",
    "lstm_gates_forward",
    "lstm_step_backward",
    "lstm_step_forward",
    "rnn_backward",
    "rnn_forward",
    "rnn_step_backward",
    "rnn_step_forward",
    "temporal_affine_backward",
    "temporal_affine_forward",
    "temporal_softmax_loss",
    "word_embedding_backward",
    "word_embedding_forward",
]
