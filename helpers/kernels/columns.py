"""Sequences (N, T, F) that lie in memory by timesteps and then by columns, as (T, F, N).

States of a batch are few rows and the weights a large matrix. A library's product packs its right
factor anew each time, so it is sooner done transposed, where the small factor is the right one:
(h Wh)^T = Wh^T h^T. Each gate becomes a block without gaps, too.
"""

import array_api_compat as compat

from helpers.kernels.compiled import loops_for
from helpers.kernels.products import add


def empty_by_columns(xp, shape, like):
    """Make an array of `shape`, (N, T, F), with the dtype and device of `like`."""
    N, T, F = shape
    return from_memory(xp, xp.empty((T, F, N), dtype=like.dtype, device=compat.device(like)))


def by_columns(xp, sequence):
    """Copy a sequence (N, T, F) into memory by columns. Returns: (N, T, F)"""
    N, T, F = sequence.shape
    return from_memory(xp, xp.reshape(transposed(xp.reshape(sequence, (N, T * F))), (T, F, N)))


def by_rows(xp, sequence):
    """Copy a sequence (N, T, F) that lies by columns into memory by rows. Returns: (N, T, F)"""
    N, T, F = sequence.shape
    return xp.reshape(transposed(xp.reshape(in_memory(sequence), (T * F, N))), (N, T, F))


def flat_columns(xp, sequence):
    """Copy a sequence (N, T, F) into the columns of a matrix. Returns: (F, T N)"""
    N, T, F = sequence.shape
    return xp.reshape(xp.permute_dims(sequence, (2, 1, 0)), (F, T * N))


def project(xp, x, W, b, out):
    """Write x W + b for all timesteps, computed in one product, into `out`.

    Inputs: x (N, T, D), W (D, M), b (M,), out (N, T, M), by columns both sequences
    """
    N, T, M = out.shape
    add(xp.reshape(W.T @ flat_columns(xp, x), (M, T, N)).swapaxes(0, 2), b, out=out)


def transposed(matrix):
    """Copy a matrix (M, N) into memory by its columns. Returns: (N, M)"""
    if loops := loops_for(matrix):
        return loops.transposed(matrix)
    if compat.is_torch_array(matrix):
        return matrix.T.clone(memory_format=compat.array_namespace(matrix).contiguous_format)
    return matrix.T.copy(order="C")


def from_memory(xp, array):
    """View an array (T, F, N) as the sequence (N, T, F) that lies in it by columns."""
    return xp.permute_dims(array, (2, 0, 1))


def in_memory(sequence):
    """View a sequence (N, T, F) that lies by columns in the order of its memory: (T, F, N)."""
    return sequence.swapaxes(0, 2).swapaxes(0, 1)


def timesteps(*sequences):
    """View sequences (N, T, F) timestep by timestep, up to the shortest one's end.

    Returns: list with a tuple for each timestep, of views (F, N)
    """
    return list(zip(*map(in_memory, sequences), strict=False))
