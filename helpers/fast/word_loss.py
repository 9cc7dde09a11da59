"""The last layer and the loss in one pass, which never holds the scores of all words.

With V = 10,000 words these would fill 80 MB, and each array made of them as much again. Here a
block of rows goes through scores, loss and gradients while it is in the cache.
"""

import torch

BLOCK = 2**22  # scores at a time, 16 MB in float32: larger arrays are given back and cleared anew


def temporal_word_loss(h, W, b, y, mask, label_smoothing=0.0, weights=None, with_gradients=True):
    """Do what `layers.temporal_word_loss` does, and compute the gradients at once.

    Positions outside the mask are not even scored.

    Inputs: as there, h (N, T, H); with_gradients: False for the loss alone, in a third of the time
    Returns: loss, scalar; gradients dh (N, T, H), dW (H, V), db (V,), or zeros
    """
    states, targets = h[mask], y[mask]  # (M, H), (M,)
    shares = torch.full_like(states[:, :1], 1 / len(h))  # of each position in the loss, (M, 1)
    if weights is not None:
        shares *= weights[:, None].expand(mask.shape)[mask][:, None]
    loss, dstates = states.new_zeros(()), torch.zeros_like(states)
    dW, db = torch.zeros_like(W), torch.zeros_like(b)
    W = _narrowed(W)
    rows = max(1, BLOCK // W.shape[1])
    for start in range(0, len(states), rows):
        block = slice(start, start + rows)
        scores = states[block] @ W + b  # (rows, V)
        losses = _losses_in_place(scores, targets[block], label_smoothing)  # (rows, 1)
        loss += (losses * shares[block]).sum()
        if with_gradients:
            scores *= shares[block]
            db += scores.sum(0)
            dscores = _narrowed(scores)
            dstates[block] = dscores @ W.T
            dW += states[block].T @ dscores
    dh = torch.zeros_like(h)
    dh[mask] = dstates
    return loss, (dh, dW, db)


def _losses_in_place(scores, y, label_smoothing):
    """Return the loss of each row, (M, 1); scores (M, V) become its gradient."""
    rows, V = torch.arange(len(y), device=y.device), scores.shape[1]
    scores -= scores.amax(1, keepdim=True)
    wanted = (1 - label_smoothing) * scores[rows, y][:, None]
    if label_smoothing:
        wanted += label_smoothing / V * scores.sum(1, keepdim=True)
    sums = scores.exp_().sum(1, keepdim=True)  # (M, 1)
    scores /= sums
    if label_smoothing:
        scores -= label_smoothing / V
    scores[rows, y] -= 1 - label_smoothing
    return sums.log() - wanted


def _narrowed(x):
    """Cast a matrix once, where autocast would cast it for each product."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
