"""Mistakes, made systematically: each line of a function changed in the ways that people get wrong.

To the patterns of `families` come what holds for all expressions: a term or a factor left out, a
sign, a name in the place of another of its shape, two of them exchanged.
"""

import ast
import re
from itertools import combinations, permutations

from helpers.diagnosis.families import EXPRESSIONS, FIRST_LINES, LINES, expansions


def mutants(function, shapes):
    """Change one thing at a time in a function, and the same thing in all lines of a kind.

    Inputs:
        function: ast.FunctionDef, which is changed meanwhile, and is as it was in the end
        shapes: dict from the names in it to their shapes
    Returns: iterator of (cost, sentence); while it stands at one, `function` holds the mistake.
        The lower the cost, the likelier the mistake.
    """
    groups: dict[str, list] = {}
    for cost, kind, text, *place, new in [
        *_in_lines(function, shapes),
        *_of_lines(function, shapes),
    ]:
        yield from _made(cost, text, [(*place, new)])
        groups.setdefault(kind, []).append((cost, text, (*place, new)))
    for several in groups.values():
        if 1 < len(several) <= 4:
            texts = "; ".join(text for _, text, _ in several)
            yield from _made(several[0][0] + 0.5, texts, [change for *_, change in several])
    yield from _first_lines(function, shapes)


def _made(cost, text, changes):
    kept = [_get(holder, field) for holder, field, _ in changes]
    for holder, field, new in changes:
        _set(holder, field, new)
    yield cost, text
    for (holder, field, _), old in zip(changes, kept, strict=True):
        _set(holder, field, old)


def _get(holder, field):
    return holder[field] if isinstance(holder, list) else getattr(holder, field)


def _set(holder, field, value):
    if isinstance(holder, list):
        holder[field] = value
    else:
        setattr(holder, field, value)


def _source(node):
    return ast.unparse(node).replace(" ** ", "**")


def _kind(text):
    """Return a text without the letters of gates and weights: alike for lines of a kind."""
    text = re.sub(r"\b(d?|a|da_)[ifo]\b", r"\1?", text)
    return re.sub(r"\b(d?)(Wx|Wh|Wattn|b|x|prev_h|attn)\b", r"\1#", text)


def _in_lines(function, shapes):
    """Yield (cost, kind, sentence, holder, field, new) for each expression of each line."""
    defined = {argument.arg for argument in function.args.args}
    for statement in _walk(function.body):
        line = _source(statement).partition("\n")[0]
        later = 0.2 if isinstance(statement, ast.Return) else 0
        roots: list[tuple] = [
            (statement, f) for f in ("iter", "value", "target") if hasattr(statement, f)
        ]
        roots += [(statement.targets, 0)] if isinstance(statement, ast.Assign) else []
        for holder, field, parent in (slot for h, f in roots for slot in _slots(h, f, None)):
            node = _get(holder, field)
            for cost, what, code in _alternatives(node, parent, shapes, defined):
                if new := _expression(code, node):
                    text = f"{what} (in {line})"
                    yield cost + later, _kind(f"{what} {line}"), text, holder, field, new
        names = (n.id for n in ast.walk(statement) if isinstance(n, ast.Name))
        defined |= {name for name in names if name in shapes}


def _walk(body):
    for statement in body:
        yield statement
        yield from _walk(getattr(statement, "body", []))


def _slots(holder, field, parent):
    """Yield each expression within one, by where it stands and what it is a part of."""
    node = _get(holder, field)
    yield holder, field, parent
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            yield from _slots(node, name, node)
        for k, each in enumerate(value if isinstance(value, list) else []):
            if isinstance(each, ast.expr):
                yield from _slots(value, k, node)


def _expression(code, old):
    """Parse what stands in the place of an old expression; None where a pattern cut it badly."""
    try:
        new = ast.parse(f"({code})", mode="eval").body
    except SyntaxError:
        return None
    if isinstance(getattr(old, "ctx", None), ast.Store):
        for each in (new, *getattr(new, "elts", [])):
            each.ctx = ast.Store()
    return new


def _alternatives(node, parent, shapes, defined):
    """Yield (cost, what is wrong, code) for what may stand in the place of one expression."""
    text = _source(node)
    yield from ((1, what, code) for what, code in expansions(EXPRESSIONS, text))
    if isinstance(node, ast.BinOp):
        above = getattr(parent, "op", None)
        if isinstance(node.op, (ast.Add, ast.Sub)) and not isinstance(above, (ast.Add, ast.Sub)):
            yield from _of_sum(node)
        if isinstance(node.op, (ast.Mult, ast.Div)) and not isinstance(above, (ast.Mult, ast.Div)):
            yield from _of_product(node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        making = isinstance(parent, ast.Call) and _source(parent.func).startswith("np.zeros")
        if text in shapes and not making:
            yield from _of_name(text, shapes, defined)
    elif isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 4:
        names = [_source(each) for each in node.elts]
        if "".join(name[-1] for name in names) == "ifog":
            for order in permutations(names):
                said = ", ".join(name[-1] for name in order)
                brackets = "[{}]" if isinstance(node, ast.List) else "{}"
                yield 1, f"the gates stand in the order {said} instead of i, f, o, g", \
                    brackets.format(", ".join(order))  # fmt: skip


def _chain(node, plus, minus):
    """Take a sum or a product apart. Returns: list of (whether plus or times, expression)"""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, (plus, minus))):
        return [(True, _source(node))]
    return [*_chain(node.left, plus, minus), (isinstance(node.op, plus), _source(node.right))]


def _sum(terms):
    return "0" + "".join(f" {'+' if plus else '-'} ({term})" for plus, term in terms)


def _product(factors):
    return "1" + "".join(f" {'*' if times else '/'} ({factor})" for times, factor in factors)


def _of_sum(node):
    terms = _chain(node, ast.Add, ast.Sub)
    if terms[0][1] == "1":
        return
    for k, (plus, term) in enumerate(terms):
        rest = [*terms[:k], *terms[k + 1 :]]
        yield 1, f"the term {term} is missing", _sum(rest)
        yield 1, f"the term {term} has the wrong sign", _sum([*rest, (not plus, term)])
    for (_, one), (_, other) in combinations(terms, 2):
        rest = [term for term in terms if term[1] not in (one, other)]
        product = _sum([*rest, (True, f"({one}) * ({other})")])
        yield 2, f"{one} and {other} are multiplied instead of added", product
        if "@" in one and "@" in other:
            (x, W), (y, V) = one.split(" @ "), other.split(" @ ")
            exchanged = _sum([*rest, (True, f"{x} @ {V}"), (True, f"{y} @ {W}")])
            yield 1, f"{W} and {V} are exchanged", exchanged


def _of_product(node):
    factors = _chain(node, ast.Mult, ast.Div)
    for k, (times, factor) in enumerate(factors):
        rest = [*factors[:k], *factors[k + 1 :]]
        others = " * ".join(each for _, each in rest)
        what = "the factor" if times else "the division by"
        if not factor.startswith("1 - "):
            yield 1, f"{what} {factor} is missing", _product(rest)
        done = "multiplied" if times else "divided"
        instead = "divided by" if times else "multiplied with"
        yield (
            2,
            f"it is {instead} {factor} instead of {done}",
            _product([*rest, (not times, factor)]),
        )
        terms = _chain(ast.parse(factor, mode="eval").body, ast.Add, ast.Sub)
        if len(terms) == 2 and terms[0][1] != "1":
            for one, other in (terms, terms[::-1]):
                only = _sum([other, (one[0], _product([*rest, (True, one[1])]))])
                yield 1, f"{others} multiplies {one[1]} alone, not the whole sum", only
    for one, other in combinations(factors, 2):
        if one[0] and other[0] and len(factors) > 2:
            rest = [each for each in factors if each not in (one, other)]
            yield 2, f"the factors {one[1]} and {other[1]} are missing", _product(rest)
    if len(factors) == 2 and factors[1][0]:
        yield 2, "it is added instead of multiplied", _sum(factors)


def _of_name(name, shapes, defined):
    shape = shapes[name]
    for other in sorted(defined):
        if shapes.get(other) == shape and other != name:
            yield (
                (1.5 if other[-1] == name[-1] else 1.6),
                f"{other} stands where {name} belongs",
                other,
            )
        if other in ("dh", "h", "c") and len(shapes.get(other, ())) == len(shape) + 1 == 3:
            yield 2, f"{other}[:, t] stands where {name} belongs", f"{other}[:, t]"
            yield 2, f"{other}[:, t - 1] stands where {name} belongs", f"{other}[:, t - 1]"
    if shape:
        yield 2, f"{name} is left out: zeros stand in its place", f"(0 * {name})"


def _of_lines(function, shapes):
    """Yield (cost, kind, sentence, holder, field, new) for whole lines."""
    loops = [s.body for s in function.body if isinstance(s, ast.For)]
    for body in (function.body, *loops):
        for k, statement in enumerate(body):
            line = _source(statement)
            for what, code in expansions(LINES, line):
                if body not in loops and line.startswith(("prev_", "dprev_")):
                    continue
                yield 1, _kind(f"{what} {line}"), f"{what} (in {line})", body, k, _parsed(code)
            if not isinstance(statement, ast.Assign):
                continue
            for text, code in _exchanges(statement, shapes):
                yield 1.5, text, f"{text} (in {line})", body, k, _parsed(code)
            target = _source(statement.targets[0])
            for name, shape in sorted(shapes.items()):
                if shape and name != target and shape == shapes.get(target):
                    yield (
                        3,
                        name,
                        f"{name} is added (in {line})",
                        body,
                        k,
                        _parsed(f"{line} + {name}"),
                    )
            after = _source(body[k + 1]) if k + 1 < len(body) else ""
            if re.fullmatch(r"\w+ = \w+\n\w+ = \w+", pair := f"{line}\n{after}"):
                (a, b), (c, d) = (each.split(" = ") for each in pair.split("\n"))
                text = f"{b} and {d} are exchanged (in {line}; {after})"
                both = [_parsed(f"{a}, {c} = {d}, {b}"), ast.Pass()]
                yield 1, text, text, body, slice(k, k + 2), both


def _parsed(code):
    return ast.parse(code).body[0]


def _exchanges(statement, shapes):
    """Yield (sentence, code) for each two names of one shape in a line, exchanged."""
    value = _source(statement.value)
    names = {
        n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name) and shapes.get(n.id)
    }
    for one, other in combinations(sorted(names), 2):
        if shapes[one] == shapes[other]:
            swapped = re.sub(rf"\b{one}\b", "\0", value)
            code = re.sub(rf"\b{other}\b", one, swapped).replace("\0", other)
            yield f"{one} and {other} are exchanged", f"{_source(statement.targets[0])} = {code}"


def _first_lines(function, shapes):
    names = [argument.arg for argument in function.args.args]
    lines = [line for name in names for line in FIRST_LINES.get(name, [])]
    for one, other in combinations(names, 2):
        if shapes.get(one) and shapes.get(one) == shapes.get(other):
            lines.append((f"{one} and {other} are exchanged", f"{one}, {other} = {other}, {one}"))
    for what, code in lines:
        function.body.insert(0, _parsed(code))
        yield 1, what
        del function.body[0]
