# %% forward-turn: right
def rnn_forward(x, h0, Wx, Wh, b):
    h, state = np.zeros((*x.shape[:2], h0.shape[1])), h0
    for t in range(x.shape[1]):
        state = np.tanh(x[:, t] @ Wx + state @ Wh + b)
        h[:, t] = state
    return h, (x, h0, Wx, Wh, h)


# %% forward-turn: h
def rnn_forward(x, h0, Wx, Wh, b):
    h = np.zeros((*x.shape[:2], h0.shape[1]))
    for t in range(x.shape[1]):
        h[:, t] = np.tanh(x[:, t] @ Wx + h0 @ Wh + b)
    return h, (x, h0, Wx, Wh, h)


# %% affine-turn: right
def temporal_affine_forward(x, W, b):
    return x @ W + b, (x, W)


# %% affine-turn: out
def temporal_affine_forward(x, W, b):
    return x @ W, (x, W)


# %% backward-turn: right
def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    dx, dprev_h = np.zeros_like(x), np.zeros_like(h0)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[0])
    for t in reversed(range(x.shape[1])):
        da = (dh[:, t] + dprev_h) * (1 - h[:, t] ** 2)
        dx[:, t], dprev_h = da @ Wx.T, da @ Wh.T
        dWx += x[:, t].T @ da
        dWh += (h[:, t - 1] if t else h0).T @ da
        db += da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


# %% backward-turn: dWx
def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    dx, dprev_h = np.zeros_like(x), np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        da = (dh[:, t] + dprev_h) * (1 - h[:, t] ** 2)
        dx[:, t], dprev_h = da @ Wx.T, da @ Wh.T
        dWx = x[:, t].T @ da
        dWh = (h[:, t - 1] if t else h0).T @ da
        db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


# %% embedding-turn: right
def word_embedding_forward(x, W):
    return W[x], (x, W)


# %% embedding-turn: out
def word_embedding_forward(x, W):
    return W[x - 1], (x, W)


# %% embedding-back-turn: right
def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


# %% embedding-back-turn: dW
def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    dW[x] += dout
    return dW


# %% affine-back-turn: right
def temporal_affine_backward(dout, cache):
    x, W = cache
    dW = np.einsum("ntd,ntm->dm", x, dout)
    return dout @ W.T, dW, dout.sum(axis=(0, 1))


# %% affine-back-turn: db
def temporal_affine_backward(dout, cache):
    x, W = cache
    dW = np.einsum("ntd,ntm->dm", x, dout)
    return dout @ W.T, dW, dout.mean(axis=(0, 1))


# %% loss-turn: right
def temporal_softmax_loss(scores, y, mask):
    chosen, words = scores[mask], y[mask]
    shifted = chosen - chosen.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    rows, N = np.arange(len(words)), len(scores)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    loss = (log_sums - shifted[rows, words]).sum() / N
    probabilities[rows, words] -= 1
    dscores = np.zeros_like(scores)
    dscores[mask] = probabilities / N
    return loss, dscores


# %% loss-turn: loss
def temporal_softmax_loss(scores, y, mask):
    chosen, words = scores[mask], y[mask]
    shifted = chosen - chosen.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    rows, count = np.arange(len(words)), len(words)
    loss = -np.log(probabilities[rows, words]).sum() / count
    probabilities[rows, words] -= 1
    dscores = np.zeros_like(scores)
    dscores[mask] = probabilities / count
    return loss, dscores


# %% shift-turn: right
def shift_captions(captions):
    return captions[:, :-1], captions[:, 1:], captions[:, 1:] != 0


# %% shift-turn: the mask belongs to the targets
def shift_captions(captions):
    return captions[:, :-1], captions[:, 1:], captions[:, :-1] != 0


# %% loop-turn: right
def training_loop(model, optimizer, features, captions, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(features, captions)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


# %% loop-turn: gradients add up
def training_loop(model, optimizer, features, captions, steps):
    losses = []
    for _ in range(steps):
        loss = model(features, captions)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% decode-turn: right
def greedy_decode(model, features, max_length):
    captions = []
    with torch.no_grad():
        for row in features:
            state, A = model.start(row[None])
            ids = [1]
            while ids[-1] != 2 and len(ids) <= max_length:
                scores, state, _ = model.step(torch.tensor([ids[-1]]), state, A)
                ids.append(int(scores[0].argmax()))
            captions.append(ids[1:])
    return captions


# %% decode-turn: the chosen word is not fed back
def greedy_decode(model, features, max_length):
    captions = [[] for _ in features]
    with torch.no_grad():
        state, A = model.start(features)
        words = torch.full((len(features),), 1)
        for _ in range(max_length):
            scores, state, _ = model.step(words, state, A)
            for caption, word in zip(captions, scores.argmax(1).tolist(), strict=True):
                if 2 not in caption:
                    caption.append(word)
    return captions
