"""In-place forms of what the sequence kernels do at each timestep: the same numbers, sooner.

`lstm_gates_forward` and `lstm_gates_backward` are the forms to read, and these must equal them.
"""

from math import sqrt

import array_api_compat as compat
import numpy as np
import torch

from helpers.kernels.arguments import per_image
from helpers.kernels.products import subtract_product


def narrowed(W):
    """Cast a matrix once for all products of a loop, where autocast would at each of them.

    Inputs: W: array (D, H)
    Returns: inside `torch.autocast` a copy in its narrower dtype, otherwise W itself
    """
    if compat.is_torch_array(W):
        torch, kind = compat.array_namespace(W), W.device.type
        if torch.is_autocast_enabled(kind):
            return W.to(torch.get_autocast_dtype(kind))
    return W


def tanh_into(xp, a, out):
    """Write tanh(a) into `out`, of the same shape, which may be a itself."""
    if compat.is_torch_array(a) and a.device.type == "cpu" and a.itemsize > 2:
        # the same memory, seen by NumPy, whose tanh takes a fifth of the time of torch's
        np.tanh(a.numpy(), out=out.numpy())
    else:
        xp.tanh(a, out=out)


def sigmoid_in_place(xp, a):
    """Overwrite a, of any shape, with its sigmoid 1 / (1 + exp(-a)), which does not overflow."""
    if compat.is_torch_array(a):
        a.sigmoid_()
    elif a.dtype == np.float32:
        torch.from_numpy(a).sigmoid_()  # the same memory; torch uses all cores
    else:
        a *= 0.5  # (1 + tanh(a / 2)) / 2
        xp.tanh(a, out=a)
        a += 1
        a *= 0.5


def gates_forward(xp, a, prev_c, next_h, next_c, tanh_c):
    """Do what `lstm_gates_forward` does: a becomes the gates, the last three are filled.

    Inputs: xp: array namespace; a (N, 4H); the others (N, H)
    """
    i, f, o, g = blocks(a)
    sigmoid_in_place(xp, a[:, : 3 * g.shape[1]])
    tanh_into(xp, g, g)
    xp.multiply(f, prev_c, out=next_c)
    next_c += i * g
    tanh_into(xp, next_c, tanh_c)
    xp.multiply(o, tanh_c, out=next_h)


def attention_forward(xp, prev_h, A, attn, alpha):
    """Do what `dot_product_attention_forward` does: the last two are filled.

    Inputs: xp: array namespace; prev_h, attn (N, H); A (I, P, H); alpha (N, P)
    """
    alpha[...] = (per_image(prev_h, A) @ A.mT).reshape(alpha.shape)
    alpha /= sqrt(A.shape[2])
    alpha -= xp.max(alpha, axis=1, keepdims=True)
    xp.exp(alpha, out=alpha)
    alpha /= xp.sum(alpha, axis=1, keepdims=True)
    attn[...] = (per_image(alpha, A) @ A).reshape(attn.shape)


def gate_slopes(xp, gates, prev_c, tanh_c):
    """Compute what `lstm_gates_backward` multiplies its gradients with, for all timesteps.

        da = [dc, dc, dnext_h, dc] * slopes, with
        slopes = [g i (1 - i), prev_c f (1 - f), tanh_c o (1 - o), i (1 - g^2)]
        dc = dnext_c + dnext_h * slope_c, with slope_c = o (1 - tanh_c^2)

    Inputs: xp: array namespace; gates (N, T, 4H); prev_c, tanh_c (N, T, H)
    Returns: slopes (N, T, 4H), slope_c (N, T, H)
    """
    H = tanh_c.shape[2]
    i, _, o, g = blocks(gates)
    slopes = gates * gates
    slope_i, slope_f, slope_o, slope_g = blocks(slopes)
    xp.subtract(gates[:, :, : 3 * H], slopes[:, :, : 3 * H], out=slopes[:, :, : 3 * H])  # s (1 - s)
    for slope, factor in ((slope_i, g), (slope_f, prev_c), (slope_o, tanh_c)):
        slope *= factor
    one = xp.ones((), dtype=gates.dtype, device=compat.device(gates))
    xp.subtract(one, slope_g, out=slope_g)
    slope_g *= i
    slope_c = tanh_c * tanh_c
    xp.subtract(one, slope_c, out=slope_c)
    slope_c *= o
    return slopes, slope_c


def lstm_slopes(xp, gates, prev_c, next_h, tanh_c):
    """Do what `gate_slopes` does, in fewer operations, from next_h = o tanh_c.

    With g i (1 - i) = g i - (g i) i and the like, each slope is one difference.

    Inputs: xp: array namespace; gates (N, T, 4H); prev_c, next_h, tanh_c (N, T, H)
    Returns: slopes (N, T, 4H), slope_c (N, T, H)
    """
    i, f, o, g = blocks(gates)
    slopes, slope_c = xp.empty_like(gates), xp.empty_like(tanh_c)
    slope_i, slope_f, slope_o, slope_g = blocks(slopes)
    xp.multiply(i, g, out=slope_i)
    subtract_product(i, slope_i, g, out=slope_g)
    subtract_product(slope_i, slope_i, i, out=slope_i)
    subtract_product(f, f, f, out=slope_f)
    slope_f *= prev_c
    subtract_product(next_h, next_h, o, out=slope_o)
    subtract_product(o, next_h, tanh_c, out=slope_c)
    return slopes, slope_c


def gates_backward(slopes, slope_c, f, dnext_h, dnext_c):
    """Do what `lstm_gates_backward` does: the slopes of `gate_slopes` become da.

    Inputs: slopes (N, 4H); the others (N, H)
    Returns: dprev_c (N, H)
    """
    dc = dnext_h * slope_c
    dc += dnext_c
    for slope, gradient in zip(blocks(slopes), (dc, dc, dnext_h, dc), strict=True):
        slope *= gradient
    dc *= f
    return dc


def blocks(gates):
    """Cut (..., 4H) into the gates i, f, o, g, (..., H) each."""
    H = gates.shape[-1] // 4
    return tuple(gates[..., k * H : (k + 1) * H] for k in range(4))
