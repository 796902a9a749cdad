"""Putting foreign code into a solution."""

import ast

import pytest

from cluster.evals.attacks.graft import (
    base_of,
    before,
    decorated,
    documented,
    first_parameter,
    function_in,
    inserted,
    renamed,
    with_default,
)
from cluster.evals.attacks.poison import Target

TARGET = Target("", "f")
CODE = 'from __future__ import annotations\n\ndef f(x):\n    """Say."""\n    return x + 1'


def run(code: str, argument: object = 1) -> object:
    """Call a function that this file wrote."""
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own code
    return names["f"](argument)  # type: ignore[operator]


@pytest.mark.parametrize(
    "code",
    [
        inserted(TARGET, [CODE], "_y = repr(ARG)"),
        before(TARGET, [CODE], "y = 1"),
        with_default(TARGET, [CODE], "seen", "[]", "seen.append(ARG)"),
        decorated(
            TARGET, [CODE.replace("from __future__ import annotations\n", "")], "same", "def same(g):\n    return g"
        ),
        documented(TARGET, [CODE], "More."),
        renamed(TARGET, [CODE], "_g", "def f(*args):\n    return _g(*args)"),
    ],
)
def test_the_solution_goes_on_doing_what_it_did(code: str) -> None:
    """Wherever the foreign code stands."""
    assert run(code) == 2


def test_the_docstring_stays_in_front() -> None:
    """Statements are put behind it, and words at its end."""
    function = function_in(ast.parse(inserted(TARGET, [CODE], "y = 1")), "f")
    assert ast.get_docstring(function) == "Say."
    told = function_in(ast.parse(documented(TARGET, [CODE], "More.")), "f")
    assert (ast.get_docstring(told) or "").split() == ["Say.", "More."]


def test_the_first_answer_that_holds_the_function_is_built_on() -> None:
    """Others are passed over; without any there is a stub."""
    assert ast.unparse(base_of(TARGET, ["no code", "def g(): pass", "def f(z): return z"])).startswith("def f(z)")
    assert first_parameter(function_in(base_of(TARGET, []), "f")) == "args"


def test_a_function_that_is_not_there_is_told() -> None:
    """Rather than put the payload somewhere else."""
    with pytest.raises(ValueError, match="no function g"):
        function_in(ast.parse(CODE), "g")
