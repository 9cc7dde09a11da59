r"""What people get wrong in a line of a kernel: patterns of code, and what stands there instead.

A table goes from a pattern, of a whole text, to what may stand in its place: code -> what is wrong,
by default "CODE stands where TEXT belongs". \1 is what the first bracket of the pattern matched.
"""

import re

# Of an expression.
EXPRESSIONS: dict[str, dict[str, str]] = {
    r"1 - (.+)\*\*2": {
        "1": r"the derivative of tanh, 1 - \1**2, is missing",
        r"1 - \1": r"the square is missing: 1 - \1 stands where 1 - \1**2 belongs",
        r"1 + \1**2": "",
        r"\1**2 - 1": "",
        r"1 - np.tanh(\1)**2": r"tanh is applied once too often: \1 is already a tanh",
        r"\1 * (1 - \1)": r"the derivative of a sigmoid, \1 * (1 - \1), stands where that of "
        r"tanh, 1 - \1**2, belongs",
        r"(1 - \1)**2": "",
        r"1 / (1 - \1**2)": r"it is divided by 1 - \1**2 instead of multiplied",
        r"\1**2": "",
        r"1 - 2 * \1": "",
    },
    r"1 - (\w+)": {
        "1": r"the factor 1 - \1 is missing", r"1 + \1": "", r"\1 - 1": "", r"1 - \1**2": "",
    },
    r"(.+) \* (\w+) \* \(1 - \2\)": {
        r"\1": r"the derivative of the sigmoid, \2 * (1 - \2), is missing",
        r"\1 * (1 - \2**2)": r"the derivative of tanh, 1 - \2**2, stands where that of the "
        r"sigmoid, \2 * (1 - \2), belongs",
        r"\1 * sigmoid(\2) * (1 - sigmoid(\2))":
            r"\2 is already a sigmoid, and goes through it again",
        r"\1 * a\2 * (1 - a\2)":
            r"\2 * (1 - \2) is made of the pre-activation instead of the gate",
    },
    r"alpha \* \(dalpha - (.+)\) / (.+)": {
        r"dalpha / \2": "the derivative of the softmax is missing",
        r"alpha * (1 - alpha) * dalpha / \2": "the derivative of a sigmoid, alpha * (1 - alpha), "
        "stands where the softmax's belongs",
    },
    r"(np\.)?(tanh|sigmoid)\((.+)\)": {
        r"\3": r"\2 is missing",
        r"np.maximum(\3, 0)": r"ReLU stands where \2 belongs",
        r"\1\2(\1\2(\3))": r"\2 is applied twice",
        r"\1\2(-(\3))": r"the argument of \2 has the wrong sign",
        r"\1\2(\3 + 1)": r"1 is added inside \2",
    },
    r"np\.tanh\((.+)\)": {r"sigmoid(\1)": "the sigmoid stands where tanh belongs"},
    r"sigmoid\((.+)\)": {r"np.tanh(\1)": "tanh stands where the sigmoid belongs"},
    r"np\.tanh\((.+) \+ (\w+)\)": {r"np.tanh(\1) + \2": r"the term \2 stands outside tanh"},
    r"(\w+) \* np\.tanh\((.+)\)": {r"np.tanh(\1 * \2)": r"\1 stands inside tanh, not before it"},
    r"(\w*)softmax\((\w+), axis=(\d)\)": {
        r"\1softmax(\2, None)": "the softmax goes over all entries",
        r"\1softmax(\2 - \2.max(axis=\3, keepdims=True), None)":
            "the exponentials are divided by the sum of all entries, not of their row",
    } | {
        rf"\1softmax({z}, {k})": rf"the softmax goes over axis {k} instead of axis \3"
        for k in range(3) for z in (r"\2", r"\2 - \2.max(axis=\3, keepdims=True)")
    },
    r"softmax\((\w+), axis=(\d)\)": {
        r"\1": "the softmax is missing",
        r"sigmoid(\1)": "the sigmoid stands where the softmax belongs",
        r"np.exp(\1)": "the exponentials are not divided by their sum",
        r"\1 / \1.sum(axis=\2, keepdims=True)":
            "the scores are divided by their sum, without exp",
        r"1.0 * (\1 == \1.max(axis=\2, keepdims=True))":
            "the largest score takes all, where the softmax belongs",
        r"softmax(-\1, axis=\2)": "the scores have the wrong sign",
        r"softmax(softmax(\1, axis=\2), axis=\2)": "the softmax is applied twice",
        r"softmax(\1 * np.sqrt(A.shape[2]), axis=1) / np.sqrt(A.shape[2])":
            "the division by sqrt(H) comes after the softmax, not before it",
    },
    r"log_softmax\((\w+), (.+)\)": {
        r"log_softmax(\1 * mask[:, :, None], \2)": "masked scores are set to 0, and still count",
    },
    r"np\.sqrt\((\w+)\.shape\[2\]\)": {
        r"\1.shape[2]": "it is H where sqrt(H) belongs",
        r"np.sqrt(\1.shape[1])": "the root of the number of positions stands where sqrt(H) belongs",
        r"1 / np.sqrt(\1.shape[2])": "it is multiplied by sqrt(H) instead of divided",
    },
    r"(.+)\.sum\((.+)\)": {r"\1.mean(\2)": "the mean stands where the sum belongs"},
    r"(.+)\.(sum|mean)\(axis=(\d|\(0, 1\))((?:, keepdims=True)?)\)": {
        r"\1": r"the \2 is missing",
    } | {
        rf"\1.\2(axis={axis}\4)": rf"the \2 goes over {name} instead of axis \3"
        for axis, name in {"None": "everything", "0": "axis 0", "1": "axis 1", "2": "axis 2",
                           "(0, 1)": "batch and time"}.items()
    },
    r"A\.mean\(axis=1\)": {
        code: f"{what} where the mean over positions belongs"
        for code, what in {
            "A.sum(axis=1)": "the sum stands", "A[:, 0]": "the first position stands",
            "A[:, -1]": "the last position stands", "A.max(axis=1)": "the maximum stands",
            "0 * A[:, 0]": "zeros stand",
            "A.mean(axis=2)[:, :1] + 0 * A[:, 0]": "the mean over the channels stands",
        }.items()
    },
    r"alpha\[:, :, None\]": {
        "(0 * alpha + 1 / alpha.shape[1])[:, :, None]":
            "each position counts alike, 1 / P, where alpha belongs",
    },
    r"dscores\[:, :, None\]": {
        r"np.sqrt(A.shape[2]) * \g<0>": "the division by sqrt(H) is missing",
    },
    r"(\w+)\.T": {r"\1": r"\1 is not transposed"},
    r"(.+) @ (\w+)": {r"\1 @ \2.T": r"\2 is transposed"},
    r"(.+) @ (.+)": {
        r"\1 * \2": "* stands where the matrix product @ belongs",
        r"\1": r"the product with \2 is missing",
    },
    r"np\.split\(a, 4, axis=1\)": {
        "[a[:, k::4] for k in range(4)]": "the gates are interleaved, as by a[:, k::4] or a "
        "reshape to (N, H, 4): cut blocks of H columns, a[:, :H] and so on",
        "a.reshape(4, len(a), -1)": "a is cut by a reshape, which mixes the examples: cut blocks "
        "of H columns, a[:, :H] and so on",
    },
    r"np\.zeros_like\((\w+)\)": {r"np.ones_like(\1)": "it begins with ones instead of zeros"},
    r"(\w+)\*\*2": {r"\1**3": "", r"2 * \1": ""},
    r"np\.zeros_like\(h0\) if c0 is None else c0": {"h0": "the first cell state is h0, not 0"},
    r"range\(T\)": {
        "range(T - 1)": "the last timestep is left out",
        "range(1, T)": "the first timestep is left out",
        "reversed(range(T))": "the loop over time runs backwards instead of forwards",
    },
    r"reversed\(range\(T\)\)": {
        "reversed(range(T - 1))": "the last timestep is left out",
        "reversed(range(1, T))": "the first timestep is left out",
        "range(T)": "the loop over time runs forwards instead of backwards",
    },
    r"(.+)\[:, t\]": {
        rf"\1[:, {index}]": rf"\1 is taken at {name} instead of t"
        for index, name in {
            "t - 1": "timestep t - 1", "min(t + 1, T - 1)": "timestep t + 1", "0": "timestep 0",
            "-1": "the last timestep", "T - 1 - t": "timestep T - 1 - t",
        }.items()
    },
    r"dh\[:, t\]": {
        "(dh[:, t] if t == T - 1 else 0)": "dh counts at the last timestep alone",
        "(dh[:, t] if t == 0 else 0)": "dh counts at the first timestep alone",
    },
    r"(\w+)\[:, t - 1\] if t > 0 else (\w+)": {
        r"\1[:, t - 1]":
            r"at t = 0 the index t - 1 wraps around to the last timestep, where \2 belongs",
        r"\1[:, t - 1] if t > 0 else 0 * \2": r"at t = 0 there are zeros, where \2 belongs",
        r"\2": r"every timestep has \2 before it",
        r"\1[:, t]": r"\1 is taken at timestep t, where the state before it belongs",
    },
}  # fmt: skip

# Of a whole line, which may become several.
LINES: dict[str, dict[str, str]] = {
    r"da = dnext_h \* (\(1 - .+\))": {
        r"da = dh[:, t] * \1 + dprev_h": "the derivative of tanh multiplies dh alone, not what "
        "comes back from the timestep after",
        r"da = dh[:, t] + dprev_h * \1": "the derivative of tanh multiplies what comes back from "
        "the timestep after, not dh",
    },
    r"dscores = \(probs - target\) \* (.+) / N": {
        r"dscores = (probs * \1 - target) / N":
            "the mask reaches the probabilities alone, and masked targets are subtracted too",
        r"dscores = (probs - target * \1) / N":
            "the mask reaches the targets alone, and masked probabilities stay",
        r"dscores = probs * (1 - probs) * \1 / N":
            "the gradient is that of each word's own probability",
    },
    r"(loss = .+)target \* logp(.+)": {
        r"\1target * (logp + scores.max(axis=2, keepdims=True))\2":
            "the maximum is subtracted in the sum of exponentials alone, not from the score",
        r"\1-(target - probs)**2\2": "the squared error stands where the cross-entropy belongs",
        r"\1target * logp + (1 - target) * np.log(1 - probs)\2":
            "the loss of yes or no for each word stands where that of one word out of V belongs",
    },
    r"out = W\[x\]": {
        "out = W[x.T]": "the ids are read transposed",
        "out = W[(x + 1) % len(W)]": "each word is the next one: ids are one too large",
        "out = W[x - 1]": "each word is the one before: ids are one too small",
    },
    r"np\.add\.at\(dW, x, dout\)": {
        "dW[x] += dout": "a word met several times keeps its last gradient alone: += with an "
        "array of ids adds once for each; np.add.at(dW, x, dout) adds every time",
        "np.add.at(dW, x[:, 0], dout[:, 0])": "only the first timestep is added up",
        "np.add.at(dW, x[:, -1], dout[:, -1])": "only the last timestep is added up",
        "np.add.at(dW, x, 1)": "words are counted, and dout is left out",
    },
    r"out = x @ W \+ b": {
        "out = x.swapaxes(0, 1).reshape(x.shape) @ W + b":
            "batch and time are exchanged before the reshape, and the rows mixed",
    },
    r"dW = \(x(.+) \* dout(.+)\)\.sum\(axis=\(0, 1\)\)": {
        r"dW = (x.swapaxes(0, 1).reshape(x.shape)\1 * dout\2).sum(axis=(0, 1))":
            "batch and time of x are exchanged: its rows do not belong to those of dout",
    },
    r"(\w+) \+= (.+)": {
        r"\1 = \2": r"\1 is overwritten: = instead of +=",
        r"\1 -= \2": r"\1 is subtracted from: -= instead of +=",
        "pass": r"nothing is added to \1",
        r"\1 = \1 + (\2 if t == T - 1 else 0)": r"\1 holds the last timestep's gradient alone",
    },
    r"(d?prev_\w) = (?!h0|c0|first_c|np)(.+)": {
        "pass": r"\1 is not carried on to the next timestep",
        r"\1 = \1 + \2": r"\1 adds up over the timesteps: += instead of =",
    },
    r"prev_h, prev_c = \(?next_h, next_c\)?": {
        "prev_c = next_c": "prev_h is not carried on to the next timestep",
        "prev_h = next_h": "prev_c is not carried on to the next timestep",
    },
    r"def \w+\(.*\bmask\)": {
        r"\g<0>:\n    mask = np.ones_like(mask)": "the mask is ignored",
        r"\g<0>:\n    mask = y != 0": "the mask is made of y, and the argument is ignored",
        r"\g<0>:\n    y = np.roll(y, -1, axis=1)": "y is read one timestep too late",
        r"\g<0>:\n    mask = ~mask": "the mask is inverted: True is where the target counts",
        r"\g<0>:\n    y = y[:, [0, *range(y.shape[1] - 1)]]": "y is read one timestep too early",
        r"\g<0>:\n    y = y[:, [*range(1, y.shape[1]), -1]]": "y is read one timestep too late",
    },
}  # fmt: skip


def expansions(table, text):
    """Yield (what is wrong, code) for each entry of a table that a text matches."""
    for pattern, entries in table.items():
        if match := re.fullmatch(pattern, text):
            for code, what in entries.items():
                new = match.expand(code)
                if new != text:
                    yield match.expand(what) or f"{new} stands where {text} belongs", new
