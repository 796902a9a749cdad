"""What stands in a question before the function it asks for: imports and helpers that an answer may rely on.

Rules:
- It is the Python text before the entry point's ``def``, from the last fence, or from the first line from which all of it parses.
- Only imports, functions, classes and constants stay; whatever else would run stands for itself, not for the answer.
- An answer runs behind its context, but for its ``from __future__`` imports: Python takes these only at the beginning of a file.
- At most ``MAX_CHARS`` before the ``def`` are looked at, from at most ``MAX_STARTS`` lines on.

Left out: running it (nothing runs outside the sandbox). An answer that brings its own imports defines them once more.
"""

import ast
import re
from itertools import takewhile

from actors.consensus.reading.literals import UNREADABLE
from actors.consensus.reading.python_form import parse

MAX_CHARS = 8_192
MAX_STARTS = 64
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n]*\n", re.MULTILINE)
_KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def context_of(question: str, entry_point: str) -> str:
    """Return the source of what an answer may rely on; empty if there is none, or no entry point."""
    begin = re.search(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}[ \t]*\(", question, re.MULTILINE)
    if not entry_point or begin is None:
        return ""
    before = question[max(0, begin.start() - MAX_CHARS) : begin.start()]
    fences = list(_FENCE.finditer(before))
    tree = _first_that_parses(before[fences[-1].end() :] if fences else before)
    kept = [_source(statement) for statement in tree.body if _stays(statement)] if tree else []
    return "\n".join(filter(None, kept))


def in_context(context: str, code: str) -> str:
    """Return an answer's code behind its question's context, and what must stand first before both."""
    if not context:
        return code
    first, rest = future_and_rest(code)
    return "\n".join(filter(None, (first, context, rest)))


def future_and_rest(code: str) -> tuple[str, str]:
    """Return a source up to the end of its last ``from __future__`` import, empty if it has none, and what follows."""
    tree = parse(code) if "__future__" in code else None
    futures = [*takewhile(_may_stand_first, tree.body)] if tree else []
    while futures and not isinstance(futures[-1], ast.ImportFrom):
        futures.pop()
    if not futures:
        return "", code
    end = futures[-1]
    span = ast.Pass(lineno=1, col_offset=0, end_lineno=end.end_lineno, end_col_offset=end.end_col_offset)
    first = ast.get_source_segment(code, span) or ""
    return first, code[len(first) :].lstrip(" \t").removeprefix(";").lstrip(" \t")


def _may_stand_first(statement: ast.stmt) -> bool:
    """Tell whether a statement may stand before or among imports from ``__future__``: one of them, or a docstring."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__" and not statement.level


def _first_that_parses(text: str) -> ast.Module | None:
    lines = text.splitlines()
    for start in range(min(len(lines), MAX_STARTS)):
        if (tree := parse("\n".join(lines[start:]))) is not None:
            return tree
    return None


def _source(statement: ast.stmt) -> str:
    """Return a statement's source, empty for the few that parse and cannot be written down."""
    try:
        return ast.unparse(statement)
    except UNREADABLE:
        return ""


def _stays(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return isinstance(statement.value, ast.Constant) and all(isinstance(t, ast.Name) for t in statement.targets)
    return isinstance(statement, _KEPT)
