"""Checks in the code that make untrusted data harmless from there on.

Rules:
- A branch that leaves (returns, raises, aborts) when data fails a check makes the data checked after it; a branch entered only
  when data passes makes it checked inside.
- Checks are: membership in something, equality, character classes, a whole-text pattern, a path that was made canonical and
  lies under a folder, a predicate's verdict. An order (``n > MAX``) checks sizes alone.
- A prefix of a path that was not made canonical checks nothing; neither does a prefix of a URL without the slash after its host,
  a pattern that is open at the end, or ``".." in name`` alone.

Left out: whether a predicate of that name is any good.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from actors.consensus.screening.source import Source
from actors.consensus.screening.tables import ALL, HOST_PREFIX, PREDICATES

_CHARACTER_CLASSES = frozenset("isdigit isalnum isalpha isdecimal isidentifier isnumeric".split())
_LEAVING = re.compile(r"(^|\.)(abort|exit|_exit|fail|error|bad_request|forbidden|raise_\w+|send_error)$")


@dataclass(frozen=True, slots=True)
class Checked:
    """A name that a test checks, and for which categories."""

    name: str
    categories: frozenset[str]
    passes_when: bool
    """The test's outcome that says the data is fine."""


def leaves(body: list[ast.stmt], source: Source) -> bool:
    """Tell a branch after which nothing behind it runs."""
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return _LEAVING.search(source.plain(last.value.func)) is not None
    return isinstance(last, ast.Return | ast.Raise | ast.Continue | ast.Break)


def names_in(node: ast.AST) -> Iterator[str]:
    """Yield the plain names in an expression, and ``self.x`` as one."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self":
            yield f"self.{inner.attr}"


def checked(source: Source, test: ast.expr, canonical: set[str], holds: bool = True) -> Iterator[Checked]:
    """Yield what a test checks; ``canonical`` are the names of paths that were made so."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from checked(source, operand, canonical, not holds)
        case ast.BoolOp(values=values):
            for value in values:
                yield from checked(source, value, canonical, holds)
            if _dots_and_root(values):
                yield from (Checked(n, frozenset({"path"}), not holds) for v in values for n in names_in(v))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from _compared(source, left, op, right, holds)
        case ast.Call():
            yield from _called(source, test, canonical, holds)
        case ast.NamedExpr(value=value):
            yield from checked(source, value, canonical, holds)
        case ast.Attribute(value=value, attr=attr) if attr.startswith("is_"):
            yield from (Checked(name, ALL, fine) for name in names_in(value) for fine in (True, False))


def _compared(source: Source, left: ast.expr, op: ast.cmpop, right: ast.expr, holds: bool) -> Iterator[Checked]:
    if isinstance(right, ast.Constant) and right.value in {None, ""}:
        if isinstance(left, ast.Call):  # "match(...) is None"
            yield from checked(source, left, set(), holds != isinstance(op, ast.Is | ast.Eq))
        return
    if isinstance(op, ast.In | ast.NotIn):
        if source.is_constant(left):
            marks = source.constant(left)
            categories = {"header", "log"} if marks in {"\n", "\r", "\r\n"} else set()
            yield from (Checked(n, frozenset(categories), holds != isinstance(op, ast.In)) for n in names_in(right))
        else:
            yield from (Checked(n, ALL, holds == isinstance(op, ast.In)) for n in names_in(left))
    elif isinstance(op, ast.Eq | ast.NotEq):
        yield from (Checked(n, ALL, holds == isinstance(op, ast.Eq)) for side in (left, right) for n in names_in(side))
    elif isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        size = frozenset({"size"})
        yield from (Checked(n, size, fine) for side in (left, right) for n in names_in(side) for fine in (True, False))


def _called(source: Source, test: ast.Call, canonical: set[str], holds: bool) -> Iterator[Checked]:
    name = source.plain(test.func)
    method = name.rsplit(".", 1)[-1]
    receiver = test.func.value if isinstance(test.func, ast.Attribute) else None
    if method in {"match", "fullmatch", "search"}:
        if _whole_text(source, test, method):
            yield from (Checked(n, ALL, holds) for a in test.args for n in names_in(a))
    elif method == "startswith" and receiver is not None and test.args:
        categories = _prefix(source, receiver, test.args[0], canonical)
        yield from (Checked(n, categories, holds) for n in names_in(receiver))
    elif method in _CHARACTER_CLASSES and receiver is not None:
        yield from (Checked(n, ALL, holds) for n in names_in(receiver))
    elif method == "is_relative_to" and receiver is not None:
        if canonical & set(names_in(receiver)) or "resolve()" in source.plain(receiver):
            yield from (Checked(n, frozenset({"path"}), holds) for n in names_in(receiver))
    elif name == "isinstance" and len(test.args) == 2:
        number = bool({"int", "float", "bool"} & set(names_in(test.args[1])))
        yield from (Checked(n, ALL if number else frozenset({"nosql"}), holds) for n in names_in(test.args[0]))
    elif name in {"all", "any"} and test.args and isinstance(test.args[0], ast.GeneratorExp):
        generator = test.args[0]
        yield from (Checked(n, ALL, holds) for n in names_in(generator.generators[0].iter))
    elif PREDICATES.search(method) and method not in {
        "exists",
        "is_file",
        "is_dir",
        "isfile",
        "isdir",
        "islink",
        "is_valid",
    }:
        yield from (
            Checked(n, ALL, holds) for a in [*test.args, *(k.value for k in test.keywords)] for n in names_in(a)
        )


def _prefix(source: Source, receiver: ast.expr, prefix: ast.expr, canonical: set[str]) -> frozenset[str]:
    text = source.constant(prefix)
    if isinstance(text, str):
        return frozenset({"url", "redirect"}) if HOST_PREFIX.match(text) and text != "/" else frozenset()
    if canonical & set(names_in(receiver)) or "resolve()" in source.plain(receiver):
        return frozenset({"path"})
    return frozenset({"url", "redirect"}) if "url" in ast.unparse(prefix).lower() else frozenset()


def _whole_text(source: Source, test: ast.Call, method: str) -> bool:
    """Tell a match that covers the text from its beginning to its end."""
    if method == "fullmatch":
        return True
    pattern = _pattern(source, test)
    if pattern is None:
        return True  # unknown: the benefit of the doubt
    begins = method == "match" or pattern.startswith(("^", "\\A"))
    return begins and pattern.endswith(("$", "\\Z"))


def _pattern(source: Source, test: ast.Call) -> str | None:
    if source.plain(test.func).startswith("re."):
        found = source.constant(source.argument(test, 0, "pattern"))
    else:
        receiver = test.func.value if isinstance(test.func, ast.Attribute) else None
        compiled = source.bound.get(receiver.id) if isinstance(receiver, ast.Name) else receiver
        found = source.constant(compiled.args[0]) if isinstance(compiled, ast.Call) and compiled.args else None
    return found if isinstance(found, str) else None


def _dots_and_root(values: list[ast.expr]) -> bool:
    """Tell a test for both ``..`` and an absolute path or a separator."""
    text = " ".join(ast.unparse(value) for value in values)
    return (
        "'..'" in text
        and re.search(r"startswith\(['\"(]+/|isabs|is_absolute|'/' in|'/' not in|os\.sep", text) is not None
    )
