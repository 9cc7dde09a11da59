# %% cider-write: right
def cider_d(candidate, reference, idf, sigma=6.0):
    total = 0.0
    for n in range(1, 5):
        starts = range(n)
        u = Counter(zip(*(candidate[k:] for k in starts), strict=False))
        v = Counter(zip(*(reference[k:] for k in starts), strict=False))
        u, v = ({run: x * idf.get(run, 0) for run, x in each.items()} for each in (u, v))
        product = sum(min(u[run], v[run]) * v[run] for run in u.keys() & v.keys())
        norms = [np.sqrt(sum(x * x for x in each.values())) for each in (u, v)]
        if norms[0] * norms[1] > 0:
            total += product / (norms[0] * norms[1])
    return 10 / 4 * total * np.exp(-((len(candidate) - len(reference)) ** 2) / (2 * sigma**2))


# %% cider-write: of repeated words
def cider_d(candidate, reference, idf, sigma=6.0):
    total = 0.0
    for n in range(1, 5):
        starts = range(n)
        u = Counter(zip(*(candidate[k:] for k in starts), strict=False))
        v = Counter(zip(*(reference[k:] for k in starts), strict=False))
        u, v = ({run: x * idf.get(run, 0) for run, x in each.items()} for each in (u, v))
        product = sum(u[run] * v[run] for run in u.keys() & v.keys())
        norms = [np.sqrt(sum(x * x for x in each.values())) for each in (u, v)]
        if norms[0] * norms[1] > 0:
            total += product / (norms[0] * norms[1])
    return 10 / 4 * total * np.exp(-((len(candidate) - len(reference)) ** 2) / (2 * sigma**2))


# %% cider-write: of a part
def cider_d(candidate, reference, idf, sigma=6.0):
    total = 0.0
    for n in range(1, 5):
        starts = range(n)
        u = Counter(zip(*(candidate[k:] for k in starts), strict=False))
        v = Counter(zip(*(reference[k:] for k in starts), strict=False))
        product = sum(min(u[run], v[run]) * v[run] for run in u.keys() & v.keys())
        norms = [np.sqrt(sum(x * x for x in each.values())) for each in (u, v)]
        if norms[0] * norms[1] > 0:
            total += product / (norms[0] * norms[1])
    return 10 / 4 * total * np.exp(-((len(candidate) - len(reference)) ** 2) / (2 * sigma**2))


# %% cider-write: of a part
def cider_d(candidate, reference, idf, sigma=6.0):
    total = 0.0
    for n in range(1, 5):
        starts = range(n)
        u = Counter(zip(*(candidate[k:] for k in starts), strict=False))
        v = Counter(zip(*(reference[k:] for k in starts), strict=False))
        u, v = ({run: x * idf.get(run, 0) for run, x in each.items()} for each in (u, v))
        product = sum(min(u[run], v[run]) * v[run] for run in u.keys() & v.keys())
        norms = [np.sqrt(sum(x * x for x in each.values())) for each in (u, v)]
        if norms[0] * norms[1] > 0:
            total += product / (norms[0] * norms[1])
    return 10 / 4 * total


# %% policy-write: right
def policy_loss(log_probs, rewards):
    K = rewards.shape[1]
    baseline = (rewards.sum(1, keepdims=True) - rewards) / (K - 1)
    dlog_probs = -(rewards - baseline) / rewards.size
    return (dlog_probs * log_probs).sum(), dlog_probs


# %% policy-write: sign
def policy_loss(log_probs, rewards):
    K = rewards.shape[1]
    baseline = (rewards.sum(1, keepdims=True) - rewards) / (K - 1)
    dlog_probs = (rewards - baseline) / rewards.size
    return (dlog_probs * log_probs).sum(), dlog_probs


# %% policy-write: baseline is missing
def policy_loss(log_probs, rewards):
    dlog_probs = -rewards / rewards.size
    return (dlog_probs * log_probs).sum(), dlog_probs


# %% policy-write: leave the caption itself out
def policy_loss(log_probs, rewards):
    dlog_probs = -(rewards - rewards.mean(1, keepdims=True)) / rewards.size
    return (dlog_probs * log_probs).sum(), dlog_probs
