"""Kernels by one who names what is kept: every cache is a dictionary or a data class."""

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace


def logistic(a):
    return 1 / (1 + array_namespace(a).exp(-a))


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = array_namespace(x).tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, {"x": x, "prev_h": prev_h, "Wx": Wx, "Wh": Wh, "slope": 1 - next_h**2}


def rnn_step_backward(dnext_h, cache):
    da = dnext_h * cache["slope"]
    dx, dprev_h = da @ cache["Wx"].T, da @ cache["Wh"].T
    return dx, dprev_h, cache["x"].T @ da, cache["prev_h"].T @ da, da.sum(0)


def rnn_forward(x, h0, Wx, Wh, b):
    steps, prev_h, h = [], h0, []
    for t in range(x.shape[1]):
        prev_h, kept = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h.append(prev_h)
        steps.append(kept)
    return array_namespace(x).stack(h, axis=1), {"steps": steps}


def rnn_backward(dh, cache):
    total, dx, later = None, [], 0 * dh[:, 0]
    for t in reversed(range(dh.shape[1])):
        dx_t, later, *weights = rnn_step_backward(dh[:, t] + later, cache["steps"][t])
        dx = [dx_t, *dx]
        total = weights if total is None else [a + b for a, b in zip(total, weights, strict=True)]
    return array_namespace(dh).stack(dx, axis=1), later, *total


@dataclass
class Gates:
    prev_c: Any
    i: Any
    f: Any
    o: Any
    g: Any
    tanh_c: Any


def lstm_gates_forward(a, prev_c):
    H, xp = prev_c.shape[1], array_namespace(a)
    i, f, o = (logistic(a[:, k * H : (k + 1) * H]) for k in range(3))
    g = xp.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    tanh_c = xp.tanh(next_c)
    return o * tanh_c, next_c, Gates(prev_c, i, f, o, g, tanh_c)


def lstm_gates_backward(dnext_h, dnext_c, cache):
    k = cache
    dc = dnext_c + dnext_h * k.o * (1 - k.tanh_c**2)
    blocks = {
        "i": dc * k.g * k.i * (1 - k.i),
        "f": dc * k.prev_c * k.f * (1 - k.f),
        "o": dnext_h * k.tanh_c * k.o * (1 - k.o),
        "g": dc * k.i * (1 - k.g**2),
    }
    return array_namespace(dc).concat(list(blocks.values()), axis=1), dc * k.f


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    next_h, next_c, gates = lstm_gates_forward(x @ Wx + prev_h @ Wh + b, prev_c)
    return next_h, next_c, {"x": x, "prev_h": prev_h, "Wx": Wx, "Wh": Wh, "gates": gates}


def lstm_step_backward(dnext_h, dnext_c, cache):
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, cache["gates"])
    back = da @ cache["Wx"].T, da @ cache["Wh"].T, dprev_c
    return *back, cache["x"].T @ da, cache["prev_h"].T @ da, da.sum(0)


def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    cache = {"given": c0 is not None}
    h, prev_h, prev_c = [], h0, 0 * h0 if c0 is None else c0
    for t in range(x.shape[1]):
        prev_h, prev_c, cache[t] = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h.append(prev_h)
    return array_namespace(x).stack(h, axis=1), cache


def lstm_backward(dh, cache):
    later_h = later_c = 0 * dh[:, 0]
    dx, total = {}, {}
    for t in reversed(range(dh.shape[1])):
        dx[t], later_h, later_c, *weights = lstm_step_backward(
            dh[:, t] + later_h, later_c, cache[t]
        )
        for name, gradient in zip(("Wx", "Wh", "b"), weights, strict=True):
            total[name] = total.get(name, 0) + gradient
    dx = array_namespace(dh).stack([dx[t] for t in sorted(dx)], axis=1)
    result = dx, later_h, total["Wx"], total["Wh"], total["b"]
    return (*result, later_c) if cache["given"] else result


def dot_product_attention_forward(prev_h, A):
    xp = array_namespace(A)
    scores = (A @ prev_h[:, :, None])[:, :, 0] / A.shape[2] ** 0.5
    e = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    alpha = e / e.sum(1)[:, None]
    attn = (alpha[:, None] @ A)[:, 0]
    return attn, alpha, {"prev_h": prev_h, "A": A, "alpha": alpha}


def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache["prev_h"], cache["A"], cache["alpha"]
    dalpha = (A @ dattn[:, :, None])[:, :, 0]
    dscores = alpha * (dalpha - (alpha * dalpha).sum(1)[:, None]) / A.shape[2] ** 0.5
    dA = alpha[:, :, None] * dattn[:, None] + dscores[:, :, None] * prev_h[:, None]
    return (dscores[:, None] @ A)[:, 0], dA


def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    a = x @ Wx + prev_h @ Wh + attn @ Wattn + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    inputs, weights = (x, prev_h, attn), (Wx, Wh, Wattn)
    return next_h, next_c, {"inputs": inputs, "weights": weights, "gates": gates}


def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, cache["gates"])
    dx, dprev_h, dattn = (da @ W.T for W in cache["weights"])
    return dx, dprev_h, dprev_c, dattn, *(a.T @ da for a in cache["inputs"]), da.sum(0)


def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    xp = array_namespace(x)
    prev_h = prev_c = xp.mean(A, axis=1)
    h, alphas, cache = [], [], {"looked": [], "stepped": []}
    for t in range(x.shape[1]):
        attn, alpha, looked = dot_product_attention_forward(prev_h, A)
        prev_h, prev_c, stepped = attention_lstm_step_forward(
            x[:, t], prev_h, prev_c, attn, Wx, Wh, Wattn, b
        )
        cache["looked"].append(looked)
        cache["stepped"].append(stepped)
        h.append(prev_h)
        alphas.append(alpha)
    return xp.stack(h, axis=1), xp.stack(alphas, axis=1), cache


def attention_lstm_backward(dh, cache):
    dh_later = dc_later = 0 * dh[:, 0]
    dx, dA, total = [], 0, {}
    for t in reversed(range(dh.shape[1])):
        dx_t, dh_later, dc_later, dattn, *weights = attention_lstm_step_backward(
            dh[:, t] + dh_later, dc_later, cache["stepped"][t]
        )
        dquery, dA_t = dot_product_attention_backward(dattn, cache["looked"][t])
        dh_later = dh_later + dquery
        dA = dA + dA_t
        dx = [dx_t, *dx]
        for k, gradient in enumerate(weights):
            total[k] = total.get(k, 0) + gradient
    dA = dA + (dh_later + dc_later)[:, None] / dA.shape[1]
    return array_namespace(dh).stack(dx, axis=1), dA, *total.values()


def word_embedding_forward(x, W):
    return W[x], {"words": x, "rows": W}


def word_embedding_backward(dout, cache):
    xp, dW = array_namespace(dout), 0 * cache["rows"]
    words = xp.reshape(cache["words"], (-1,))
    for k, word in enumerate(words):
        dW[word] += xp.reshape(dout, (-1, dW.shape[1]))[k]
    return dW


def temporal_affine_forward(x, W, b):
    return x @ W + b, {"x": x, "W": W}


def temporal_affine_backward(dout, cache):
    x, W = cache["x"], cache["W"]
    rows, back = x.reshape(-1, x.shape[2]), dout.reshape(-1, dout.shape[2])
    return dout @ W.T, rows.T @ back, back.sum(0)


def temporal_softmax_loss(scores, y, mask):
    xp, N = array_namespace(scores), len(scores)
    seen, words = scores[mask], y[mask]
    seen = seen - xp.max(seen, axis=1, keepdims=True)
    total = xp.exp(seen).sum(1)
    rows = xp.arange(len(words))
    loss = (xp.log(total) - seen[rows, words]).sum() / N
    probs = xp.exp(seen) / total[:, None]
    probs[rows, words] -= 1
    dscores = xp.zeros_like(scores)
    dscores[mask] = probs / N
    return loss, dscores
