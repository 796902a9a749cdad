"""What a Python answer is made of, as sets that can be held against other answers'.

Rules:
- Elements of code: what it imports, attributes (with the module that they are of), keywords, constants, the kinds of its
  statements and expressions, names that no scope of its own binds; names that it binds over builtins, imports or what the
  question defines, and names with meaning that it defines (``__eq__``).
- None are names that it chooses freely, docstrings, annotations that only name types, and what every program does: assign, add
  and subtract, call, go through a sequence, take an item, and the constants that everybody uses.
- What is decided by, gone through, computed with or handed on is an element with what it stands in (a division in an index),
  unless it is a name or constant: simple parts that everybody uses can be put together to a condition.
- A default, a decorator, an annotation that does something, and what stands at the top of the program beside definitions and
  imports are elements of their own: there the same call does something else than in a body.
- What the question says is nobody's own: a constant that stands in it as it is does not count.
- An answer that is too large to be taken apart, or cannot be, has no parts; that is told, and is not an empty set.

Left out: words (``words``); how elements are put together otherwise, so that common ones may still hide something; and what
they are worth (``own``).
"""

import ast
import builtins
import re
from collections.abc import Iterator

import msgspec

from actors.consensus.reading.python_form import parse
from actors.consensus.reading.python_names import Names, names_of
from actors.consensus.reading.words import TYPES, Spelled, words_of

MAX_CHARS = 65_536
MAX_NODES = 6_000
MAX_SAID = 200
"""Characters of a constant that is looked for in the question."""
MAX_SEARCHES = 400
SMALL = 10**18
"""Greater integers are not written in decimal."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)*(?!\w)")
_SPOKEN = re.compile(r"\w+")
_DEFINED = re.compile(r"\b(?:def|class)\s+(\w+)")
_BUILTINS = frozenset(dir(builtins))
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_QUIET = (
    ast.Module, ast.expr_context, ast.arguments, ast.arg, ast.Name, ast.Constant, ast.Attribute, ast.keyword, ast.alias,
    ast.Pass, ast.FunctionDef, ast.Return, ast.Expr, ast.AnnAssign,
    ast.Assign, ast.AugAssign, ast.For, ast.Call, ast.Subscript, ast.BinOp, ast.Add, ast.Sub, ast.UnaryOp, ast.USub, ast.UAdd,
    ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp, ast.comprehension,
)  # fmt: skip
"""Kinds of nodes that say nothing, are told by what they hold, or stand in every program; a comprehension without condition."""
_COMMON = frozenset(map(repr, (0, 1, 2, "", " ", "\n", True, False, None)))
"""Constants that everybody uses, and that are tried as inputs."""
_IDLE = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.expr_context,
)  # fmt: skip
"""What annotations are made of that only name types."""
_ROLES = {
    "test": "test", "ifs": "test", "comparators": "operand", "left": "operand", "right": "operand", "operand": "operand",
    "values": "operand", "slice": "index", "iter": "sequence", "args": "argument", "func": "callee",
}  # fmt: skip
"""Fields of a node → the part that stands there."""
_ASSIGNS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.keyword)
_LEAVES = (ast.Name, ast.Constant, ast.UnaryOp)
_AT_TOP = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_FAILURES = (ValueError, RecursionError, MemoryError, OverflowError)


class Parts(msgspec.Struct, frozen=True):
    """What an answer is made of."""

    code: frozenset[str]
    words: frozenset[str]


class _Said(msgspec.Struct, frozen=True):
    """What the question says."""

    texts: frozenset[str]
    """Constants of the answer that stand in it as they are."""
    numbers: frozenset[str]


def parts_of(content: str, code: str, question: str) -> Parts | None:
    """Return the parts of an answer whose Python is ``code``; ``None`` if it cannot be taken apart. Never raises."""
    if len(content) > MAX_CHARS:
        return None
    try:
        return None if (tree := parse(code)) is None else _parts(tree, content, code, question)
    except _FAILURES:
        return None


def _parts(tree: ast.Module, content: str, code: str, question: str) -> Parts | None:
    documented = _documented(tree)
    _forget_docstrings(tree)
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        return None
    types, found = _annotated(tree)
    found |= _placed(tree)
    nodes = list(ast.walk(tree))  # without the annotations that only name types
    names = names_of(tree)
    imported = set(_imported(nodes))
    found |= {f"name {name}" for name in names.outer}
    found |= {f"binds {name}" for name in _bound_anew(names, imported, set(_stored(nodes)), question)}
    found |= {f"defines {name}" for name in names.inner | names.top if name.startswith("__") and name.endswith("__")}
    found |= set(_of_modules(nodes, imported))
    said = _Said(_said_texts(nodes, question[:MAX_CHARS]), frozenset(_NUMBER.findall(question[:MAX_CHARS])))
    found = found.union(
        *(_of_node(node, said) for node in nodes),
        *map(_put_together, nodes),
        *map(_variants, nodes),
        _sizes(len(nodes)),
    )
    free = (names.inner | names.top) - {node.name for node in nodes if isinstance(node, ast.alias) and not node.asname}
    compared = frozenset(name for node in nodes for name in _names(node)) - free
    return Parts(frozenset(found), words_of(content, code, question, Spelled(compared, free, types, documented)))


def _said_texts(nodes: list[ast.AST], question: str) -> frozenset[str]:
    """Return the text constants that stand in the question; most that do not are told by their words, without a search."""
    values = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    spoken = set(_SPOKEN.findall(question))
    likely = [value for value in values if len(value) <= MAX_SAID and spoken.issuperset(_SPOKEN.findall(value))]
    return frozenset(value for value in sorted(likely)[:MAX_SEARCHES] if value.strip() and value in question)


def _bound_anew(names: Names, imported: set[str], stored: set[str], question: str) -> set[str]:
    """Return the names whose meaning the program changes, everywhere or in one of its scopes."""
    given = imported | names.top | set(_DEFINED.findall(question))
    return set((names.inner | names.top) & _BUILTINS) | (names.inner & given) | (imported & stored)


def _imported(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _stored(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the names that are bound otherwise than by an import."""
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def _of_modules(nodes: list[ast.AST], imported: set[str]) -> Iterator[str]:
    """Yield what is taken from imports by name, and the imports that are handed on as values."""
    bases = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            yield f"attribute {node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name) and node.id in imported and id(node) not in bases:
            yield f"import {node.id} used"


def _documented(tree: ast.Module) -> tuple[str, ...]:
    """Return the docstrings as they are shown, whatever escapes they are written in."""
    found = (ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, _DOCUMENTED))
    return tuple(text for text in found if text is not None)


def _forget_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield every name, text and number that a node holds itself."""
    for _, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, bytes):
                yield each.decode("latin-1")
            elif isinstance(each, str):
                yield each
            elif isinstance(each, int | float) and abs(each) < SMALL:
                yield repr(each)


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node uses, and that are elements where they are not its own."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.alias):
        yield from node.name.split(".")
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg


def _annotated(tree: ast.Module) -> tuple[frozenset[str], set[str]]:
    """Take out the annotations that only name types; return what they say, and an element for each other."""
    said: set[str] = set()
    found: set[str] = set()
    known = TYPES | set(_imported(list(ast.walk(tree)))) | {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.AnnAssign) and node.value is None:
            found.add("annotation without a value")
        for field in ("annotation", "returns"):
            annotation = getattr(node, field, None)
            if not isinstance(annotation, ast.expr):
                continue
            if all(_is_idle(part, known) for part in ast.walk(annotation)):
                said.update(text for part in ast.walk(annotation) for text in _texts(part))
                setattr(node, field, ast.Constant(value=None) if isinstance(node, ast.AnnAssign) else None)
            else:
                found.add(f"annotation {type(annotation).__name__}")
    return frozenset(said), found


def _is_idle(part: ast.AST, known: frozenset[str] | set[str]) -> bool:
    """Tell whether a part of an annotation only names types: evaluating it, where that is done, does nothing."""
    if isinstance(part, ast.Name):
        return part.id in known
    if isinstance(part, ast.Attribute):
        return isinstance(part.value, ast.Name)
    return isinstance(part, _IDLE)


def _placed(tree: ast.Module) -> set[str]:
    """Return the elements that are such for where they stand."""
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    found = {
        f"top {type(node).__name__}" for body in bodies for node in body if not isinstance(node, (*_AT_TOP, ast.Pass))
    }
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            given = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
            found |= {f"default {type(each).__name__}" for each in given}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= {f"decorator {type(each).__name__}" for each in node.decorator_list}
    return found


def _of_node(node: ast.AST, said: _Said) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield f"attribute {node.attr}" if isinstance(node.ctx, ast.Load) else f"changes attribute {node.attr}"
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        yield "changes an item"
    elif isinstance(node, ast.MatchClass):
        yield from (f"attribute {name}" for name in node.kwd_attrs)
    elif isinstance(node, ast.keyword):
        yield f"keyword {node.arg}"
    elif isinstance(node, ast.alias):
        yield f"import {node.name} as {node.asname}" if node.asname else f"import {node.name}"
    elif isinstance(node, ast.ImportFrom):
        yield f"from {node.level} {node.module}"
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield "kind comprehension with a condition"
    elif isinstance(node, ast.Constant) and (constant := _constant(node.value, said)):
        yield constant
    if not isinstance(node, _QUIET):
        yield f"kind {type(node).__name__}"


def _variants(node: ast.AST) -> Iterator[str]:
    """Yield what makes a statement or expression do more than its kind says."""
    if isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "catches everything"
    elif isinstance(node, ast.Try) and node.finalbody:
        yield "finally"
    elif isinstance(node, ast.For | ast.AsyncFor | ast.While) and node.orelse:
        yield "loop with else"
    elif isinstance(node, ast.FormattedValue) and node.conversion != -1:
        yield f"conversion {node.conversion}"
    elif isinstance(node, ast.Slice) and node.step is not None:
        yield "slice with a step"


def _sizes(count: int) -> Iterator[str]:
    """Yield how large a program is, so that one that is far larger than most has something of its own."""
    for power in range(count.bit_length()):
        yield f"nodes {1 << power}"


def _put_together(node: ast.AST) -> Iterator[str]:
    for field, value in ast.iter_fields(node):
        role = "value" if field == "value" and isinstance(node, _ASSIGNS) else _ROLES.get(field, "")
        for part in (value if isinstance(value, list) else (value,)) if role else ():
            if isinstance(part, ast.expr) and not isinstance(part, _LEAVES):
                yield f"{role} of {type(node).__name__}: {type(part).__name__}"


def _constant(value: object, said: _Said) -> str:
    """Return the element of a constant; empty if the question says it, or everybody does."""
    is_large = isinstance(value, int) and abs(value) >= SMALL
    text = hex(value) if is_large and isinstance(value, int) else repr(value)
    is_said = value in said.texts if isinstance(value, str) else text in said.numbers
    return "" if is_said or text in _COMMON else f"constant {type(value).__name__} {text}"
