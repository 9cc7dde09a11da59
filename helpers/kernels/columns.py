"""Sequences (N, T, F) that lie in memory by timesteps and then by columns, as (T, F, N).

States of a batch are few rows and the weights a large matrix. A library's product packs its right
factor anew each time, so it is sooner done transposed, where the small factor is the right one:
(h Wh)^T = Wh^T h^T. Each gate becomes a block without gaps, too.
"""

import array_api_compat as compat

from helpers.kernels.products import add


def empty_by_columns(xp, shape, like):
    """Make an array of `shape`, (N, T, F), with the dtype and device of `like`."""
    N, T, F = shape
    memory = xp.empty((T, F, N), dtype=like.dtype, device=compat.device(like))
    return xp.permute_dims(memory, (2, 0, 1))


def projected_by_columns(xp, x, W, b, shape):
    """Compute x W + b for all timesteps in one product.

    Inputs: x (T N, D), W (D, M), b (M,), shape (N, T, M). Returns: (N, T, M), by columns
    """
    N, T, M = shape
    out = empty_by_columns(xp, shape, x)
    add(xp.reshape(W.T @ x.T, (M, T, N)).swapaxes(0, 2), b, out=out)
    return out


def flat_rows(xp, sequence):
    """Copy a sequence (N, T, F) into the rows of a matrix. Returns: (T N, F)"""
    N, T, F = sequence.shape
    return xp.reshape(xp.permute_dims(sequence, (1, 0, 2)), (T * N, F))


def flat_columns(xp, sequence):
    """Copy a sequence (N, T, F) into the columns of a matrix. Returns: (F, T N)"""
    N, T, F = sequence.shape
    return xp.reshape(xp.permute_dims(sequence, (2, 1, 0)), (F, T * N))


def by_rows(array):
    """Copy an array into memory that goes by its last axis. Returns: of the same shape"""
    if compat.is_torch_array(array):
        return array.clone(memory_format=compat.array_namespace(array).contiguous_format)
    return array.copy(order="C")


def timesteps(*sequences):
    """View sequences (N, T, F) timestep by timestep, up to the shortest one's end.

    Returns: list with a tuple for each timestep, of views (F, N)
    """
    return list(zip(*(each.swapaxes(0, 2).swapaxes(0, 1) for each in sequences), strict=False))
