"""The last layer and the loss in one kernel, which never holds the scores of all words.

With V = 10,000 words the scores of a batch fill 80 MB, and as much again for each array made of
them. Here a block of rows goes through scores, loss and gradients while it is in the cache.
"""

import array_api_compat as compat

from helpers.kernels.arguments import check_arguments
from helpers.kernels.inplace import narrowed
from helpers.kernels.temporal import check_targets

BLOCK = 2**22  # scores at a time, 16 MB in float32: larger arrays are given back and cleared anew


def temporal_word_loss(h, W, b, y, mask, label_smoothing=0.0, weights=None, with_gradients=True):
    """Do `temporal_affine_forward`, `temporal_softmax_loss` and `temporal_affine_backward` in one.

    Positions outside the mask are not even scored.

    Inputs:
        h: hidden states, (N, T, H)
        W, b: weights of the scores, (H, V) and (V,)
        y, mask, label_smoothing: as for `temporal_softmax_loss`
        weights: what each caption's loss is multiplied by, (N,), of any sign; 1 if None
        with_gradients: False to compute the loss alone, in a third of the time
    Returns:
        loss: scalar, in nats per caption
        gradients: dh (N, T, H), dW (H, V), db (V,); zero without gradients
    Raises: as `temporal_softmax_loss`.
    """
    xp, sizes = check_arguments(h=(h, "N T H"), W=(W, "H V"), b=(b, "V"))
    N, T, V = (sizes[letter] for letter in "NTV")
    check_targets(y, mask, (N, T, V), h, label_smoothing)
    states, targets = h[mask], y[mask]  # (M, H), (M,)
    shares = xp.full_like(states[:, :1], 1 / N)  # of each position in the loss, (M, 1)
    if weights is not None:
        check_arguments(h=(h, "N T H"), weights=(weights, "N"))
        shares *= xp.broadcast_to(weights[:, None], mask.shape)[mask][:, None]
    loss, dstates = xp.sum(states[:0]), xp.zeros_like(states)
    dW, db = xp.zeros_like(W), xp.zeros_like(b)
    W = narrowed(W)
    rows = max(1, BLOCK // V)
    for start in range(0, states.shape[0], rows):
        block = slice(start, start + rows)
        scores = states[block] @ W + b  # (rows, V)
        losses = _losses_in_place(xp, scores, targets[block], label_smoothing)  # (rows, 1)
        loss += xp.sum(losses * shares[block])
        if with_gradients:
            scores *= shares[block]
            db += xp.sum(scores, axis=0)
            dscores = narrowed(scores)
            dstates[block] = dscores @ W.T
            dW += states[block].T @ dscores
    dh = xp.zeros_like(h)
    dh[mask] = dstates
    return loss, (dh, dW, db)


def _losses_in_place(xp, scores, y, label_smoothing):
    """Return the loss of each row, (M, 1); scores become its gradient.

    Inputs: scores (M, V), y (M,), label_smoothing as for `temporal_softmax_loss`
    """
    rows, V = xp.arange(y.shape[0], device=compat.device(scores)), scores.shape[1]
    scores -= xp.max(scores, axis=1, keepdims=True)
    wanted = (1 - label_smoothing) * scores[rows, y][:, None]
    if label_smoothing:
        wanted += label_smoothing / V * xp.sum(scores, axis=1, keepdims=True)
    xp.exp(scores, out=scores)
    sums = xp.sum(scores, axis=1, keepdims=True)  # (M, 1)
    scores /= sums
    if label_smoothing:
        scores -= label_smoothing / V
    scores[rows, y] -= 1 - label_smoothing
    return xp.log(sums) - wanted
