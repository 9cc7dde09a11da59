r"""The ways in which an expression goes wrong, as patterns.

Each entry is a pattern of a whole expression or, in LINES, of a whole line, and pairs of what is
wrong and the code that stands there instead; \1 is what the first bracket of the pattern matched.
"""

import re

_GATES = "cut blocks of H columns, a[:, :H] and so on"
_DERIVATIVE = r"(\w+) \* \(1 - \1\)"

EXPRESSIONS = {
    # derivatives
    r"1 - (.+)\*\*2": [
        (r"the derivative of tanh, 1 - \1**2, is missing", "1"),
        (r"the square is missing: 1 - \1", r"1 - \1"),
        (r"it is 1 + \1**2 instead of 1 - \1**2", r"1 + \1**2"),
        (r"it is \1**2 - 1 instead of 1 - \1**2", r"\1**2 - 1"),
        (r"tanh is applied once too often: \1 is already a tanh", r"1 - np.tanh(\1)**2"),
        (
            r"the derivative of a sigmoid, \1 * (1 - \1), stands where that of tanh, 1 - \1**2, "
            "belongs",
            r"\1 * (1 - \1)",
        ),
        (r"the bracket is squared: (1 - \1)**2 instead of 1 - \1**2", r"(1 - \1)**2"),
        (r"it is divided by 1 - \1**2 instead of multiplied", r"1 / (1 - \1**2)"),
        (r"it is \1**2 instead of 1 - \1**2", r"\1**2"),
        (r"it is 1 - 2 * \1 instead of 1 - \1**2", r"1 - 2 * \1"),
    ],
    r"1 - (\w+)": [
        (r"the factor 1 - \1 is missing", "1"),
        (r"it is 1 + \1 instead of 1 - \1", r"1 + \1"),
        (r"it is \1 - 1 instead of 1 - \1", r"\1 - 1"),
        (r"it is 1 - \1**2 instead of 1 - \1", r"1 - \1**2"),
    ],
    r"(.+) \* (\w+) \* \(1 - \2\)": [
        (r"the derivative of the sigmoid, \2 * (1 - \2), is missing", r"\1"),
        (
            r"the derivative of tanh, 1 - \2**2, stands where that of the sigmoid, \2 * (1 - \2), "
            "belongs",
            r"\1 * (1 - \2**2)",
        ),
        (
            r"\2 is already a sigmoid, and goes through it again",
            r"\1 * sigmoid(\2) * (1 - sigmoid(\2))",
        ),
        (
            r"\2 * (1 - \2) is made of the pre-activation instead of the gate",
            r"\1 * a\2 * (1 - a\2)",
        ),
    ],
    r"alpha \* \(dalpha - (.+)\) / (.+)": [
        ("the derivative of the softmax is missing", r"dalpha / \2"),
        (
            "the derivative of a sigmoid, alpha * (1 - alpha), stands where the softmax's belongs",
            r"alpha * (1 - alpha) * dalpha / \2",
        ),
    ],
    # functions
    r"np\.tanh\((.+)\)": [
        ("tanh is missing", r"\1"),
        ("the sigmoid stands where tanh belongs", r"sigmoid(\1)"),
        ("ReLU stands where tanh belongs", r"np.maximum(\1, 0)"),
        ("tanh is applied twice", r"np.tanh(np.tanh(\1))"),
        ("the argument of tanh has the wrong sign", r"np.tanh(-(\1))"),
    ],
    r"np\.tanh\((.+) \+ (\w+)\)": [(r"the term \2 stands outside tanh", r"np.tanh(\1) + \2")],
    r"(\w+) \* np\.tanh\((.+)\)": [(r"\1 stands inside tanh, not before it", r"np.tanh(\1 * \2)")],
    r"sigmoid\((.+)\)": [
        ("the sigmoid is missing", r"\1"),
        ("tanh stands where the sigmoid belongs", r"np.tanh(\1)"),
        ("ReLU stands where the sigmoid belongs", r"np.maximum(\1, 0)"),
        ("the sigmoid is applied twice", r"sigmoid(sigmoid(\1))"),
        ("the argument of the sigmoid has the wrong sign", r"sigmoid(-\1)"),
        ("1 is added inside the sigmoid", r"sigmoid(\1 + 1)"),
    ],
    r"softmax\((\w+), axis=(\d)\)": [
        ("the softmax is missing", r"\1"),
        ("the sigmoid stands where the softmax belongs", r"sigmoid(\1)"),
        ("the exponentials are not divided by their sum", r"np.exp(\1)"),
        (
            "the scores are divided by their sum, without exp",
            r"\1 / \1.sum(axis=\2, keepdims=True)",
        ),
        ("the softmax goes over all entries", r"softmax(\1, None)"),
        (
            "the exponentials are divided by the sum of all entries, not of their row",
            r"softmax(\1 - \1.max(axis=\2, keepdims=True), None)",
        ),
        *(
            (rf"the softmax goes over axis {k} instead of axis \2", rf"softmax({z}, {k})")
            for k in range(3)
            for z in (r"\1", r"\1 - \1.max(axis=\2, keepdims=True)")
        ),
        (
            "the largest score takes all, where the softmax belongs",
            r"1.0 * (\1 == \1.max(axis=\2, keepdims=True))",
        ),
        (
            "the division by sqrt(H) comes after the softmax, not before it",
            r"softmax(\1 * np.sqrt(A.shape[2]), axis=1) / np.sqrt(A.shape[2])",
        ),
    ],
    r"np\.log\((.+)\)": [
        ("the logarithm is missing", r"\1"),
        ("the logarithm is to base 2", r"np.log2(\1)"),
        ("the logarithm is to base 10", r"np.log10(\1)"),
        (
            "the maximum is subtracted in the sum of exponentials alone, not from the target's "
            "score",
            r"np.log(\1) + scores.max(axis=2, keepdims=True)",
        ),
    ],
    r"np\.sqrt\((\w+)\.shape\[2\]\)": [
        ("it is H where sqrt(H) belongs", r"\1.shape[2]"),
        (
            "it is the root of the number of positions, where that of H belongs",
            r"np.sqrt(\1.shape[1])",
        ),
    ],
    # sums and means
    r"(.+)\.(sum)\((.+)\)": [("the mean stands where the sum belongs", r"\1.mean(\3)")],
    r"(.+)\.(sum|mean)\(axis=(.+?)(, keepdims=True)?\)": [
        (rf"the \2 goes over {name} instead of axis \3", rf"\1.\2(axis={axis}\4)")
        for name, axis in (
            ("everything", "None"),
            ("axis 0", "0"),
            ("axis 1", "1"),
            ("axis 2", "2"),
            ("batch and time", "(0, 1)"),
        )
    ]
    + [(r"the \2 is missing", r"\1")],
    r"A\.mean\(axis=1\)": [
        ("the sum stands where the mean over positions belongs", "A.sum(axis=1)"),
        ("the first position stands where the mean over positions belongs", "A[:, 0]"),
        ("the last position stands where the mean over positions belongs", "A[:, -1]"),
        ("the maximum stands where the mean over positions belongs", "A.max(axis=1)"),
        ("zeros stand where the mean over positions belongs", "0 * A[:, 0]"),
        (
            "the mean goes over the channels, not over the positions",
            "A.mean(axis=2)[:, :1] + 0 * A[:, 0]",
        ),
    ],
    r"alpha\[:, :, None\]": [
        (
            "each position counts alike, 1 / P, where alpha belongs",
            "np.full_like(alpha, 1 / alpha.shape[1])[:, :, None]",
        )
    ],
    # shapes and order
    r"(\w+)\.T": [(r"\1 is not transposed", r"\1")],
    r"(.+) @ (\w+)": [(r"\2 is transposed", r"\1 @ \2.T")],
    r"(.+) @ (.+)": [("* stands where the matrix product @ belongs", r"\1 * \2")],
    r"np\.split\(a, 4, axis=1\)": [
        (
            f"the gates are interleaved, as by a[:, k::4] or a reshape to (N, H, 4): {_GATES}",
            "[a[:, k::4] for k in range(4)]",
        ),
        (f"a is cut by a reshape, which mixes the examples: {_GATES}", "a.reshape(4, len(a), -1)"),
    ],
    r"np\.zeros_like\((W|scores)\)": [
        ("it begins with ones instead of zeros", r"np.ones_like(\1)")
    ],
    r"np\.zeros_like\(h0\) if c0 is None else c0": [("the first cell state is h0, not 0", "h0")],
    # time
    r"range\(T\)": [
        ("the last timestep is left out", "range(T - 1)"),
        ("the first timestep is left out", "range(1, T)"),
        ("the loop over time runs backwards instead of forwards", "reversed(range(T))"),
    ],
    r"reversed\(range\(T\)\)": [
        ("the last timestep is left out", "reversed(range(T - 1))"),
        ("the first timestep is left out", "reversed(range(1, T))"),
        ("the loop over time runs forwards instead of backwards", "range(T)"),
    ],
    r"(.+)\[:, t\]": [
        (r"\1 is taken at timestep t - 1 instead of t", r"\1[:, t - 1]"),
        (r"\1 is taken at timestep t + 1 instead of t", r"\1[:, min(t + 1, T - 1)]"),
        (r"\1 is taken at the first timestep, not at t", r"\1[:, 0]"),
        (r"\1 is taken at the last timestep, not at t", r"\1[:, -1]"),
        (r"\1 is taken at timestep T - 1 - t instead of t", r"\1[:, T - 1 - t]"),
    ],
    r"dh\[:, t\]": [
        ("dh counts at the last timestep alone", "(dh[:, t] if t == T - 1 else 0)"),
        ("dh counts at the first timestep alone", "(dh[:, t] if t == 0 else 0)"),
    ],
    r"(\w+)\[:, t - 1\] if t > 0 else (\w+)": [
        (
            r"at t = 0 the index t - 1 wraps around to the last timestep, where \2 belongs",
            r"\1[:, t - 1]",
        ),
        (r"at t = 0 there are zeros, where \2 belongs", r"\1[:, t - 1] if t > 0 else 0 * \2"),
        (r"every timestep has \2 before it", r"\2"),
        (r"\1 is taken at timestep t, where the state before it belongs", r"\1[:, t]"),
    ],
}

LINES = {
    r"da = dnext_h \* (\(1 - .+\))": [
        (
            "the derivative of tanh multiplies dh alone, not what comes back from the timestep "
            "after",
            r"da = dh[:, t] * \1 + dprev_h",
        ),
        (
            "the derivative of tanh multiplies what comes back from the timestep after, not dh",
            r"da = dh[:, t] + dprev_h * \1",
        ),
    ],
    r"dscores = \(probs - target\) \* (.+) / N": [
        (
            "the mask reaches the probabilities alone, and masked targets are subtracted too",
            r"dscores = (probs * \1 - target) / N",
        ),
        (
            "the mask reaches the targets alone, and masked probabilities stay",
            r"dscores = (probs - target * \1) / N",
        ),
        (
            "the gradient is that of each word's own probability",
            r"dscores = probs * (1 - probs) * \1 / N",
        ),
    ],
    r"out = W\[x\]": [
        ("the ids are read transposed", "out = W[x.T]"),
        ("each word is the next one: ids are one too large", "out = W[(x + 1) % len(W)]"),
    ],
    r"np\.add\.at\(dW, x, dout\)": [
        (
            "a word met several times keeps its last gradient alone: += with an array of ids adds "
            "once for each; np.add.at(dW, x, dout) adds every time",
            "dW[x] += dout",
        ),
        ("only the first timestep is added up", "np.add.at(dW, x[:, 0], dout[:, 0])"),
        ("only the last timestep is added up", "np.add.at(dW, x[:, -1], dout[:, -1])"),
        ("words are counted, and dout is left out", "np.add.at(dW, x, 1)"),
    ],
    r"out = x @ W \+ b": [
        (
            "batch and time are exchanged before the reshape, and the rows mixed",
            "out = x.swapaxes(0, 1).reshape(x.shape) @ W + b",
        )
    ],
    r"dW = \(x(.+) \* dout(.+)\)\.sum\(axis=\(0, 1\)\)": [
        (
            "batch and time of x are exchanged: its rows do not belong to those of dout",
            r"dW = (x.swapaxes(0, 1).reshape(x.shape)\1 * dout\2).sum(axis=(0, 1))",
        )
    ],
    r"(\w+) \+= (.+)": [
        (r"\1 is overwritten: = instead of +=", r"\1 = \2"),
        (r"\1 is subtracted from: -= instead of +=", r"\1 -= \2"),
        (r"nothing is added to \1", "pass"),
        (r"\1 holds the last timestep's gradient alone", "if t == T - 1:\n    \\1 += \\2"),
    ],
    r"(d?prev_\w) = (.+)": [
        (r"\1 is not carried on to the next timestep", "pass"),
        (r"\1 adds up over the timesteps: += instead of =", r"\1 = \1 + \2"),
    ],
}

FIRST_LINES = {  # by the argument that they need
    "mask": [
        ("the mask is ignored", "mask = np.ones_like(mask)"),
        ("the mask is inverted: True is where the target counts", "mask = ~mask"),
    ],
    "y": [
        ("y is read one timestep too early", "y = y[:, [0, *range(y.shape[1] - 1)]]"),
        ("y is read one timestep too late", "y = y[:, [*range(1, y.shape[1]), -1]]"),
    ],
}


def expansions(table, text):
    """Yield (what is wrong, code) for each entry of a table that a text matches."""
    for pattern, entries in table.items():
        if match := re.fullmatch(pattern, text):
            for what, code in entries:
                filled = match.expand(code.replace("\\4", "\\4" if match.re.groups > 3 else ""))
                if filled != text:
                    yield match.expand(what), filled
