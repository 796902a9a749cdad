"""Parsing Python in a process with threads.

Before Python 3.13 the parser counts its depth in one place for all threads (https://github.com/python/cpython/issues/106905).
A thread switch in the middle of it, at a finaliser say, makes it raise ``SystemError``, or ``RecursionError`` for what is not
deep. Neither says anything of the source, so it is parsed again; what is truly too deep fails every time.
"""

import ast

ATTEMPTS = 4


def parse_program(source: str) -> ast.Module:
    """Return the tree of a program; raises what ``ast.parse`` does."""
    for _ in range(ATTEMPTS - 1):
        try:
            return ast.parse(source)
        except (SystemError, RecursionError):
            continue
    return ast.parse(source)


def parse_expression(source: str) -> ast.expr:
    """Return the tree of one expression; raises what ``ast.parse`` does."""
    for _ in range(ATTEMPTS - 1):
        try:
            return ast.parse(source, mode="eval").body
        except (SystemError, RecursionError):
            continue
    return ast.parse(source, mode="eval").body
