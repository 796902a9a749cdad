"""The shape of a value: what types it is made of, told by an example, an annotation or a parameter's name.

Rules:
- Examples say most, annotations next, names least.
- What nothing tells is ``any``. Joining shapes keeps every alternative; ``any`` gives way to whatever is known.

Left out: classes, type variables, callables: they are ``any``.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from actors.base.python_source import parse_expression
from actors.consensus.behaviour.literals import Value

MAX_ALTERNATIVES = 4
MAX_DEPTH = 6
MAX_MEMBERS = 64
SCALARS = frozenset({"none", "bool", "int", "float", "complex", "str", "bytes"})
_SEQUENCES = frozenset({"list", "set", "frozenset"})
_ANNOTATIONS = {
    **{name: name for name in ("int", "float", "complex", "str", "bytes", "bool", "list", "tuple", "dict", "set", "frozenset")},
    "List": "list", "Sequence": "list", "Iterable": "list", "Collection": "list", "MutableSequence": "list",
    "Tuple": "tuple", "Dict": "dict", "Mapping": "dict", "DefaultDict": "dict", "Set": "set", "AbstractSet": "set",
    "FrozenSet": "frozenset", "Text": "str", "None": "none",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """A type and what it holds."""

    kind: str
    """A built-in type's name, ``none``, ``any``, or ``union``."""
    items: tuple["Shape", ...] = ()
    """Of a list or set one shape for all members; of a tuple one each; of a dict key and value; of a union its alternatives."""


ANY = Shape("any")
INT, FLOAT, STR = Shape("int"), Shape("float"), Shape("str")
_INTS, _STRS = Shape("list", (INT,)), Shape("list", (STR,))
_UNKNOWN = Shape("union", (INT, _INTS, STR))
_NAMES = (
    (Shape("list", (_INTS,)), "matrix grid board rows lists".split()),
    (Shape("dict", (STR, INT)), "d dict dictionary mapping map counts table".split()),
    (_STRS, "words strings strs names tokens lines sentences".split()),
    (_INTS, "arr array a_list l lst list nums numbers ints integers values xs ys items elements data seq sequence".split()),
    (STR, "s t s1 s2 str string text txt word sentence line message msg char c ch prefix suffix substring pattern".split()),
    (STR, "name key date file_name path brackets".split()),
    (FLOAT, "threshold ratio rate price radius temperature".split()),
    (INT, "n m k i j p q r x y z a b num number count index idx target limit size length width height side year base".split()),
)  # fmt: skip


def shape_of(value: Value, depth: int = MAX_DEPTH) -> Shape:
    """Return the shape of an example's value."""
    kind = "none" if value is None else type(value).__name__
    if depth == 0:
        return ANY
    if kind in SCALARS:
        return Shape(kind)
    if kind in _SEQUENCES:
        members = sorted(value, key=repr) if kind != "list" else value
        return Shape(kind, (joined(shape_of(item, depth - 1) for item in members[:MAX_MEMBERS]),))
    if kind == "tuple":
        return Shape(kind, tuple(shape_of(item, depth - 1) for item in value[:MAX_MEMBERS]))
    if kind == "dict":
        keys = joined(shape_of(key, depth - 1) for key in list(value)[:MAX_MEMBERS])
        return Shape(kind, (keys, joined(shape_of(item, depth - 1) for item in list(value.values())[:MAX_MEMBERS])))
    return ANY


def joined(shapes: Iterable[Shape]) -> Shape:
    """Return a shape that allows what any of these does; ``any`` for none."""
    return reduce(_join, shapes, ANY)


def _join(left: Shape, right: Shape) -> Shape:
    if right in {left, ANY}:
        return left
    if left == ANY:
        return right
    if left.kind == right.kind and left.kind != "union" and len(left.items) == len(right.items):
        return Shape(left.kind, tuple(map(_join, left.items, right.items)))
    known = left.items if left.kind == "union" else (left,)
    for shape in right.items if right.kind == "union" else (right,):
        known = _with(known, shape)
    return Shape("union", known) if len(known) > 1 else known[0]


def _with(known: tuple[Shape, ...], shape: Shape) -> tuple[Shape, ...]:
    for position, other in enumerate(known):
        if other.kind == shape.kind and len(other.items) == len(shape.items):
            return (*known[:position], _join(other, shape), *known[position + 1 :])
    return (*known, shape)[:MAX_ALTERNATIVES]


def shape_of_annotation(node: ast.expr | None, depth: int = MAX_DEPTH) -> Shape:
    """Return the shape an annotation names, ``any`` if none that is known here."""
    if node is None or depth == 0:
        return ANY
    match node:
        case ast.Constant(value=value):
            return Shape("none") if value is None else _of_text(value, depth)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _bare(_ANNOTATIONS.get(name, "any"))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _join(shape_of_annotation(left, depth - 1), shape_of_annotation(right, depth - 1))
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inside):
            parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            return _generic(name, parts, depth - 1)
    return ANY


def _of_text(text: object, depth: int) -> Shape:
    if not isinstance(text, str):
        return ANY
    try:
        return shape_of_annotation(parse_expression(text), depth - 1)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ANY


def _bare(kind: str) -> Shape:
    """Return a type named without what it holds."""
    inside = {"list": (ANY,), "set": (ANY,), "frozenset": (ANY,), "dict": (ANY, ANY), "tuple": (ANY, ANY)}
    return Shape(kind, inside.get(kind, ()))


def _generic(name: str, parts: list[ast.expr], depth: int) -> Shape:
    shapes = tuple(shape_of_annotation(part, depth) for part in parts if not _is_ellipsis(part))
    kind = _ANNOTATIONS.get(name, "any")
    if name == "Optional" and shapes:
        return joined((shapes[0], Shape("none")))
    if name == "Union":
        return joined(shapes)
    if kind == "tuple":
        return Shape(kind, shapes * 2 if len(shapes) < len(parts) else shapes)
    wanted = {"list": 1, "set": 1, "frozenset": 1, "dict": 2}.get(kind)
    return Shape(kind, shapes) if wanted == len(shapes) else _bare(kind)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def shape_of_name(name: str) -> Shape:
    """Guess a shape by a parameter's name."""
    plain = name.lower().strip("_")
    for shape, names in _NAMES:
        if plain in names or plain.rstrip("0123456789") in names:
            return shape
    for shape, names in _NAMES:
        if any(part in names for part in plain.split("_") if len(part) > 1):
            return shape
    return _UNKNOWN
