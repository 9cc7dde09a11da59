"""Kernels that act on every timestep at once: word vectors, affine map and softmax loss.

After CS231n's `rnn_layers.py` (names, shapes and argument order); word vectors after
Bengio et al. 2003, "A Neural Probabilistic Language Model".
"""

from array_api_compat import array_namespace, device, is_torch_array

from helpers.kernels.arguments import shapes


@shapes(W="V E", x="N T: ids below V")
def word_embedding_forward(x, W):
    """Look up a word vector for each word id: out[n, t] = W[x[n, t]].

    Inputs: x: integer ids in [0, V), (N, T); W: word vectors, (V, E)
    Returns: out (N, T, E); cache, for the backward pass
    Raises: TypeError if x does not hold integers; ValueError for an id outside [0, V).
    """
    return W[x], (x, W)


@shapes(dout="N T E", cache=("N T: ids below V", "V E"))
def word_embedding_backward(dout, cache):
    """Add up the gradients of each occurrence of a word: dW[v] = sum of dout[n, t] with x = v.

    Inputs: dout (N, T, E); cache: from the forward pass
    Returns: dW, (V, E). Word ids have no gradient.
    """
    x, W = cache
    xp = array_namespace(W)
    dW, words, vectors = xp.zeros_like(W), x.reshape(-1), dout.reshape(-1, W.shape[1])
    if is_torch_array(dW):
        dW.index_add_(0, words, vectors)
    else:
        xp.add.at(dW, words, vectors)
    return dW


@shapes(x="N T D", W="D M", b="M")
def temporal_affine_forward(x, W, b):
    """Apply one affine map at every timestep, as a single matrix product: out = x W + b.

    Inputs: x (N, T, D); W (D, M); b (M,)
    Returns: out (N, T, M); cache, for the backward pass
    """
    N, T, D = x.shape
    out = x.reshape(N * T, D) @ W + b  # (N T, M)
    return out.reshape(N, T, len(b)), (x, W)


@shapes(dout="N T M", cache=("N T D", "D M"))
def temporal_affine_backward(dout, cache):
    """Backward pass of `temporal_affine_forward`; the sums over time are matrix products too.

    Inputs: dout (N, T, M); cache: from the forward pass
    Returns: dx (N, T, D), dW (D, M), db (M,)
    """
    x, W = cache
    N, T, M = dout.shape
    flat = dout.reshape(N * T, M)
    dx = (flat @ W.T).reshape(x.shape)  # (N, T, D)
    return dx, weight_gradient(x, dout), flat.sum(0)


def weight_gradient(x, dout):
    """Sum x^T dout over N and T, in one product: from x (N, T, D), dout (N, T, M) to dW (D, M)."""
    N, T, D = x.shape
    return x.reshape(N * T, D).T @ dout.reshape(N * T, dout.shape[2])


@shapes(scores="N T V", y="N T: ids below V", mask="N T: booleans")
def temporal_softmax_loss(scores, y, mask):
    """Cross-entropy of the target words, summed over time and averaged over the batch.

        loss = -1/N sum over (n, t) in mask of log softmax(scores[n, t])[y[n, t]]

    Entries outside the mask are selected out: they reach neither the loss nor the gradient.

    Inputs:
        scores: raw scores, (N, T, V)
        y: target ids in [0, V), (N, T)
        mask: True where the target counts, (N, T); False for <NULL> targets
    Returns: loss, scalar, in nats per caption; dscores (N, T, V)
    Raises: ValueError for a shape or an id out of range; TypeError for a dtype.
    """
    xp, N = array_namespace(scores), scores.shape[0]
    selected, targets = scores[mask], y[mask]  # (S, V), (S,)
    rows = xp.arange(targets.shape[0], device=device(scores))
    shifted = selected - xp.max(selected, axis=1, keepdims=True)  # at most 0: exp cannot overflow
    log_probs = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    loss = -xp.sum(log_probs[rows, targets]) / N

    dselected = xp.exp(log_probs)
    dselected[rows, targets] -= 1
    dscores = xp.zeros_like(scores)
    dscores[mask] = dselected / N
    return loss, dscores
