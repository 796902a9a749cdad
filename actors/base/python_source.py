"""Parsing Python in a process with threads.

Before Python 3.13 the parser counts its depth in one place for all threads (https://github.com/python/cpython/issues/106905).
A thread switch in the middle of it, at a finaliser say, makes it raise ``SystemError``, or ``RecursionError`` for what is not
deep. Neither says anything of the source, so it is parsed again. What fails every time is ``RecursionError``, like what is too
deep.
"""

import ast
from collections.abc import Callable
from typing import TypeVar

ATTEMPTS = 4
Tree = TypeVar("Tree", ast.Module, ast.Expression)


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
