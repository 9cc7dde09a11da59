"""What people get wrong in a line of a solution: patterns of code, and what stands there instead.

A pattern, of a whole text, is followed by what may stand in the place of the text, and by what is
wrong then; where that is not said, it is "CODE stands where TEXT belongs".
"""

import re
from functools import cache

# Of an expression.
EXPRESSIONS = r"""
1 - (.+)\*\*2
    1                       # the derivative of tanh, 1 - \1**2, is missing
    1 - \1                  # the square is missing: 1 - \1 stands where 1 - \1**2 belongs
    1 - np.tanh(\1)**2      # tanh is applied once too often: \1 is already a tanh
    \1 * (1 - \1)           # the derivative of a sigmoid stands where that of tanh belongs
    1 + \1**2
    (1 - \1)**2
(\w+)\*\*2
    2 * \1
    \1**3
(.+) \* (\w+) \* \(1 - \2\)
    \1                      # the derivative of the sigmoid, \2 * (1 - \2), is missing
    \1 * (1 - \2**2)        # the derivative of tanh stands where the sigmoid's belongs
alpha \* \(dalpha - (.+)\) / (.+)
    dalpha / \2             # the derivative of the softmax is missing
    alpha * (1 - alpha) * dalpha / \2       # a sigmoid's derivative stands in for the softmax's
(np\.)?(tanh|sigmoid)\((.+)\)
    \3                      # \2 is missing
    np.maximum(\3, 0)       # ReLU stands where \2 belongs
    \1\2(\1\2(\3))          # \2 is applied twice
    \1\2(-(\3))             # the argument of \2 has the wrong sign
np\.tanh\((.+)\)
    sigmoid(\1)             # the sigmoid stands where tanh belongs
sigmoid\((.+)\)
    np.tanh(\1)             # tanh stands where the sigmoid belongs
(\w*)softmax\((\w+), axis=(\d)\)
    \1softmax(\2, None)     # the softmax goes over all entries
    \1softmax(\2 - \2.max(axis=\3, keepdims=True), None)    # it is divided by the sum of all rows
    \1softmax(\2, 0)        # the softmax goes over axis 0 instead of axis \3
    \1softmax(\2, 1)        # the softmax goes over axis 1 instead of axis \3
    \1softmax(\2 - \2.max(axis=\3, keepdims=True), 0)       # the softmax goes over axis 0, not \3
softmax\((\w+), axis=(\d)\)
    sigmoid(\1)             # the sigmoid stands where the softmax belongs
    np.exp(\1)              # the exponentials are not divided by their sum
    1.0 * (\1 == \1.max(axis=\2, keepdims=True))   # the largest score takes all: no softmax
    softmax(\1 * np.sqrt(A.shape[2]), 1) / np.sqrt(A.shape[2])      # divided after the softmax
np\.sqrt\((\w+)\.shape\[2\]\)
    \1.shape[2]             # it is H where sqrt(H) belongs
(.+)\.(max|sum)\((.*)\)
    \1.mean(\3)             # the mean stands where the \2 belongs
(.+)\.sum\(axis=(\d|\(0, 1\))((?:, keepdims=True)?)\)
    \1                      # the sum is missing
    \1.sum(axis=None\3)     # the sum goes over everything instead of axis \2
    \1.sum(axis=0\3)        # the sum goes over axis 0 instead of axis \2
    \1.sum(axis=1\3)        # the sum goes over axis 1 instead of axis \2
A\.mean\(axis=1\)
    A.sum(axis=1)           # the sum stands where the mean over positions belongs
    A[:, 0]                 # the first position stands where the mean of all belongs
    0 * A[:, 0]             # zeros stand where the mean over positions belongs
(\w+)\.T
    \1                      # \1 is not transposed
(.+) @ (\w+)
    \1 @ \2.T               # \2 is transposed
np\.split\(a, 4, axis=1\)
    [a[:, k::4] for k in range(4)]          # the gates are interleaved: cut blocks of H, a[:, :H]
range\(T\)
    range(T - 1)            # the last timestep is left out
    range(1, T)             # the first timestep is left out
    reversed(range(T))      # the loop over time runs backwards instead of forwards
reversed\(range\(T\)\)
    range(T)                # the loop over time runs forwards instead of backwards
(.+)\[:, t\]
    \1[:, t - 1]            # \1 is taken at timestep t - 1 instead of t
    \1[:, min(t + 1, T - 1)]                # \1 is taken at timestep t + 1 instead of t
    \1[:, -1]               # \1 is taken at the last timestep instead of t
    \1[:, T - 1 - t]        # \1 is taken at timestep T - 1 - t instead of t
dh\[:, t\]
    dh[:, t] * (t == T - 1) # dh counts at the last timestep alone
(\w+)\[:, t - 1\] if t > 0 else (\w+)
    \1[:, t - 1]            # at t = 0, t - 1 is the last timestep; \2 belongs there
    \1[:, t - 1] if t > 0 else 0 * \2       # at t = 0 there are zeros, where \2 belongs
    \1[:, t]                # \1 is taken at timestep t, not at the one before it
"""
# Of a whole line, which may become several.
LINES = r"""
dscores = \(probs - target\) \* (.+) / N
    dscores = (probs * \1 - target) / N     # the mask reaches the probabilities alone
    dscores = (probs - target * \1) / N     # the mask reaches the targets alone
out = W\[x\]
    out = W[x - 1]          # each word is the one before: ids are one too small
    out = W[(x + 1) % len(W)]               # each word is the next one: ids are one too large
np\.add\.at\(dW, x, dout\)
    dW[x] += dout           # a word met twice keeps its last gradient: use np.add.at
    np.add.at(dW, x[:, 0], dout[:, 0])      # only the first timestep is added up
(\w+) \+= (.+)
    \1 = \2                 # \1 is overwritten: = instead of +=
    pass                    # nothing is added to \1
    \1 = \1 + \2 * (t == T - 1)             # \1 holds the last timestep's gradient alone
(d?prev_\w) = (?!h0|c0|first_c|np)(.+)
    pass                    # \1 is not carried on to the next timestep
    \1 = \1 + \2            # \1 adds up over the timesteps: += instead of =
prev_h, prev_c = \(?next_h, next_c\)?
    prev_c = next_c         # prev_h is not carried on to the next timestep
    prev_h = next_h         # prev_c is not carried on to the next timestep
def \w+\(.*\bmask\)
    \g<0>:\n    mask = mask | True          # the mask is ignored
    \g<0>:\n    mask = y != 0               # the mask is made of y, and the argument is ignored
    \g<0>:\n    mask = ~mask                # the mask is inverted: True is where a target counts
    \g<0>:\n    y = np.roll(y, -1, axis=1)  # y is read one timestep too late
"""


@cache
def _parsed(table):
    """Return a list of (pattern, list of [code, what is wrong])."""
    blocks = [block.splitlines() for block in re.split(r"\n(?=\S)", table.strip())]
    return [(p, [re.split(r"\s+# ", each.strip()) for each in entries]) for p, *entries in blocks]


def expansions(table, text):
    """Yield (what is wrong, code) for each entry of a table that a text matches."""
    for pattern, entries in _parsed(table):
        if match := re.fullmatch(pattern, text):
            for code, *what in entries:
                new = match.expand(code)
                if new != text:
                    said = match.expand(what[0]) if what else f"{new} stands where {text} belongs"
                    yield said, new
