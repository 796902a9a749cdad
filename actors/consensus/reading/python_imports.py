"""Imports in Python source whose order, grouping or presence changes nothing.

Rules:
- Only modules of the standard library that do nothing but define things are touched (``QUIET_MODULES``).
- Neighbouring imports of such modules are taken apart, said once and sorted, unless two of them bind one name.
- Names of ``typing`` that every version has, imported by a module and used nowhere, go.

Left out: every other import, for importing may do something.
"""

import ast
from collections.abc import Iterable
from itertools import groupby

QUIET_MODULES = frozenset(
    "abc bisect collections collections.abc copy dataclasses datetime decimal enum fractions functools hashlib heapq "
    "itertools json math numbers operator queue random re statistics string textwrap time typing".split()
)
_TYPING_NAMES = frozenset(
    "Any AnyStr Callable ClassVar Collection Container Counter DefaultDict Deque Dict FrozenSet Generator Generic "
    "Hashable Iterable Iterator List Mapping MutableMapping MutableSequence MutableSet NamedTuple NoReturn Optional "
    "OrderedDict Sequence Set Sized Tuple Type TypeVar Union cast".split()
)


def sorted_imports(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements with their neighbouring quiet imports in one order."""
    result: list[ast.stmt] = []
    for quiet, group in groupby(body, _is_quiet):
        run = list(group)
        result += _sorted(run) if quiet else run
    return result


def without_unused_types(body: list[ast.stmt], used: Iterable[str]) -> list[ast.stmt]:
    """Return a module's statements without imports of names for types that are not among those used."""
    needed = frozenset(used)
    result: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom) and _is_quiet(statement):
            statement.names = [alias for alias in statement.names if not _is_unused_type(statement, alias, needed)]
            result += [statement] if statement.names else []
        else:
            result.append(statement)
    return result


def _is_quiet(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import():
            return all(alias.name in QUIET_MODULES for alias in statement.names)
        case ast.ImportFrom(module=module, level=0):
            return module in QUIET_MODULES and all(alias.name != "*" for alias in statement.names)
    return False


def _is_unused_type(statement: ast.Import | ast.ImportFrom, alias: ast.alias, needed: frozenset[str]) -> bool:
    if (alias.asname or alias.name) in needed:
        return False
    if isinstance(statement, ast.Import):
        return alias.name == "typing"
    return statement.module == "typing" and alias.name in _TYPING_NAMES


def _sorted(run: list[ast.stmt]) -> list[ast.stmt]:
    parts = {ast.dump(part): part for statement in run for part in _apart(statement)}
    names = [_bound(part) for part in parts.values()]
    return [parts[text] for text in sorted(parts)] if len(set(names)) == len(names) else run


def _apart(statement: ast.stmt) -> list[ast.Import | ast.ImportFrom]:
    if isinstance(statement, ast.ImportFrom):
        return [ast.ImportFrom(module=statement.module, names=[alias], level=0) for alias in statement.names]
    return [ast.Import(names=[alias]) for alias in statement.names] if isinstance(statement, ast.Import) else []


def _bound(part: ast.Import | ast.ImportFrom) -> str:
    return (part.names[0].asname or part.names[0].name).partition(".")[0]
