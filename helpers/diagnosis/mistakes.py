"""Mistakes, made systematically: each line of a solution, changed in the ways people get wrong.

To the patterns below comes what holds for all code: a term or a factor left out, a wrong sign, a
name in the place of another of its shape, two of them exchanged. A pattern, of a whole text, is
followed by what may stand in the place of the text, and by what is wrong then; where that is not
said, it is "CODE stands where TEXT belongs".
"""

import ast
import re
from functools import cache
from itertools import combinations, permutations

import numpy as np

from helpers.diagnosis import textbook
from helpers.diagnosis.calling import source_of

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
SIGNS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
OPPOSITE = {"+": "-", "-": "+", "*": "/", "/": "*"}


def _lines(node):
    return ast.unparse(node).replace(" ** ", "**").splitlines()


SOURCE = source_of(textbook)
FUNCTIONS = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.FunctionDef)]
CODE = {node.name: _lines(node) for node in FUNCTIONS}
ELEMENTARY = {"sigmoid", "softmax", "log_softmax"}


def hypotheses(case, code=None):
    """Yield what each mistake computes on a case: (cost, sentence, outputs, code with it).

    Inputs: code: dict from the names of functions to their lines; by default the textbook's
    """
    code, space = code or CODE, {}
    exec(SOURCE, space)
    for lines in code.values():
        exec("\n".join(lines), space)
    names = _called(case.name)
    if case.backward:  # the forward pass is right
        names = names - _called(case.forward_name) or {case.name}
    for name in sorted(names):
        right = space[name]
        for cost, text, new in mutants(code[name], _shapes(case, code[name], space)):
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
    """Yield (cost, sentence, lines) of each mistake in a function; the lower, the likelier.

    One thing is changed at a time, or the same thing in all lines of a kind.

    Inputs: lines: of the function's source; shapes: dict from the names in it to their shapes
    """
    groups: dict[str, list] = {}
    for cost, what, k, new in [*_in_pieces(lines, shapes), *_in_whole(lines, shapes)]:
        line = lines[k].strip().removesuffix(":")
        text = f"{what} (in {line})" if k else what
        yield cost, text, [*lines[:k], new, *lines[k + 1 :]]
        groups.setdefault(_kind(f"{what} {line}"), []).append((cost, text, k, new))
    for several in groups.values():
        changes = {k: new for *_, k, new in several}
        if 1 < len(changes) == len(several) <= 4:
            others = ", ".join(re.split(r" \+?= ", lines[k].strip())[0] for k in [*changes][1:])
            text = f"{several[0][1]}, and likewise for {others}"
            yield several[0][0] + 0.5, text, [changes.get(k, x) for k, x in enumerate(lines)]


def _kind(text):
    """Return a text without the letters of gates and weights: alike for lines of a kind."""
    text = re.sub(r"\b(d?|a|da_)[ifo]\b", r"\1?", text)
    return re.sub(r"\b(d?)(Wx|Wh|Wattn|b|x|prev_h|attn)\b", r"\1#", text)


def _in_pieces(lines, shapes):
    """Yield (cost, what is wrong, line number, new line) for each expression of each line."""
    defined = {*re.findall(r"\w+", lines[0])}
    for k, line in enumerate(lines[1:], 1):
        code = line.strip()
        tree = ast.parse(code + " pass" * code.endswith(":")).body[0]
        start = line[: len(line) - len(code)]
        for node in ast.walk(tree):
            if isinstance(node, ast.expr):
                text = code[node.col_offset : node.end_col_offset]
                before, after = code[: node.col_offset], code[node.end_col_offset :]
                later = 0.2 * isinstance(tree, ast.Return)
                for cost, what, new in _alternatives(node, text, shapes, defined):
                    yield cost + later, what, k, f"{start}{before}({new}){after}"
        defined |= {*re.findall(r"\w+", line)} & shapes.keys()


def _alternatives(node, text, shapes, defined):
    """Yield (cost, what is wrong, code) for what may stand in the place of one expression."""
    yield from ((1, what, code) for what, code in expansions(EXPRESSIONS, text))
    if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        yield from _of_operation(node, SIGNS[type(node.op)])
    if isinstance(node, ast.Name) and shapes.get(text):
        for other in sorted(defined & shapes.keys() - {text}):
            if shapes[other] == shapes[text]:
                cost = 1.5 if other[-1] == text[-1] else 1.6
                yield cost, f"{other} stands where {text} belongs", other
        yield 2, f"{text} is left out: zeros stand in its place", f"0 * {text}"
    if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 4:
        names = [ast.unparse(each) for each in node.elts]
        if "".join(name[-1] for name in names) == "ifog":
            for order in permutations(names):
                said = ", ".join(name[-1] for name in order)
                code = f"[{', '.join(order)}]"
                yield 1, f"the gates stand in the order {said} instead of i, f, o, g", code


def _of_operation(node, sign):
    """Yield (cost, what is wrong, code) for a sum or a product: each of its two parts in turn."""
    left, right = (_lines(each)[0] for each in (node.left, node.right))
    parts = [(right, f"({left})", sign)]
    if SIGNS.get(type(getattr(node.left, "op", None))) not in (sign, OPPOSITE[sign]):
        first = "+" if sign in "+-" else "*"
        parts.append((left, f"{'1' * (first == '*')} {sign} ({right})", first))
    for term, rest, sign in parts:
        other = f"{rest} {OPPOSITE[sign]} ({term})"
        if sign in "+-":
            likely = 1 + 0.1 * (left == "1")  # of a derivative, on which there are patterns
            yield likely, f"the term {term} is missing", rest
            yield likely, f"the term {term} has the wrong sign", other
            yield 2, f"the term {term} counts twice", f"{rest} {sign} 2 * ({term})"
            yield 2, f"{left} and {right} are multiplied instead of added", f"({left}) * ({right})"
        else:
            how, wrong = ("multiplied", "divided")[:: 1 if sign == "*" else -1]
            what = "factor" if sign == "*" else "division by"
            yield 1.1, f"the {what} {term} is missing", rest
            yield 2, f"it is {wrong} by {term} instead of {how}", other


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
