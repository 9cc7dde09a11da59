"""Mistakes, made systematically: each line of the textbook, changed in the ways people get wrong.

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

SOURCE = vars(textbook).get("PACKED") or inspect.getsource(textbook)
CODE = {
    node.name: ast.unparse(node).replace(" ** ", "**").splitlines()
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.FunctionDef)
}
ELEMENTARY = {"sigmoid", "softmax", "log_softmax"}


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


def _in_pieces(lines, shapes):
    """Yield (cost, what is wrong, line number, new line) for each expression of each line."""
    defined = {*re.findall(r"\w+", lines[0])}
    for k, line in enumerate(lines[1:], 1):
        code = line.strip()
        tree = ast.parse(code + " pass" * code.endswith(":")).body[0]
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
