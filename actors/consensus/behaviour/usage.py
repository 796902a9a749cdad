"""The shape of a parameter told by how a function uses it, where neither example nor annotation says.

Rules:
- A value's methods, what it is compared with, and what builtins it is passed to tell its type; loops over it and subscripts
  tell what it holds, as the same evidence about those members.
- A sequence of one-letter texts may be a text itself: both are kept.
- No evidence, no shape (``any``).

Left out: what flows through assignments and calls of other functions.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice

from actors.consensus.behaviour.shapes import ANY, FLOAT, INT, STR, Shape

MAX_NODES = 5000
MAX_DEPTH = 3
_METHODS = {
    **dict.fromkeys("keys values items get setdefault".split(), "dict"),
    **dict.fromkeys("append extend insert sort".split(), "list"),
    **dict.fromkeys(
        "split strip lstrip rstrip lower upper swapcase title isalpha isdigit isupper islower isalnum isspace startswith endswith"
        " replace find encode join splitlines capitalize".split(),
        "str",
    ),
}
_BUILTINS = {
    **dict.fromkeys("range chr bin abs".split(), "int"),
    "ord": "str",
    **dict.fromkeys("len sum max min sorted enumerate set reversed zip".split(), "many"),
}
_ARITHMETIC = (ast.Mod, ast.FloorDiv, ast.Sub, ast.Div, ast.Pow)
_Evidence = Mapping[str, set[str]]


def shape_of_use(function: ast.FunctionDef, parameter: str) -> Shape:
    """Return the shape that a function's body gives a parameter, ``any`` if it tells none."""
    nodes = list(islice(ast.walk(function), MAX_NODES))
    names = _members(nodes)
    evidence: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        for key, tag in _told(node, names):
            evidence[key].add(tag)
    return _shape(evidence, parameter, MAX_DEPTH)


def _members(nodes: list[ast.AST]) -> dict[str, str]:
    """Return loop variable → key of what it runs over, as its members."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.For | ast.comprehension):
            target, source = node.target, node.iter
            if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) and source.func.id == "enumerate":
                target = target.elts[-1] if isinstance(target, ast.Tuple) and target.elts else target
                source = source.args[0] if source.args else source
            if isinstance(target, ast.Name) and (key := _key(source, names)) is not None:
                names[target.id] = f"{key}[]"
    return names


def _key(node: ast.AST, names: Mapping[str, str]) -> str | None:
    """Return the key of a name or of a member of one."""
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Subscript(value=value, slice=ast.Slice()):
            return _key(value, names)
        case ast.Subscript(value=value):
            inside = _key(value, names)
            return f"{inside}[]" if inside is not None else None
        case ast.Call(func=ast.Name(id="sorted" | "list" | "reversed" | "set"), args=[value, *_]):
            return _key(value, names)
    return None


def _told(node: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield key and tag of everything a node tells."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in _METHODS:
            yield from _tagged(value, _METHODS[method], names)
        case ast.Call(func=ast.Name(id=name), args=[value, *_]) if name in _BUILTINS:
            yield from _tagged(value, _BUILTINS[name], names)
        case ast.Compare(left=left, comparators=[right, *_]):
            yield from _compared(left, right, names)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _ARITHMETIC):
            if not (isinstance(left, ast.Constant) and isinstance(left.value, str)):
                yield from (*_tagged(left, "int", names), *_tagged(right, "int", names))
        case ast.For(iter=value) | ast.comprehension(iter=value):
            yield from _tagged(value, "many", names)


def _tagged(node: ast.AST, tag: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if (key := _key(node, names)) is not None:
        yield key, tag


def _compared(left: ast.expr, right: ast.expr, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for one, other in ((left, right), (right, left)):
        values = other.elts if isinstance(other, ast.List | ast.Tuple | ast.Set) else [other]
        kinds = {type(value.value) for value in values if isinstance(value, ast.Constant)}
        for kind, tag in ((str, "str"), (float, "float"), (int, "int")):
            if kind in kinds:
                yield from _tagged(one, tag, names)
                break


def _shape(evidence: _Evidence, key: str, depth: int) -> Shape:
    tags = evidence.get(key, set())
    for tag, shape in (("dict", Shape("dict", (STR, INT))), ("str", STR)):
        if tag in tags:
            return shape
    if depth and (f"{key}[]" in evidence or tags & {"many", "list"}):
        return _container(_shape(evidence, f"{key}[]", depth - 1), "list" in tags)
    return FLOAT if "float" in tags else INT if "int" in tags else ANY


def _container(member: Shape, surely_list: bool) -> Shape:
    held = Shape("list", (member if member != ANY else INT,))
    return held if surely_list or member not in {STR, ANY} else Shape("union", (held, STR))
