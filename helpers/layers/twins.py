"""Weights to and from torch's own layers, which store them otherwise."""

import torch
from torch import nn

from helpers.layers.modules import LSTM, RNN


def to_torch(layer):
    """Copy an RNN or LSTM of ours into a torch.nn.RNN or LSTM (batch_first) of the same outputs.

    torch stores the gates in the order i, f, g, o, transposed, and adds two biases: the second
    one is set to zero.
    """
    cls = nn.LSTM if layer.gates == 4 else nn.RNN
    twin = cls(*layer.sizes, batch_first=True).to(layer.Wx)
    weights = layer.Wx.T, layer.Wh.T, layer.b, torch.zeros_like(layer.b)  # in torch's order
    swapped = (swap_gates(weight, layer.gates) for weight in weights)
    twin.load_state_dict(dict(zip(twin.state_dict(), swapped, strict=True)))
    return twin


def from_torch(twin):
    """Copy a torch.nn.RNN or torch.nn.LSTM into a layer of ours; its two biases add up.

    Raises: ValueError for a torch layer that ours cannot express
    """
    if twin.num_layers != 1 or twin.bidirectional or not twin.bias or twin.proj_size:
        raise ValueError(f"twin must have one layer, one direction and biases, not {twin}")
    if getattr(twin, "nonlinearity", "tanh") != "tanh":
        raise ValueError(f"twin must use tanh, not {twin.nonlinearity}")
    layer = (LSTM if isinstance(twin, nn.LSTM) else RNN)(twin.input_size, twin.hidden_size)
    layer = layer.to(twin.weight_ih_l0)
    with torch.no_grad():
        for ours, theirs in zip((layer.Wx, layer.Wh, layer.b), kernel_weights(twin), strict=True):
            ours.copy_(theirs)
    return layer


def kernel_weights(twin):
    """Return the weights of a torch.nn.RNN or torch.nn.LSTM as the kernels take them.

    A gradient for these is one for the torch layer's own: autograd sees through.

    Returns: Wx (D, G), Wh (H, G), b (G,); G = H or 4H, gates in the order i, f, o, g
    """
    gates = 4 if isinstance(twin, nn.LSTM) else 1
    Wx = swap_gates(twin.weight_ih_l0, gates).T
    Wh = swap_gates(twin.weight_hh_l0, gates).T
    return Wx, Wh, swap_gates(twin.bias_ih_l0 + twin.bias_hh_l0, gates)


def swap_gates(rows, gates):
    """Exchange the last two of four blocks of rows: i, f, o, g <-> i, f, g, o."""
    if gates == 1:
        return rows
    i, f, third, fourth = rows.chunk(4)
    return torch.cat([i, f, fourth, third])
