# %% lstm-gates-forward: right
def lstm_gates_forward(a, prev_c):
    a_i, a_f, a_o, a_g = np.split(a, 4, axis=1)
    i, f, o = (0.5 * (1 + np.tanh(0.5 * x)) for x in (a_i, a_f, a_o))
    g = np.tanh(a_g)
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (prev_c, np.hstack([i, f, o, g]), tanh_c)


# %% lstm-gates-forward: the gates stand in the order i, f, g, o instead of i, f, o, g
def lstm_gates_forward(a, prev_c):
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i, f, o = (0.5 * (1 + np.tanh(0.5 * x)) for x in (a_i, a_f, a_o))
    g = np.tanh(a_g)
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (prev_c, np.hstack([i, f, o, g]), tanh_c)


# %% lstm-gates-forward: the sigmoid stands where tanh belongs
def lstm_gates_forward(a, prev_c):
    a_i, a_f, a_o, a_g = np.split(a, 4, axis=1)
    i, f, o = (0.5 * (1 + np.tanh(0.5 * x)) for x in (a_i, a_f, a_o))
    g = 0.5 * (1 + np.tanh(0.5 * a_g))
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (prev_c, np.hstack([i, f, o, g]), tanh_c)


# %% lstm-gates-backward: right
def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, gates, tanh_c = cache
    i, f, o, g = np.split(gates, 4, axis=1)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * prev_c * f * (1 - f)
    da_o = dnext_h * tanh_c * o * (1 - o)
    da_g = dc * i * (1 - g**2)
    return np.concatenate([da_i, da_f, da_o, da_g], axis=1), dc * f


# %% lstm-gates-backward: the term dnext_c is missing
def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, gates, tanh_c = cache
    i, f, o, g = np.split(gates, 4, axis=1)
    dc = dnext_h * o * (1 - tanh_c**2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * prev_c * f * (1 - f)
    da_o = dnext_h * tanh_c * o * (1 - o)
    da_g = dc * i * (1 - g**2)
    return np.concatenate([da_i, da_f, da_o, da_g], axis=1), dc * f


# %% lstm-gates-backward: the derivative of the sigmoid, f * (1 - f), is missing
def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, gates, tanh_c = cache
    i, f, o, g = np.split(gates, 4, axis=1)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * prev_c
    da_o = dnext_h * tanh_c * o * (1 - o)
    da_g = dc * i * (1 - g**2)
    return np.concatenate([da_i, da_f, da_o, da_g], axis=1), dc * f


# %% lstm-gates-backward: the factor f is missing
def lstm_gates_backward(dnext_h, dnext_c, cache):
    prev_c, gates, tanh_c = cache
    i, f, o, g = np.split(gates, 4, axis=1)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    da_i = dc * g * i * (1 - i)
    da_f = dc * prev_c * f * (1 - f)
    da_o = dnext_h * tanh_c * o * (1 - o)
    da_g = dc * i * (1 - g**2)
    return np.concatenate([da_i, da_f, da_o, da_g], axis=1), dc


# %% lstm-step-forward: right
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    next_h, next_c, gates_cache = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, *gates_cache)


# %% lstm-step-forward: the term b is missing
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh
    next_h, next_c, gates_cache = lstm_gates_forward(a, prev_c)
    return next_h, next_c, (x, prev_h, Wx, Wh, *gates_cache)


# %% lstm-step-backward: right
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, Wx, Wh, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dx, dprev_h = da @ Wx.T, da @ Wh.T
    return dx, dprev_h, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


# %% lstm-step-backward: is a factor transposed
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, Wx, Wh, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dx, dprev_h = da @ Wx.T, da @ Wh
    return dx, dprev_h, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


# %% lstm-step-backward: the mean stands where the sum belongs
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, Wx, Wh, *gates_cache = cache
    da, dprev_c = lstm_gates_backward(dnext_h, dnext_c, gates_cache)
    dx, dprev_h = da @ Wx.T, da @ Wh.T
    return dx, dprev_h, dprev_c, x.T @ da, prev_h.T @ da, da.mean(axis=0)


# %% lstm-forward: right
def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    h, c = h0, np.zeros_like(h0) if c0 is None else c0
    states, caches = [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), (caches, c0 is not None)


# %% lstm-forward: prev_h is not carried on to the next timestep
def lstm_forward(x, h0, Wx, Wh, b, c0=None):
    h, c = h0, np.zeros_like(h0) if c0 is None else c0
    states, caches = [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h0, c, Wx, Wh, b)
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), (caches, c0 is not None)


# %% lstm-backward: right
def lstm_backward(dh, cache):
    caches, with_c0 = cache
    dprev_h = dprev_c = np.zeros_like(dh[:, 0])
    dx, dWx, dWh, db = [], 0, 0, 0
    for t in reversed(range(dh.shape[1])):
        step = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
        dxt, dprev_h, dprev_c, dWxt, dWht, dbt = step
        dx.append(dxt)
        dWx, dWh, db = dWx + dWxt, dWh + dWht, db + dbt
    gradients = np.stack(dx[::-1], axis=1), dprev_h, dWx, dWh, db
    return (*gradients, dprev_c) if with_c0 else gradients


# %% lstm-backward: the term dprev_h is missing
def lstm_backward(dh, cache):
    caches, with_c0 = cache
    dprev_h = dprev_c = np.zeros_like(dh[:, 0])
    dx, dWx, dWh, db = [], 0, 0, 0
    for t in reversed(range(dh.shape[1])):
        step = lstm_step_backward(dh[:, t], dprev_c, caches[t])
        dxt, dprev_h, dprev_c, dWxt, dWht, dbt = step
        dx.append(dxt)
        dWx, dWh, db = dWx + dWxt, dWh + dWht, db + dbt
    gradients = np.stack(dx[::-1], axis=1), dprev_h, dWx, dWh, db
    return (*gradients, dprev_c) if with_c0 else gradients


# %% lstm-backward: the term dnext_c is missing
def lstm_backward(dh, cache):
    caches, with_c0 = cache
    dprev_h = dprev_c = np.zeros_like(dh[:, 0])
    dx, dWx, dWh, db = [], 0, 0, 0
    for t in reversed(range(dh.shape[1])):
        step = lstm_step_backward(dh[:, t] + dprev_h, np.zeros_like(dprev_c), caches[t])
        dxt, dprev_h, dprev_c, dWxt, dWht, dbt = step
        dx.append(dxt)
        dWx, dWh, db = dWx + dWxt, dWh + dWht, db + dbt
    gradients = np.stack(dx[::-1], axis=1), dprev_h, dWx, dWh, db
    return (*gradients, dprev_c) if with_c0 else gradients
