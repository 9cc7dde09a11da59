# %% forward-turn: right
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    a = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    next_h = np.tanh(a)
    return next_h, (x, prev_h, Wx, Wh, next_h)


# %% forward-turn: b
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh)
    return next_h, (x, prev_h, Wx, Wh, next_h)


# %% forward-turn: tanh
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = x @ Wx + prev_h @ Wh + b
    return next_h, (x, prev_h, Wx, Wh, next_h)


# %% backward-turn: right
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h * next_h)
    dx, dprev_h = da @ Wx.T, da @ Wh.T
    return dx, dprev_h, x.T @ da, prev_h.T @ da, da.sum(axis=0)


# %% backward-turn: dprev_h
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh, x.T @ da, prev_h.T @ da, da.sum(axis=0)


# %% backward-turn: db
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.mean(axis=0)


# %% error-turn: right
def relative_error(x, y):
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


# %% error-turn: 0/0 is NaN
def relative_error(x, y):
    return np.max(np.abs(x - y) / (np.abs(x) + np.abs(y)))


# %% gradient-turn: right
def numerical_gradient(f, x, df, delta=1e-5):
    gradient = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        old = x[index]
        x[index] = old + delta
        up = f(x).copy()
        x[index] = old - delta
        down = f(x).copy()
        x[index] = old
        gradient[index] = np.sum((up - down) / (2 * delta) * df)
    return gradient


# %% gradient-turn: divide by 2 delta
def numerical_gradient(f, x, df, delta=1e-5):
    gradient = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        old = x[index]
        x[index] = old + delta
        up = f(x)
        x[index] = old - delta
        down = f(x)
        x[index] = old
        gradient[index] = np.sum((up - down) / delta * df)
    return gradient


# %% gradient-turn: sum over all, do not pick one
def numerical_gradient(f, x, df, delta=1e-5):
    gradient = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        old = x[index]
        x[index] = old + delta
        up = f(x)
        x[index] = old - delta
        down = f(x)
        x[index] = old
        gradient[index] = ((up - down) * df)[index] / (2 * delta)
    return gradient
