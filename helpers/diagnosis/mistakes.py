r"""Mistakes, made systematically: each line of the textbook, changed in the ways people get wrong.

To the patterns below come what holds for all code: a term or a factor left out, a wrong sign, a
name in the place of another of its shape, two of them exchanged.
"""

import ast
import inspect
import re
from functools import cache
from itertools import combinations, permutations

import numpy as np

from helpers.diagnosis import textbook

SOURCE = vars(textbook).get("PACKED") or inspect.getsource(textbook)
CODE = {
    node.name: ast.unparse(node).replace(" ** ", "**").splitlines()
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.FunctionDef)
}
ELEMENTARY = {"sigmoid", "softmax", "log_softmax"}

# A pattern of a whole expression, and what may stand in its place: code -> what is wrong, by
# default "CODE stands where EXPRESSION belongs". \1 is what the first bracket matched.
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

# The same for a whole line, which may become several.
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


def hypotheses(case, code=None):
    """Yield what each mistake computes on a case.

    Inputs:
        case: `cases.Case`
        code: dict from the names of functions to their lines; by default the textbook's
    Returns: iterator of (cost, sentence, dict from output to array, code with the mistake). The
        lower the cost, the likelier the mistake.
    """
    code, space = code or CODE, {}
    exec(SOURCE, space)
    for lines in code.values():
        exec("\n".join(lines), space)
    names = _called(case.name)
    if case.backward:  # the forward pass is right
        names = names - _called(case.forward_name) or {case.name}
    for name in sorted(names):
        lines, right = code[name], space[name]
        for cost, text, changes in mutants(lines, _shapes(case, lines, space)):
            new = [changes.get(k, line) for k, line in enumerate(lines)]
            try:
                exec("\n".join(new), space)
                with np.errstate(all="ignore"):
                    out = case.run(space)
            except Exception:  # many make no sense
                continue
            yield cost, text, out, code | {name: new}
        space[name] = right


@cache
def _called(name):
    """Return the names of a function of the textbook and of those that it calls."""
    names = {*re.findall(r"\w+", " ".join(CODE[name]))} & CODE.keys() - ELEMENTARY - {name}
    return {name}.union(*map(_called, names))


def _shapes(case, lines, space):
    """Return the shapes of all names in a function, as it runs on a case."""
    seen: dict = {}
    space["_see"] = seen.update
    exec("\n".join([*lines[:-1], "    _see(locals())", lines[-1]]), space)
    case.run(space)
    return {k: np.shape(v) for k, v in seen.items() if isinstance(v, (np.ndarray, int))}


def mutants(lines, shapes):
    """Yield (cost, sentence, dict from line number to line) of each mistake in a function.

    One thing is changed at a time, or the same thing in all lines of a kind.

    Inputs:
        lines: of the function's source
        shapes: dict from the names in it to their shapes
    """
    groups: dict[str, list] = {}
    for cost, what, k, new in [*_in_pieces(lines, shapes), *_in_whole(lines, shapes)]:
        line = lines[k].strip().removesuffix(":")
        text = what if line.startswith("def ") else f"{what} (in {line})"
        yield cost, text, {k: new}
        groups.setdefault(_kind(f"{what} {line}"), []).append((cost, text, k, new))
    for several in groups.values():
        changes = {k: new for *_, k, new in several}
        if 1 < len(changes) == len(several) <= 4:
            others = ", ".join(re.split(r" \+?= ", lines[k].strip())[0] for k in [*changes][1:])
            yield several[0][0] + 0.5, f"{several[0][1]}, and likewise for {others}", changes


def _kind(text):
    """Return a text without the letters of gates and weights: alike for lines of a kind."""
    text = re.sub(r"\b(d?|a|da_)[ifo]\b", r"\1?", text)
    return re.sub(r"\b(d?)(Wx|Wh|Wattn|b|x|prev_h|attn)\b", r"\1#", text)


def _parsed(line):
    return ast.parse(line.strip() + " pass" * line.endswith(":")).body[0]


def _in_pieces(lines, shapes):
    """Yield (cost, what is wrong, line number, new line) for each expression of each line."""
    defined = {*re.findall(r"\w+", lines[0])}
    for k, line in enumerate(lines[1:], 1):
        code, tree = line.strip(), _parsed(line)
        above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        start = line[: len(line) - len(code)]
        for node in ast.walk(tree):
            if isinstance(node, ast.expr):
                text = code[node.col_offset : node.end_col_offset]
                before, after = code[: node.col_offset], code[node.end_col_offset :]
                for cost, what, new in _alternatives(node, text, above[node], shapes, defined):
                    later = 0.2 * isinstance(tree, ast.Return)
                    yield cost + later, what, k, f"{start}{before}({new}){after}"
        defined |= {*re.findall(r"\w+", line)} & shapes.keys()


def _alternatives(node, text, parent, shapes, defined):
    """Yield (cost, what is wrong, code) for what may stand in the place of one expression."""
    yield from ((1, what, code) for what, code in expansions(EXPRESSIONS, text))
    for operators, change in (
        ((ast.Add, ast.Sub), _of_sum), ((ast.Mult, ast.Div), _of_product)
    ):  # fmt: skip
        inner = (
            isinstance(getattr(parent, "op", None), operators)
            and getattr(parent, "left", None) is node
        )
        if isinstance(node, ast.BinOp) and isinstance(node.op, operators) and not inner:
            yield from change(text)
    making = isinstance(parent, ast.Call) and "zeros" in ast.unparse(parent.func)
    if isinstance(node, ast.Name) and text in shapes and not making:
        yield from _of_name(text, shapes, defined)
    if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 4:
        names = [ast.unparse(each) for each in node.elts]
        if "".join(name[-1] for name in names) == "ifog":
            for order in permutations(names):
                said = ", ".join(name[-1] for name in order)
                code = f"[{', '.join(order)}]"
                yield 1, f"the gates stand in the order {said} instead of i, f, o, g", code


def _chain(node, *operators):
    """Take a sum or a product apart. Returns: list of (whether plus or times, expression)"""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, operators)):
        return [(True, ast.unparse(node).replace(" ** ", "**"))]
    last = _chain(node.right)[0][1]
    return [*_chain(node.left, *operators), (isinstance(node.op, operators[0]), last)]


def _sum(terms):
    return "0" + "".join(f" {'+' if plus else '-'} ({term})" for plus, term in terms)


def _product(factors):
    return "1" + "".join(f" {'*' if times else '/'} ({factor})" for times, factor in factors)


def _of_sum(text):
    terms = _chain(ast.parse(text, mode="eval").body, ast.Add, ast.Sub)
    if terms[0][1] == "1":
        return
    for k, (plus, term) in enumerate(terms):
        rest = [*terms[:k], *terms[k + 1 :]]
        yield 1, f"the term {term} is missing", _sum(rest)
        yield 1, f"the term {term} has the wrong sign", _sum([*rest, (not plus, term)])
        yield 2, f"the term {term} counts twice", _sum([*terms, (plus, term)])
    for (_, one), (_, other) in combinations(terms, 2):
        rest = [term for term in terms if term[1] not in (one, other)]
        product = _sum([*rest, (True, f"({one}) * ({other})")])
        yield 2, f"{one} and {other} are multiplied instead of added", product
        if "@" in one and "@" in other:
            (x, W), (y, V) = one.split(" @ "), other.split(" @ ")
            exchanged = _sum([*rest, (True, f"{x} @ {V}"), (True, f"{y} @ {W}")])
            yield 1, f"{W} and {V} are exchanged", exchanged
            both = _sum([*rest, (True, f"({x} + {y}) @ {W}")])
            yield 1.5, f"{x} and {y} are added, and {V} is not used", both


def _of_product(text):
    factors = _chain(ast.parse(text, mode="eval").body, ast.Mult, ast.Div)
    for k, (times, factor) in enumerate(factors):
        rest = [*factors[:k], *factors[k + 1 :]]
        others = " * ".join(each for _, each in rest)
        if not factor.startswith("1 - "):
            what = "the factor" if times else "the division by"
            yield 1, f"{what} {factor} is missing", _product(rest)
        done = "divided by" if times else "multiplied by"
        what = f"it is {done} {factor} instead of {'multiplied' if times else 'divided'}"
        yield 2, what, _product([*rest, (not times, factor)])
        terms = _chain(ast.parse(factor, mode="eval").body, ast.Add, ast.Sub)
        if len(terms) == 2 and terms[0][1] != "1":
            for one, other in (terms, terms[::-1]):
                only = _sum([other, (one[0], _product([*rest, (True, one[1])]))])
                does = "multiplies" if rest[0][0] else "divides"
                yield 1, f"{others} {does} {one[1]} alone, not the whole sum", only
    for one, other in combinations(factors, 2):
        if one[0] and other[0] and len(factors) > 2:
            rest = [each for each in factors if each not in (one, other)]
            yield 2, f"the factors {one[1]} and {other[1]} are missing", _product(rest)
    if len(factors) == 2 and factors[1][0]:
        yield 2, "it is added instead of multiplied", _sum(factors)


def _of_name(name, shapes, defined):
    shape = shapes[name]
    for other in sorted(defined & shapes.keys() - {name}):
        if shapes[other] == shape:
            cost = 1.5 if other[-1] == name[-1] else 1.6
            yield cost, f"{other} stands where {name} belongs", other
        if other in ("dh", "h", "c") and len(shapes[other]) == len(shape) + 1 == 3:
            for index in ("t", "t - 1"):
                code = f"{other}[:, {index}]"
                yield 2, f"{code} stands where {name} belongs", code
    if shape:
        yield 2, f"{name} is left out: zeros stand in its place", f"0 * {name}"


def _in_whole(lines, shapes):
    """Yield (cost, what is wrong, line number, new lines) for whole lines."""
    arguments = re.findall(r"\w+", lines[0])[2:]
    for one, other in combinations(arguments, 2):
        if shapes.get(one) and shapes.get(one) == shapes.get(other):
            line = f"{lines[0]}\n    {one}, {other} = {other}, {one}"
            yield 1, f"{one} and {other} are exchanged", 0, line
    for k, line in enumerate(lines):
        code = line.strip()
        start = line[: len(line) - len(code)]
        for what, new in expansions(LINES, code.removesuffix(":")):
            yield 1, what, k, start + new
        target, equals, value = code.partition(" = ")
        if not equals or code.startswith(("for ", "def ")):
            continue
        names = {*re.findall(r"\w+", value)}
        for one, other in combinations(sorted(shapes), 2):
            if shapes[one] and shapes[one] == shapes[other] and {one, other} <= names:
                new = re.sub(rf"\b{one}\b", "\0", value)
                new = re.sub(rf"\b{other}\b", one, new).replace("\0", other)
                yield 1.5, f"{one} and {other} are exchanged", k, f"{start}{target} = {new}"
        for name in sorted(shapes):
            if shapes[name] and name != target and shapes[name] == shapes.get(target):
                yield 3, f"{name} is added", k, f"{line} + {name}"
