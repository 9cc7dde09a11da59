# %% turn-dot-product-attention-forward: right
def dot_product_attention_forward(prev_h, A):
    scores = np.einsum("nh,nph->np", prev_h, A) / np.sqrt(prev_h.shape[1])
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    alpha = exp / exp.sum(axis=1, keepdims=True)
    return np.einsum("np,nph->nh", alpha, A), alpha, (prev_h, A, alpha)


# %% turn-dot-product-attention-forward: the division by np.sqrt(A.shape[2]) is missing
def dot_product_attention_forward(prev_h, A):
    scores = np.einsum("nh,nph->np", prev_h, A)
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    alpha = exp / exp.sum(axis=1, keepdims=True)
    return np.einsum("np,nph->nh", alpha, A), alpha, (prev_h, A, alpha)


# %% turn-dot-product-attention-backward: right
def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache
    dalpha = np.einsum("nh,nph->np", dattn, A)
    mean = (alpha * dalpha).sum(axis=1, keepdims=True)
    dscores = alpha * (dalpha - mean) / np.sqrt(A.shape[2])
    dprev_h = np.einsum("np,nph->nh", dscores, A)
    dA = np.einsum("np,nh->nph", dscores, prev_h) + np.einsum("np,nh->nph", alpha, dattn)
    return dprev_h, dA


# %% turn-dot-product-attention-backward: sum(axis=1, keepdims=True) is missing
def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache
    dalpha = np.einsum("nh,nph->np", dattn, A)
    dscores = alpha * dalpha / np.sqrt(A.shape[2])
    dprev_h = np.einsum("np,nph->nh", dscores, A)
    dA = np.einsum("np,nh->nph", dscores, prev_h) + np.einsum("np,nh->nph", alpha, dattn)
    return dprev_h, dA


# %% turn-dot-product-attention-backward: prev_h[:, None] is missing
def dot_product_attention_backward(dattn, cache):
    _, A, alpha = cache
    dalpha = np.einsum("nh,nph->np", dattn, A)
    mean = (alpha * dalpha).sum(axis=1, keepdims=True)
    dscores = alpha * (dalpha - mean) / np.sqrt(A.shape[2])
    return np.einsum("np,nph->nh", dscores, A), np.einsum("np,nh->nph", alpha, dattn)


# %% turn-attention-lstm-step-forward: right
def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    a = x @ Wx + prev_h @ Wh + attn @ Wattn + b
    next_h, next_c, gates_cache = kernels.lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, attn, Wx, Wh, Wattn, gates_cache)


# %% turn-attention-lstm-step-forward: the term attn @ Wattn is missing
def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    a = x @ Wx + prev_h @ Wh + b
    next_h, next_c, gates_cache = kernels.lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, attn, Wx, Wh, Wattn, gates_cache)


# %% turn-attention-lstm-step-backward: right
def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, attn, Wx, Wh, Wattn, gates_cache = cache
    da, dprev_c = kernels.lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dx, dprev_h, dattn = da @ Wx.T, da @ Wh.T, da @ Wattn.T
    return dx, dprev_h, dprev_c, dattn, x.T @ da, prev_h.T @ da, attn.T @ da, da.sum(axis=0)


# %% turn-attention-lstm-step-backward: dattn
def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, attn, Wx, Wh, _, gates_cache = cache
    da, dprev_c = kernels.lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dx, dprev_h, dattn = da @ Wx.T, da @ Wh.T, da @ Wh.T
    return dx, dprev_h, dprev_c, dattn, x.T @ da, prev_h.T @ da, attn.T @ da, da.sum(axis=0)


# %% turn-attention-lstm-forward: right
def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    prev_h = prev_c = A.mean(axis=1)
    h, alphas, caches = [], [], []
    for t in range(x.shape[1]):
        attn, alpha, looked = dot_product_attention_forward(prev_h, A)
        prev_h, prev_c, stepped = attention_lstm_step_forward(
            x[:, t], prev_h, prev_c, attn, Wx, Wh, Wattn, b
        )
        h.append(prev_h)
        alphas.append(alpha)
        caches.append((looked, stepped))
    return np.stack(h, axis=1), np.stack(alphas, axis=1), caches


# %% turn-attention-lstm-forward: zeros stand where the mean over positions belongs
def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    prev_h = prev_c = np.zeros_like(A[:, 0])
    h, alphas, caches = [], [], []
    for t in range(x.shape[1]):
        attn, alpha, looked = dot_product_attention_forward(prev_h, A)
        prev_h, prev_c, stepped = attention_lstm_step_forward(
            x[:, t], prev_h, prev_c, attn, Wx, Wh, Wattn, b
        )
        h.append(prev_h)
        alphas.append(alpha)
        caches.append((looked, stepped))
    return np.stack(h, axis=1), np.stack(alphas, axis=1), caches


# %% turn-attention-lstm-backward: right
def attention_lstm_backward(dh, cache):
    dx, dprev_h, dprev_c, dA, sums = [], 0 * dh[:, 0], 0 * dh[:, 0], 0, [0, 0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        looked, stepped = cache[t]
        dx_t, dprev_h, dprev_c, dattn, *dweights = attention_lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, stepped
        )
        dquery, dA_t = dot_product_attention_backward(dattn, looked)
        dprev_h = dprev_h + dquery
        dA = dA + dA_t
        dx.insert(0, dx_t)
        sums = [total + new for total, new in zip(sums, dweights, strict=True)]
    dA = dA + (dprev_h + dprev_c)[:, None] / dA.shape[1]
    return np.stack(dx, axis=1), dA, *sums


# %% turn-attention-lstm-backward: the term dquery is missing
def attention_lstm_backward(dh, cache):
    dx, dprev_h, dprev_c, dA, sums = [], 0 * dh[:, 0], 0 * dh[:, 0], 0, [0, 0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        looked, stepped = cache[t]
        dx_t, dprev_h, dprev_c, dattn, *dweights = attention_lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, stepped
        )
        dA = dA + dot_product_attention_backward(dattn, looked)[1]
        dx.insert(0, dx_t)
        sums = [total + new for total, new in zip(sums, dweights, strict=True)]
    dA = dA + (dprev_h + dprev_c)[:, None] / dA.shape[1]
    return np.stack(dx, axis=1), dA, *sums


# %% turn-attention-lstm-backward: nothing is added to dA
def attention_lstm_backward(dh, cache):
    dx, dprev_h, dprev_c, dA, sums = [], 0 * dh[:, 0], 0 * dh[:, 0], 0, [0, 0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        looked, stepped = cache[t]
        dx_t, dprev_h, dprev_c, dattn, *dweights = attention_lstm_step_backward(
            dh[:, t] + dprev_h, dprev_c, stepped
        )
        dquery, dA_t = dot_product_attention_backward(dattn, looked)
        dprev_h = dprev_h + dquery
        dA = dA + dA_t
        dx.insert(0, dx_t)
        sums = [total + new for total, new in zip(sums, dweights, strict=True)]
    return np.stack(dx, axis=1), dA, *sums


# %% turn-beam-search: right
def beam_search(next_log_probs, width, max_length):
    beams = [((), 0.0)]
    for _ in range(max_length):
        candidates = []
        for ids, total in beams:
            if ids and ids[-1] == 2:
                candidates.append((ids, total))
            else:
                scores = next_log_probs(ids)
                candidates += [((*ids, w), total + float(s)) for w, s in enumerate(scores)]
        beams = sorted(candidates, key=lambda beam: beam[1], reverse=True)[:width]
    return beams


# %% turn-beam-search: a caption that ended with <END> is extended
def beam_search(next_log_probs, width, max_length):
    beams = [((), 0.0)]
    for _ in range(max_length):
        candidates = [
            ((*ids, w), total + float(s))
            for ids, total in beams for w, s in enumerate(next_log_probs(ids))
        ]  # fmt: skip
        beams = sorted(candidates, key=lambda beam: beam[1], reverse=True)[:width]
    return beams


# %% turn-beam-search: rank by the sum of the logarithms
def beam_search(next_log_probs, width, max_length):
    beams = [((), 0.0)]
    for _ in range(max_length):
        candidates = [beam for beam in beams if beam[0][-1:] == (2,)]
        for ids, total in beams:
            if ids[-1:] != (2,):
                candidates += [((*ids, w), total + s) for w, s in enumerate(next_log_probs(ids))]
        beams = sorted(candidates, key=lambda beam: -beam[1] / len(beam[0]))[:width]
    return beams
