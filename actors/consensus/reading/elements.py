"""What a Python answer is made of, as sets that can be held against other answers'.

Rules:
- Elements of code: what it imports, builtins and names that it uses and does not bind itself, attributes, keywords, constants,
  the kinds of its statements and expressions, builtins that it binds anew, and names with meaning that it defines (``__eq__``).
  Names it chooses freely are none, nor are docstrings and plain annotations, arithmetic, loops over what is given, and the
  constants that everybody uses: a payload takes a branch, a name or a constant more.
- A default, a decorator, an annotation that does something, and what stands at the top of the program beside definitions and
  imports are elements of their own: there the same call does something else than in a body.
- Words: what stands in comments, docstrings and prose around the code, and not in the code itself. Words that only describe data
  and computation (``plain_words``) are none, nor are numbers but those that may be an address.
- What the question says is nobody's own: constants and words that stand in it do not count.
- An answer that is too large to be taken apart, or cannot be, has no parts; that is told, and is not an empty set.

Left out: how elements are put together; and what they are worth (``own``).
"""

import ast
import builtins
import re
from collections.abc import Iterator
from keyword import kwlist, softkwlist

import msgspec

from actors.consensus.reading.plain_words import PLAIN_WORDS
from actors.consensus.reading.python_form import parse

MAX_CHARS = 65_536
MAX_NODES = 6_000
SMALL = 10**18
"""Greater integers are not written in decimal."""
_WORD = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+){2,}")
_SAID = re.compile(r"\w+")
_ALWAYS = frozenset({"python3", "py", "python", *kwlist, *softkwlist})
_BUILTINS = frozenset(dir(builtins))
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
_QUIET = (
    ast.Module, ast.expr_context, ast.arguments, ast.arg, ast.Name, ast.Constant, ast.Attribute, ast.keyword, ast.alias,
    ast.Pass, ast.FunctionDef, ast.Return, ast.Expr, ast.AnnAssign,
    ast.Assign, ast.AugAssign, ast.For, ast.Call, ast.Subscript, ast.Slice, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.FloorDiv, ast.Mod, ast.UnaryOp, ast.USub, ast.UAdd, ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp,
    ast.comprehension,
)  # fmt: skip
"""Kinds of nodes that say nothing, or are told by what they hold; and those of computing straight on, which inputs show."""
_COMMON = frozenset(map(repr, (0, 1, 2, -1, "", True, False, None)))
"""Constants that everybody uses, and that are tried as inputs."""
_IDLE = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.expr_context,
)  # fmt: skip
"""What annotations are made of that only name types."""
_AT_TOP = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_FAILURES = (ValueError, RecursionError, MemoryError, OverflowError)


class Parts(msgspec.Struct, frozen=True):
    """What an answer is made of."""

    code: frozenset[str]
    words: frozenset[str]


def parts_of(content: str, code: str, question: str) -> Parts | None:
    """Return the parts of an answer whose Python is ``code``; ``None`` if it cannot be taken apart. Never raises."""
    if len(content) > MAX_CHARS:
        return None
    try:
        tree = parse(code)
        return None if tree is None else _parts(tree, content, question)
    except _FAILURES:
        return None


def _parts(tree: ast.Module, content: str, question: str) -> Parts | None:
    _forget_docstrings(tree)
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        return None
    compared = {word for node in nodes for text in _texts(node) for word in _WORD.findall(text)}
    said = set(_SAID.findall(question))
    words = frozenset(_WORD.findall(content)) - _ALWAYS - compared - said
    words = frozenset(word for word in words if word.lower() not in PLAIN_WORDS)
    found = _annotated(tree) | _placed(tree)
    nodes = list(ast.walk(tree))  # without the annotations that only name types
    bound = {name for node in nodes for name in _bound(node)}
    found |= {f"binds {name}" for name in bound & _BUILTINS}
    found |= {f"defines {name}" for name in bound if name.startswith("__") and name.endswith("__")}
    return Parts(frozenset(found.union(*(_of_node(node, bound, said) for node in nodes))), words)


def _forget_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield every name and text that a node holds itself."""
    for _, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, bytes):
                yield each.decode("latin-1")
            elif isinstance(each, str):
                yield each


def _annotated(tree: ast.Module) -> set[str]:
    """Take out the annotations that only name types; return an element for each other."""
    found = set()
    for node in list(ast.walk(tree)):
        for field in ("annotation", "returns"):
            annotation = getattr(node, field, None)
            if not isinstance(annotation, ast.expr):
                continue
            if all(isinstance(part, _IDLE) for part in ast.walk(annotation)):
                setattr(node, field, ast.Constant(value=None) if isinstance(node, ast.AnnAssign) else None)
            else:
                found.add(f"annotation {type(annotation).__name__}")
    return found


def _placed(tree: ast.Module) -> set[str]:
    """Return the elements that are such for where they stand."""
    found = {f"top {type(node).__name__}" for node in tree.body if not isinstance(node, _AT_TOP)}
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            given = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
            found |= {f"default {type(each).__name__}" for each in given}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= {f"decorator {type(each).__name__}" for each in node.decorator_list}
    return found


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, _NAMED) and node.name:
        yield node.name


def _of_node(node: ast.AST, bound: set[str], said: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and (node.id not in bound or node.id in _BUILTINS):
        yield f"name {node.id}"
    elif isinstance(node, ast.Attribute):
        yield f"attribute {node.attr}"
    elif isinstance(node, ast.keyword):
        yield f"keyword {node.arg}"
    elif isinstance(node, ast.alias):
        yield f"import {node.name}"
    elif isinstance(node, ast.ImportFrom):
        yield f"from {node.level} {node.module}"
    elif isinstance(node, ast.Constant) and (constant := _constant(node.value, said)):
        yield constant
    if not isinstance(node, _QUIET):
        yield f"kind {type(node).__name__}"


def _constant(value: object, said: set[str]) -> str:
    """Return the element of a constant; empty if the question says it."""
    is_large = isinstance(value, int) and abs(value) >= SMALL
    text = hex(value) if is_large and isinstance(value, int) else repr(value)
    if text in _COMMON:
        return ""
    words = set() if is_large else set(_SAID.findall(value if isinstance(value, str) else text))
    return "" if words and words <= said else f"constant {type(value).__name__} {text}"
