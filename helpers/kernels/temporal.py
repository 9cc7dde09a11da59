"""Kernels that act on every timestep at once: word vectors, affine map and softmax loss.

After CS231n's `rnn_layers.py` (names, shapes and argument order).
"""

import array_api_compat as compat

from helpers.kernels.arguments import check_arguments


def word_embedding_forward(x, W):
    """Look up a word vector for each word id: out[n, t] = W[x[n, t]].

    Inputs:
        x: integer ids in [0, V), (N, T)
        W: word vectors, (V, E)
    Returns:
        out: (N, T, E)
        cache: for the backward pass
    Raises: TypeError if x does not hold integers; ValueError for an id outside [0, V).
    """
    _, (V, _) = _sizes(W=(W, "V E"))
    _check_ids("x", x, V, W)
    return W[x], (x, W)


def word_embedding_backward(dout, cache):
    """Add up the gradients of each occurrence of a word: dW[v] = sum of dout[n, t] with x = v.

    Inputs:
        dout: (N, T, E)
        cache: from the forward pass
    Returns: dW, (V, E). Word ids have no gradient.
    Raises: ValueError if dout does not have the shape of the words and of W.
    """
    x, W = cache
    xp, (_, E, _, _) = _sizes(W=(W, "V E"), dout=(dout, "N T E"))
    _check_shape("dout", dout, (*x.shape, E))
    words, vectors = xp.reshape(x, (-1,)), xp.reshape(dout, (-1, E))
    dW = xp.zeros_like(W)
    if compat.is_torch_array(dW):
        dW.index_add_(0, words, vectors)
    else:
        xp.add.at(dW, words, vectors)
    return dW


def temporal_affine_forward(x, W, b):
    """Apply one affine map at every timestep, as a single matrix product: out = x W + b.

    Inputs:
        x: (N, T, D)
        W: (D, M)
        b: (M,)
    Returns:
        out: (N, T, M)
        cache: for the backward pass
    """
    xp, (N, T, D, M) = _sizes(x=(x, "N T D"), W=(W, "D M"), b=(b, "M"))
    out = xp.reshape(x, (N * T, D)) @ W + b  # (N T, M)
    return xp.reshape(out, (N, T, M)), (x, W)


def temporal_affine_backward(dout, cache):
    """Backward pass of `temporal_affine_forward`; the sums over time are matrix products too.

    Inputs:
        dout: (N, T, M)
        cache: from the forward pass
    Returns: dx (N, T, D), dW (D, M), db (M,)
    """
    x, W = cache
    xp, (N, T, D, M) = _sizes(x=(x, "N T D"), W=(W, "D M"), dout=(dout, "N T M"))
    flat = xp.reshape(dout, (N * T, M))
    dx = xp.reshape(flat @ W.T, (N, T, D))
    return dx, weight_gradient(xp, x, dout), xp.sum(flat, axis=0)


def weight_gradient(xp, x, dout):
    """Sum x^T dout over batch and time, as one product: the gradient of a W in x W.

    Inputs: xp: array namespace; x (N, T, D); dout (N, T, M)
    Returns: dW, (D, M)
    """
    return xp.reshape(x, (-1, x.shape[2])).T @ xp.reshape(dout, (-1, dout.shape[2]))


def temporal_softmax_loss(scores, y, mask, label_smoothing=0.0):
    """Cross-entropy of the target words, summed over time and averaged over the batch.

        loss = -1/N sum over (n, t) in mask of log softmax(scores[n, t])[y[n, t]]

    Entries outside the mask are selected out: they reach neither the loss nor the gradient.
    With label smoothing s the target is (1 - s) for the word plus s / V for every word
    (Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision").

    Inputs:
        scores: raw scores, (N, T, V)
        y: target ids in [0, V), (N, T)
        mask: True where the target counts, (N, T); False for <NULL> targets
        label_smoothing: in [0, 1)
    Returns:
        loss: scalar, in nats per caption
        dscores: (N, T, V)
    Raises: ValueError for a shape, an id or a smoothing out of range; TypeError for a dtype.
    """
    xp, (N, T, V) = _sizes(scores=(scores, "N T V"))
    check_targets(y, mask, (N, T, V), scores, label_smoothing)
    selected, targets = scores[mask], y[mask]  # (M, V), (M,)
    rows = xp.arange(targets.shape[0], device=compat.device(scores))
    shifted = selected - xp.max(selected, axis=1, keepdims=True) if rows.shape[0] else selected
    log_probs = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))

    dselected = xp.exp(log_probs) - label_smoothing / V
    dselected[rows, targets] -= 1 - label_smoothing
    loss = -(1 - label_smoothing) * xp.sum(log_probs[rows, targets]) / N
    if label_smoothing:
        loss = loss - label_smoothing * xp.sum(log_probs) / (V * N)
    dscores = xp.zeros_like(scores)
    dscores[mask] = dselected / N
    return loss, dscores


def check_targets(y, mask, sizes, like, label_smoothing):
    """Check that targets and mask suit scores (N, T, V), and arrays of the kind of `like`.

    Raises: ValueError for a shape, an id or a smoothing out of range; TypeError for another kind
        of array, or a mask that is not of booleans.
    """
    N, T, V = sizes
    _check_ids("y", y, V, like)
    _check_kind("mask", mask, like)
    _check_shape("y", y, (N, T))
    _check_shape("mask", mask, (N, T))
    if not compat.array_namespace(mask).isdtype(mask.dtype, "bool"):
        raise TypeError(f"mask must hold booleans, not {mask.dtype}")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), not {label_smoothing}")


def _sizes(**arguments):
    """Return the namespace and the sizes of `check_arguments` as a tuple."""
    xp, sizes = check_arguments(**arguments)
    return xp, tuple(sizes.values())


def _check_shape(name, array, shape):
    if tuple(array.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, not {tuple(array.shape)}")


def _check_ids(name, ids, V, like):
    """Raise unless `ids` are integers in [0, V), of the kind and on the device of `like`."""
    _check_kind(name, ids, like)
    if not compat.array_namespace(ids).isdtype(ids.dtype, "integral"):
        raise TypeError(f"{name} must hold integer word ids, not {ids.dtype}")
    if (ids < 0).any() or (ids >= V).any():
        raise ValueError(f"{name} must hold ids in [0, {V}), not {ids.min()} to {ids.max()}")


def _check_kind(name, array, like):
    """Raise unless `array` is a NumPy array or torch tensor as `like` is."""
    if compat.is_torch_array(array) != compat.is_torch_array(like) or not hasattr(array, "dtype"):
        raise TypeError(f"{name} must be a {type(like).__name__}, not a {type(array).__name__}")
