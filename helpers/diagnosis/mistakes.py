"""Mistakes, made systematically: each line of a solution, changed in the ways people get wrong.

To the patterns of `patterns` comes what holds for all code: a term or a factor left out, a wrong
sign, a name in the place of another of its shape, two of them exchanged.
"""

import ast
import inspect
import re
from functools import cache
from itertools import combinations, permutations

import numpy as np

from helpers.diagnosis import textbook
from helpers.diagnosis.patterns import EXPRESSIONS, LINES, expansions

SIGNS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
OPPOSITE = {"+": "-", "-": "+", "*": "/", "/": "*"}


def _lines(node):
    return ast.unparse(node).replace(" ** ", "**").splitlines()


SOURCE = vars(textbook).get("PACKED") or inspect.getsource(textbook)
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
