"""Kernels by one who keeps the gates as torch.nn.LSTM has them, i, f, g, o, and transposed."""

from array_api_compat import array_namespace

from helpers.kernels.arguments import shapes


def sigma(a):
    xp = array_namespace(a)
    return xp.where(a >= 0, 1 / (1 + xp.exp(-abs(a))), 1 - 1 / (1 + xp.exp(-abs(a))))


@shapes(x="N D", prev_h="N H", Wx="D H", Wh="H H", b="H")
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    xp = array_namespace(x)
    next_h = xp.tanh((Wx.T @ x.T + Wh.T @ prev_h.T).T + b)
    return next_h, (next_h, Wh, Wx, prev_h.T, x.T)


def rnn_step_backward(dnext_h, cache):
    next_h, Wh, Wx, prev_h_T, x_T = cache
    da = (1 - next_h) * (1 + next_h) * dnext_h
    return (Wx @ da.T).T, (Wh @ da.T).T, x_T @ da, prev_h_T @ da, da.sum(0)


def rnn_forward(x, h0, Wx, Wh, b):
    xp = array_namespace(x)
    rows = [h0]
    for t in range(x.shape[1]):
        rows += [rnn_step_forward(x[:, t], rows[-1], Wx, Wh, b)[0]]
    states = xp.stack(rows, axis=0)  # (T + 1, N, H)
    return xp.stack(rows[1:], axis=1), (Wh, Wx, states, x)


def rnn_backward(dh, cache):
    Wh, Wx, states, x = cache
    xp = array_namespace(x)
    dx, dWx, dWh, db = xp.zeros_like(x), 0 * Wx, 0 * Wh, 0 * Wx[0]
    back = 0 * states[0]
    for t in range(x.shape[1])[::-1]:
        kept = states[t + 1], Wh, Wx, states[t].T, x[:, t].T
        dx[:, t], back, one, two, three = rnn_step_backward(dh[:, t] + back, kept)
        dWx, dWh, db = dWx + one, dWh + two, db + three
    return dx, back, dWx, dWh, db


def lstm_gates_forward(a, prev_c):
    xp, H = array_namespace(a), prev_c.shape[1]
    i, f, o, g = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
    gates = xp.concat([sigma(i), sigma(f), xp.tanh(g), sigma(o)], axis=1)  # as torch has them
    next_c = gates[:, H : 2 * H] * prev_c + gates[:, :H] * gates[:, 2 * H : 3 * H]
    return gates[:, 3 * H :] * xp.tanh(next_c), next_c, (next_c.T, gates.T, prev_c.T)


def lstm_gates_backward(dnext_h, dnext_c, cache):
    c, gates, prev_c = (array.T for array in cache)
    xp, H = array_namespace(gates), c.shape[1]
    i, f, g, o = (gates[:, k * H : (k + 1) * H] for k in range(4))
    s = xp.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - s) * (1 + s)
    dgates = xp.concat([dc * g, dc * prev_c, dc * i, dnext_h * s], axis=1)
    slopes = xp.concat([i - i * i, f - f * f, 1 - g * g, o - o * o], axis=1)
    da = dgates * slopes
    return xp.concat([da[:, : 2 * H], da[:, 3 * H :], da[:, 2 * H : 3 * H]], axis=1), f * dc


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    next_h, next_c, kept = lstm_gates_forward(b + prev_h @ Wh + x @ Wx, prev_c)
    return next_h, next_c, (kept, Wh.T, Wx.T, prev_h.T, x.T)


def lstm_step_backward(dnext_h, dnext_c, cache):
    kept, Wh_T, Wx_T, prev_h_T, x_T = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, kept)
    return da @ Wx_T, da @ Wh_T, dprev_c, x_T @ da, prev_h_T @ da, da.sum(0)


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    xp = array_namespace(x)
    stack, h, c = [], h0, xp.zeros_like(h0) if c0 is None else c0
    out = xp.zeros((*x.shape[:2], h0.shape[1]), dtype=x.dtype, device=x.device)
    for t in range(x.shape[1]):
        h, c, kept = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        out[:, t] = h
        stack.append(kept)
    return out, [c0 is None, stack]


def lstm_backward(dh, cache):
    no_c0, stack = cache
    xp = array_namespace(dh)
    back_h, back_c, columns, weights = 0 * dh[:, 0], 0 * dh[:, 0], [], []
    for t in range(dh.shape[1])[::-1]:
        step = lstm_step_backward(dh[:, t] + back_h, back_c, stack[t])
        columns.append(step[0])
        back_h, back_c = step[1], step[2]
        weights.append(step[3:])
    sums = [sum(each) for each in zip(*weights, strict=True)]
    result = (xp.stack(columns[::-1], axis=1), back_h, *sums)
    return result if no_c0 else (*result, back_c)


def dot_product_attention_forward(prev_h, A):
    xp = array_namespace(A)
    s = (A * prev_h[:, None]).sum(2) / A.shape[2] ** 0.5
    e = xp.exp(s - xp.max(s, axis=1, keepdims=True))
    alpha = e / xp.sum(e, axis=1, keepdims=True)
    return (A * alpha[:, :, None]).sum(1), alpha, (alpha.T, A, prev_h)


def dot_product_attention_backward(dattn, cache):
    alpha_T, A, prev_h = cache
    alpha = alpha_T.T
    centred = A - (A * alpha[:, :, None]).sum(1)[:, None]  # A less attn
    ds = alpha * (centred * dattn[:, None]).sum(2) / A.shape[2] ** 0.5
    dA = alpha[:, :, None] * dattn[:, None] + ds[:, :, None] * prev_h[:, None]
    return (ds[:, :, None] * A).sum(1), dA


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    next_h, next_c, kept = lstm_gates_forward(b + attn @ Wattn + prev_h @ Wh + x @ Wx, prev_c)
    return next_h, next_c, (kept, (Wattn.T, Wh.T, Wx.T), (attn.T, prev_h.T, x.T))


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    kept, weights, inputs = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, kept)
    dattn, dprev_h, dx = (da @ W_T for W_T in weights)
    dWattn, dWh, dWx = (a_T @ da for a_T in inputs)
    return dx, dprev_h, dprev_c, dattn, dWx, dWh, dWattn, da.sum(0)


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    xp = array_namespace(x)
    h, c = xp.mean(A, axis=1), xp.mean(A, axis=1)
    states, maps, stack = [], [], []
    for t in range(x.shape[1]):
        attn, alpha, seen = dot_product_attention_forward(h, A)
        h, c, kept = attention_lstm_step_forward(x[:, t], h, c, attn, Wx, Wh, Wattn, b)
        states.append(h)
        maps.append(alpha)
        stack.append((kept, seen))
    return xp.stack(states, axis=1), xp.stack(maps, axis=1), stack


def attention_lstm_backward(dh, cache):
    xp = array_namespace(dh)
    back_h, back_c, dA, columns, weights = 0 * dh[:, 0], 0 * dh[:, 0], 0, [], []
    for t in range(dh.shape[1])[::-1]:
        kept, seen = cache[t]
        step = attention_lstm_step_backward(dh[:, t] + back_h, back_c, kept)
        columns.append(step[0])
        query, more = dot_product_attention_backward(step[3], seen)
        back_h, back_c, dA = step[1] + query, step[2], dA + more
        weights.append(step[4:])
    dA = dA + ((back_h + back_c) / dA.shape[1])[:, None]
    sums = [sum(each) for each in zip(*weights, strict=True)]
    return (xp.stack(columns[::-1], axis=1), dA, *sums)


def word_embedding_forward(x, W):
    return W[x], (W, x)


def word_embedding_backward(dout, cache):
    W, x = cache
    xp = array_namespace(W)
    dW = xp.zeros_like(W)
    for word in set(x.reshape(-1).tolist()):
        dW[word] = dout[x == word].sum(0)
    return dW


def temporal_affine_forward(x, W, b):
    xp = array_namespace(x)
    return xp.stack([x[:, t] @ W + b for t in range(x.shape[1])], axis=1), (W.T, x)


def temporal_affine_backward(dout, cache):
    W_T, x = cache
    dW = sum(x[n].T @ dout[n] for n in range(len(x)))
    return dout @ W_T, dW, dout.sum(1).sum(0)


def temporal_softmax_loss(scores, y, mask):
    xp, (N, T, V) = array_namespace(scores), scores.shape
    flat, ids, seen = scores.reshape(-1, V), y.reshape(-1), mask.reshape(-1)
    flat = xp.where(seen[:, None], flat, xp.zeros_like(flat))
    flat = flat - xp.max(flat, axis=1, keepdims=True)
    total = xp.sum(xp.exp(flat), axis=1)
    places = xp.arange(N * T)
    loss = (xp.log(total) - flat[places, ids])[seen].sum() / N
    dflat = xp.exp(flat) / total[:, None]
    dflat[places, ids] -= 1
    dflat[~seen] = 0
    return loss, dflat.reshape(N, T, V) / N
