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


def to_columns(xp, sequence, out):
    """Copy a sequence (N, T, F) into `out`, of the same shape, which lies by columns."""
    N, T, F = sequence.shape
    # as a matrix: libraries transpose those sooner
    xp.reshape(in_memory(out), (T * F, N))[...] = xp.reshape(sequence, (N, T * F)).T


def to_rows(xp, sequence):
    """Copy a sequence (N, T, F) that lies by columns into memory that goes by its last axis."""
    N, T, F = sequence.shape
    return xp.reshape(transposed(xp.reshape(in_memory(sequence), (T * F, N))), (N, T, F))


def transposed(matrix):
    """Copy a matrix (M, N) into memory by its columns. Returns: (N, M)"""
    if compat.is_torch_array(matrix):
        return matrix.T.clone(memory_format=compat.array_namespace(matrix).contiguous_format)
    return matrix.T.copy(order="C")


def projected_by_columns(xp, x, W, b):
    """Compute x W + b for all timesteps in one product.

    Inputs: x (N, T, D), by columns; W (D, M); b (M,). Returns: (N, T, M), by columns
    """
    N, T, _ = x.shape
    M = W.shape[1]
    out = empty_by_columns(xp, (N, T, M), x)
    add(xp.reshape(W.T @ flat_columns(xp, x), (M, T, N)).swapaxes(0, 2), b, out=out)
    return out


def flat_columns(xp, sequence):
    """Copy a sequence (N, T, F) into the columns of a matrix. Returns: (F, T N)"""
    N, T, F = sequence.shape
    return xp.reshape(xp.permute_dims(sequence, (2, 1, 0)), (F, T * N))


def in_memory(sequence):
    """View a sequence (N, T, F) that lies by columns in the order of its memory: (T, F, N)."""
    return sequence.swapaxes(0, 2).swapaxes(0, 1)


def timesteps(*sequences):
    """View sequences (N, T, F) timestep by timestep, up to the shortest one's end.

    Returns: list with a tuple for each timestep, of views (F, N)
    """
    return list(zip(*map(in_memory, sequences), strict=False))
