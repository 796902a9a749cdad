"""Parsing Python in a process with threads.

Before Python 3.13 the parser counts its depth in one place for all threads (https://github.com/python/cpython/issues/106905).
A thread switch in the middle of it, at a finaliser say, makes it raise ``SystemError``, or ``RecursionError`` for what is not
deep. Neither says anything of the source, so it is parsed again. What fails every time is ``RecursionError``, like what is too
deep. Where other libraries parse as well, whose failures look like the source's, a process lets one thread parse at a time.
"""

import ast
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

ATTEMPTS = 4
Tree = TypeVar("Tree", ast.Module, ast.Expression)


_PARSING = threading.RLock()
"""Held while a thread parses; by the same thread again where a finaliser parses in the middle of it."""


def parse_one_at_a_time() -> None:
    """Let whoever calls ``ast.parse`` in this process wait while another thread does; nothing from Python 3.13 on."""
    parse = ast.parse
    if sys.version_info >= (3, 13) or getattr(parse, "waits", False):
        return

    @wraps(parse)
    def waiting(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as it is called
        with _PARSING:
            return parse(*args, **kwargs)

    waiting.waits = True  # type: ignore[attr-defined]
    ast.parse = waiting


def parse_program(source: str) -> ast.Module:
    """Return the tree of a program; raises what ``ast.parse`` does but ``SystemError``."""
    return _again(lambda: ast.parse(source))


def parse_expression(source: str) -> ast.expr:
    """Return the tree of one expression; raises what ``ast.parse`` does but ``SystemError``."""
    return _again(lambda: ast.parse(source, mode="eval")).body


def _again(parse: Callable[[], Tree]) -> Tree:
    for _ in range(ATTEMPTS - 1):
        try:
            return parse()
        except (SystemError, RecursionError):
            continue
    try:
        return parse()
    except SystemError as error:
        raise RecursionError("the parser was disturbed every time") from error
