"""Parsing that another thread disturbed is repeated."""

import ast
import sys
import threading
from collections.abc import Callable

import pytest

from actors.base import python_source
from actors.base.python_source import ATTEMPTS, parse_expression, parse_one_at_a_time, parse_program

PARSE = ast.parse


@pytest.fixture
def disturbed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception, int], None]:
    """Return a function that lets the next so many parses fail."""

    def disturb(error: Exception, times: int) -> None:
        left = [error] * times

        def parse(source: str, mode: str = "exec") -> ast.AST:
            if left:
                raise left.pop()
            return PARSE(source, mode=mode)

        monkeypatch.setattr(python_source.ast, "parse", parse)

    return disturb


@pytest.mark.parametrize("error", [SystemError("AST constructor recursion depth mismatch"), RecursionError()])
def test_a_parse_that_was_disturbed_is_repeated(disturbed: Callable[[Exception, int], None], error: Exception) -> None:
    """Whoever asks gets the tree and hears nothing of it."""
    disturbed(error, ATTEMPTS - 1)
    assert ast.unparse(parse_program("x = 1")) == "x = 1"
    disturbed(error, ATTEMPTS - 1)
    assert ast.unparse(parse_expression("f(1)")) == "f(1)"


def test_what_is_wrong_with_the_source_is_told_at_once(disturbed: Callable[[Exception, int], None]) -> None:
    """Errors of syntax are the source's, and what fails every time fails."""
    disturbed(SyntaxError(), 1)
    with pytest.raises(SyntaxError):
        parse_program("x = 1")
    for parse in (parse_program, parse_expression):
        disturbed(RecursionError(), ATTEMPTS)
        with pytest.raises(RecursionError):
            parse("x")


def test_a_parser_that_is_disturbed_every_time_says_that_it_is_too_deep(
    disturbed: Callable[[Exception, int], None],
) -> None:
    """Whoever reads answers knows what to do with that; nobody expects a ``SystemError``."""
    disturbed(SystemError(), ATTEMPTS)
    with pytest.raises(RecursionError, match="disturbed every time"):
        parse_program("x")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the parser counts by thread")
def test_one_thread_parses_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls it, however often that is asked for; a thread that is in the middle of it may come again."""
    inside, most, lock = 0, 0, threading.Lock()
    entered = threading.Event()

    def slow(source: str) -> str:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        if source == "outer":
            ast.parse("inner")  # type: ignore[unused-ignore]
        entered.wait(0.01)
        with lock:
            inside -= 1
        return source

    monkeypatch.setattr(ast, "parse", slow)
    parse_one_at_a_time()
    parse_one_at_a_time()
    threads = [threading.Thread(target=ast.parse, args=("x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most == 1
    assert ast.parse("outer") == "outer"
