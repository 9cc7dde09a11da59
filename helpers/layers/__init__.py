"""The kernels as PyTorch layers: autograd bridges, and modules that train."""

from helpers.layers.bridges import (
    attention_lstm,
    bridge,
    lstm,
    rnn,
    temporal_affine,
    temporal_softmax_loss,
    temporal_word_loss,
    word_embedding,
)
from helpers.layers.engine import prepare_process, use_engine
from helpers.layers.modules import LSTM, RNN, AttentionLSTM, TemporalAffine, WordEmbedding
from helpers.layers.twins import from_torch, kernel_weights, to_torch
