"""Kernels by one who writes every product as an einsum, for NumPy and torch at once."""

from math import sqrt

from array_api_compat import array_namespace


def sigmoid(xp, a):
    return 0.5 * (1 + xp.tanh(0.5 * a))


def stacked(xp, arrays, axis=1):
    return xp.stack(arrays, axis=axis)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    xp = array_namespace(x)
    a = xp.einsum("nd,dh->nh", x, Wx) + xp.einsum("nk,kh->nh", prev_h, Wh) + b
    next_h = xp.tanh(a)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    xp = array_namespace(x)
    da = dnext_h - dnext_h * next_h * next_h
    dx = xp.einsum("nh,dh->nd", da, Wx)
    dprev_h = xp.einsum("nh,kh->nk", da, Wh)
    dWx = xp.einsum("nd,nh->dh", x, da)
    dWh = xp.einsum("nk,nh->kh", prev_h, da)
    return dx, dprev_h, dWx, dWh, xp.einsum("nh->h", da)


def rnn_forward(x, h0, Wx, Wh, b):
    xp = array_namespace(x)
    a = xp.einsum("ntd,dh->nth", x, Wx) + b
    states = [h0]
    for t in range(x.shape[1]):
        states.append(xp.tanh(a[:, t] + xp.einsum("nk,kh->nh", states[-1], Wh)))
    h = stacked(xp, states[1:])
    return h, (x, stacked(xp, states[:-1]), Wx, Wh, h)


def rnn_backward(dh, cache):
    x, before, Wx, Wh, h = cache
    xp = array_namespace(x)
    later, gradients = 0, []
    for t in reversed(range(h.shape[1])):
        da = (dh[:, t] + later) * (1 - h[:, t] ** 2)
        later = xp.einsum("nh,kh->nk", da, Wh)
        gradients.append(da)
    da = stacked(xp, gradients[::-1])
    dx = xp.einsum("nth,dh->ntd", da, Wx)
    dWx = xp.einsum("ntd,nth->dh", x, da)
    dWh = xp.einsum("ntk,nth->kh", before, da)
    return dx, later, dWx, dWh, xp.einsum("nth->h", da)


def lstm_gates_forward(a, prev_c):
    xp = array_namespace(a)
    N, H = prev_c.shape
    blocks = xp.reshape(a, (N, 4, H))
    i, f, o = (sigmoid(xp, blocks[:, k]) for k in range(3))
    g = xp.tanh(blocks[:, 3])
    next_c = f * prev_c + i * g
    return o * xp.tanh(next_c), next_c, (prev_c, i, f, o, g, next_c)


def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, i, f, o, g, next_c = cache
    xp = array_namespace(i)
    squashed = xp.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - squashed * squashed)
    blocks = [
        dc * g * i * (1 - i),
        dc * prev_c * f * (1 - f),
        dnext_h * squashed * o * (1 - o),
        dc * i * (1 - g * g),
    ]
    da = xp.reshape(stacked(xp, blocks), (i.shape[0], 4 * i.shape[1]))
    return da, dc * f


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    xp = array_namespace(x)
    a = xp.einsum("nd,dg->ng", x, Wx) + xp.einsum("nh,hg->ng", prev_h, Wh) + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, *gates)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, Wx, Wh, *gates = cache
    xp = array_namespace(x)
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, tuple(gates))
    dx = xp.einsum("ng,dg->nd", da, Wx)
    dprev_h = xp.einsum("ng,hg->nh", da, Wh)
    dWx = xp.einsum("nd,ng->dg", x, da)
    dWh = xp.einsum("nh,ng->hg", prev_h, da)
    return dx, dprev_h, dprev_c, dWx, dWh, xp.einsum("ng->g", da)


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    xp = array_namespace(x)
    h, c = h0, (xp.zeros_like(h0) if c0 is None else c0)
    a = xp.einsum("ntd,dg->ntg", x, Wx) + b
    states, kept = [h0], []
    for t in range(x.shape[1]):
        h, c, gates = lstm_gates_forward(a[:, t] + xp.einsum("nh,hg->ng", h, Wh), c)
        states.append(h)
        kept.append(gates)
    h = stacked(xp, states[1:])
    gates = tuple(stacked(xp, each) for each in zip(*kept, strict=True))
    return h, (x, stacked(xp, states[:-1]), Wx, Wh, c0, *gates)


def lstm_backward(dh, cache):
    x, before, Wx, Wh, c0, *gates = cache
    xp = array_namespace(x)
    dprev_h, dc, gradients = 0, xp.zeros_like(dh[:, 0]), []
    for t in reversed(range(x.shape[1])):
        da, dc = lstm_gates_backward(dh[:, t] + dprev_h, dc, tuple(g[:, t] for g in gates))
        dprev_h = xp.einsum("ng,hg->nh", da, Wh)
        gradients.append(da)
    da = stacked(xp, gradients[::-1])
    dx = xp.einsum("ntg,dg->ntd", da, Wx)
    dWx = xp.einsum("ntd,ntg->dg", x, da)
    dWh = xp.einsum("nth,ntg->hg", before, da)
    result = dx, dprev_h, dWx, dWh, xp.einsum("ntg->g", da)
    return result if c0 is None else (*result, dc)


def dot_product_attention_forward(prev_h, A):
    xp = array_namespace(A)
    scores = xp.einsum("nh,nph->np", prev_h, A) / sqrt(A.shape[2])
    e = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    alpha = e / xp.sum(e, axis=1, keepdims=True)
    return xp.einsum("np,nph->nh", alpha, A), alpha, (prev_h, A, alpha)


def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache
    xp = array_namespace(A)
    dalpha = xp.einsum("nh,nph->np", dattn, A)
    dscores = alpha * (dalpha - xp.einsum("np,np->n", alpha, dalpha)[:, None])
    dscores = dscores / sqrt(A.shape[2])
    dA = xp.einsum("np,nh->nph", alpha, dattn) + xp.einsum("np,nh->nph", dscores, prev_h)
    return xp.einsum("np,nph->nh", dscores, A), dA


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    xp = array_namespace(x)
    a = xp.einsum("nd,dg->ng", x, Wx) + xp.einsum("nh,hg->ng", prev_h, Wh)
    a = a + xp.einsum("nh,hg->ng", attn, Wattn) + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, attn, Wx, Wh, Wattn, *gates)


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, attn, Wx, Wh, Wattn, *gates = cache
    xp = array_namespace(x)
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, tuple(gates))
    dx, dprev_h, dattn = (xp.einsum("ng,dg->nd", da, W) for W in (Wx, Wh, Wattn))
    dWx, dWh, dWattn = (xp.einsum("nd,ng->dg", into, da) for into in (x, prev_h, attn))
    return dx, dprev_h, dprev_c, dattn, dWx, dWh, dWattn, xp.einsum("ng->g", da)


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    xp = array_namespace(x)
    h = c = xp.einsum("nph->nh", A) / A.shape[1]
    states, maps, kept = [], [], []
    for t in range(x.shape[1]):
        attn, alpha, _ = dot_product_attention_forward(h, A)
        step = attention_lstm_step_forward(x[:, t], h, c, attn, Wx, Wh, Wattn, b)
        h, c, (_, before, looked, _, _, _, *gates) = step
        states.append(h)
        maps.append(alpha)
        kept.append((before, looked, *gates))
    kept = (stacked(xp, each) for each in zip(*kept, strict=True))
    h, alpha = stacked(xp, states), stacked(xp, maps)
    return h, alpha, (x, A, Wx, Wh, Wattn, alpha, *kept)


def attention_lstm_backward(dh, cache):
    x, A, Wx, Wh, Wattn, alpha, before, looked, *gates = cache
    xp = array_namespace(x)
    dprev_h, dc, dA = xp.zeros_like(dh[:, 0]), xp.zeros_like(dh[:, 0]), xp.zeros_like(A)
    gradients = []
    for t in reversed(range(x.shape[1])):
        da, dc = lstm_gates_backward(dh[:, t] + dprev_h, dc, tuple(g[:, t] for g in gates))
        dattn = xp.einsum("ng,hg->nh", da, Wattn)
        dquery, dA_t = dot_product_attention_backward(dattn, (before[:, t], A, alpha[:, t]))
        dA = dA + dA_t
        dprev_h = xp.einsum("ng,hg->nh", da, Wh) + dquery
        gradients.append(da)
    da = stacked(xp, gradients[::-1])
    dA = dA + (dprev_h + dc)[:, None] / A.shape[1]
    dx = xp.einsum("ntg,dg->ntd", da, Wx)
    dWx, dWh, dWattn = (xp.einsum("ntd,ntg->dg", into, da) for into in (x, before, looked))
    return dx, dA, dWx, dWh, dWattn, xp.einsum("ntg->g", da)


def word_embedding_forward(x, W):
    return W[x], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    xp = array_namespace(W)
    chosen = xp.zeros((x.shape[0] * x.shape[1], W.shape[0]), dtype=dout.dtype, device=W.device)
    chosen[xp.arange(len(chosen)), x.reshape(-1)] = 1
    return xp.einsum("kv,ke->ve", chosen, dout.reshape(-1, dout.shape[2]))


def temporal_affine_forward(x, W, b):
    xp = array_namespace(x)
    return xp.einsum("ntd,dm->ntm", x, W) + b, (x, W)


def temporal_affine_backward(dout, cache):
    x, W = cache
    xp = array_namespace(x)
    dx, dW = xp.einsum("ntm,dm->ntd", dout, W), xp.einsum("ntd,ntm->dm", x, dout)
    return dx, dW, xp.einsum("ntm->m", dout)


def temporal_softmax_loss(scores, y, mask):
    xp = array_namespace(scores)
    N = len(scores)
    largest = xp.max(scores, axis=2, keepdims=True)
    shifted = scores - largest
    log_probs = shifted - xp.log(xp.sum(xp.exp(shifted), axis=2, keepdims=True))
    n, t = xp.nonzero(mask)
    loss = -xp.sum(log_probs[n, t, y[n, t]]) / N
    dscores = xp.zeros_like(scores)
    dscores[n, t] = xp.exp(log_probs[n, t]) / N
    dscores[n, t, y[n, t]] -= 1 / N
    return loss, dscores
