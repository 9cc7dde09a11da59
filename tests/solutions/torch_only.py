"""Kernels by one who knows torch alone: NumPy arrays become tensors at the door, and go back."""

import functools

import numpy as np
import torch


def tensor(value):
    return torch.as_tensor(value) if isinstance(value, np.ndarray) else value


def array(value):
    return value.numpy() if isinstance(value, torch.Tensor) else value


def in_torch(kernel):
    """Run a kernel of tensors on NumPy arrays too."""

    @functools.wraps(kernel)
    def run(*arguments, **named):
        numpy = any(isinstance(a, np.ndarray) for a in (*arguments, *named.values()))
        result = kernel(*map(tensor, arguments), **{k: tensor(a) for k, a in named.items()})
        if not numpy:
            return result
        return tuple(map(array, result)) if isinstance(result, tuple) else array(result)

    return run


@in_torch
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    h = (torch.addmm(b, x, Wx) + prev_h.mm(Wh)).tanh()
    return h, (x, prev_h, Wx, Wh, h.clone())


@in_torch
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, h = cache
    da = dnext_h * (1 - h.square())
    return da.mm(Wx.t()), da.mm(Wh.t()), x.t().mm(da), prev_h.t().mm(da), da.sum(dim=0)


@in_torch
def rnn_forward(x, h0, Wx, Wh, b):
    states = [h0]
    for xt in x.unbind(1):
        states.append((torch.addmm(b, xt, Wx) + states[-1].mm(Wh)).tanh())
    states = torch.stack(states)
    return states[1:].transpose(0, 1), (x, states, Wx, Wh)


@in_torch
def rnn_backward(dh, cache):
    x, states, Wx, Wh = cache
    T, later = x.shape[1], torch.zeros_like(states[0])
    da = torch.empty_like(states[1:])
    for t in range(T - 1, -1, -1):
        da[t] = (dh[:, t] + later) * (1 - states[t + 1].square())
        later = da[t].mm(Wh.t())
    dx = torch.matmul(da, Wx.t()).transpose(0, 1)
    dWx = torch.bmm(x.permute(1, 2, 0), da).sum(dim=0)
    dWh = torch.bmm(states[:-1].transpose(1, 2), da).sum(dim=0)
    return dx, later, dWx, dWh, da.sum(dim=(0, 1))


@in_torch
def lstm_gates_forward(a, prev_c):
    i, f, o, g = a.chunk(4, dim=1)
    i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
    next_c = torch.addcmul(f * prev_c, i, g)
    squashed = next_c.tanh()
    return o * squashed, next_c, (prev_c, i, f, o, g, squashed)


@in_torch
def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, i, f, o, g, squashed = cache
    dc = dnext_c + dnext_h * o * (1 - squashed.square())
    di, df = dc * g * i * (1 - i), dc * prev_c * f * (1 - f)
    do, dg = dnext_h * squashed * o * (1 - o), dc * i * (1 - g.square())
    return torch.cat((di, df, do, dg), dim=1), dc * f


@in_torch
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = torch.cat((x, prev_h), dim=1).mm(torch.cat((Wx, Wh))) + b
    next_h, next_c, gates = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, *gates)


@in_torch
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, Wx, Wh, *gates = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates)
    sizes = x.shape[1], prev_h.shape[1]
    dx, dprev_h = da.mm(torch.cat((Wx, Wh)).t()).split(sizes, dim=1)
    dWx, dWh = torch.cat((x, prev_h), dim=1).t().mm(da).split(sizes)
    return dx, dprev_h, dprev_c, dWx, dWh, da.sum(dim=0)


@in_torch
def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    h, c = h0, torch.zeros_like(h0) if c0 is None else c0
    states, caches = [], []
    for xt in x.unbind(1):
        h, c, cache = lstm_step_forward(xt, h, c, Wx, Wh, b)
        states.append(h)
        caches.append(cache)
    return torch.stack(states, dim=1), (caches, c0)


@in_torch
def lstm_backward(dh, cache):
    caches, c0 = cache
    later = [torch.zeros_like(dh[:, 0]), torch.zeros_like(dh[:, 0])]
    dx, sums = [], [0, 0, 0]
    for dht, each in zip(reversed(dh.unbind(1)), reversed(caches), strict=True):
        dxt, *later, dWx, dWh, db = lstm_step_backward(dht + later[0], later[1], each)
        dx.append(dxt)
        sums = [sums[0] + dWx, sums[1] + dWh, sums[2] + db]
    result = torch.stack(dx[::-1], dim=1), later[0], *sums
    return result if c0 is None else (*result, later[1])


@in_torch
def dot_product_attention_forward(prev_h, A):
    alpha = torch.softmax(A.matmul(prev_h[..., None])[..., 0] / A.shape[2] ** 0.5, dim=1)
    return alpha[:, None].bmm(A)[:, 0], alpha, (prev_h, A, alpha.clone())


@in_torch
def dot_product_attention_backward(dattn, cache):
    prev_h, A, alpha = cache
    dalpha = A.matmul(dattn[..., None])[..., 0]
    ds = alpha * dalpha - alpha * (alpha * dalpha).sum(dim=1, keepdim=True)
    ds = ds / A.shape[2] ** 0.5
    dA = alpha[..., None] * dattn[:, None] + ds[..., None] * prev_h[:, None]
    return ds[:, None].bmm(A)[:, 0], dA


@in_torch
def attention_lstm_step_forward(x, prev_h, prev_c, attn, Wx, Wh, Wattn, b):
    both = torch.cat((x, attn), dim=1)
    return lstm_step_forward(both, prev_h, prev_c, torch.cat((Wx, Wattn)), Wh, b)


@in_torch
def attention_lstm_step_backward(dnext_h, dnext_c, cache):
    dboth, dprev_h, dprev_c, dW, dWh, db = lstm_step_backward(dnext_h, dnext_c, cache)
    D = dboth.shape[1] - dprev_h.shape[1]
    return dboth[:, :D], dprev_h, dprev_c, dboth[:, D:], dW[:D], dWh, dW[D:], db


@in_torch
def attention_lstm_forward(x, A, Wx, Wh, Wattn, b):
    h = c = A.mean(dim=1)
    states, maps, caches = [], [], []
    for xt in x.unbind(1):
        attn, alpha, looked = dot_product_attention_forward(h, A)
        h, c, stepped = attention_lstm_step_forward(xt, h, c, attn, Wx, Wh, Wattn, b)
        states.append(h)
        maps.append(alpha)
        caches.append((looked, stepped))
    return torch.stack(states, dim=1), torch.stack(maps, dim=1), caches


@in_torch
def attention_lstm_backward(dh, cache):
    dprev_h = dprev_c = torch.zeros_like(dh[:, 0])
    dA, dx, sums = 0, [], [0, 0, 0, 0]
    for t in range(dh.shape[1] - 1, -1, -1):
        looked, stepped = cache[t]
        step = attention_lstm_step_backward(dh[:, t] + dprev_h, dprev_c, stepped)
        dxt, dprev_h, dprev_c, dattn, *weights = step
        dquery, dAt = dot_product_attention_backward(dattn, looked)
        dprev_h, dA = dprev_h + dquery, dA + dAt
        dx.append(dxt)
        sums = [a + b for a, b in zip(sums, weights, strict=True)]
    dA = dA + ((dprev_h + dprev_c) / dA.shape[1]).unsqueeze(1)
    return torch.stack(dx[::-1], dim=1), dA, *sums


@in_torch
def word_embedding_forward(x, W):
    return torch.index_select(W, 0, x.flatten()).view(*x.shape, -1), (x, W)


@in_torch
def word_embedding_backward(dout, cache):
    x, W = cache
    return torch.zeros_like(W).index_add_(0, x.flatten(), dout.flatten(0, 1))


@in_torch
def temporal_affine_forward(x, W, b):
    return torch.matmul(x, W).add(b), (x, W)


@in_torch
def temporal_affine_backward(dout, cache):
    x, W = cache
    dW = x.flatten(0, 1).t().mm(dout.flatten(0, 1))
    return dout.matmul(W.t()), dW, dout.sum(dim=(0, 1))


@in_torch
def temporal_softmax_loss(scores, y, mask):
    N, seen = len(scores), scores[mask]
    log_probs = torch.log_softmax(seen, dim=1)
    targets = y[mask][:, None]
    loss = -log_probs.gather(1, targets).sum() / N
    rows = log_probs.exp()
    rows.scatter_add_(1, targets, -torch.ones_like(rows[:, :1]))
    dscores = torch.zeros_like(scores)
    dscores[mask] = rows / N
    return loss, dscores
