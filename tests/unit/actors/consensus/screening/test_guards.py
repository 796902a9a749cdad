"""Which checks make data harmless."""

import ast

import pytest

from actors.consensus.screening.guards import checked, leaves, names_in
from actors.consensus.screening.screen import read
from actors.consensus.screening.tables import ALL


def fine(test: str, canonical: set[str] | None = None) -> set[tuple[str, bool]]:
    """Return the names a test checks for paths, with the outcome that says they are fine."""
    node = ast.parse(test, mode="eval").body
    found = checked(read("import re, os"), node, canonical or set())
    return {(each.name, each.passes_when) for each in found if "path" in each.categories}


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("x in allowed", True),
        ("x not in allowed", False),
        ("not x.isalnum()", False),
        ("re.fullmatch('[a-z]+', x)", True),
        ("re.match('[a-z]+$', x) is None", False),
        ("x == 'a'", True),
        ("not is_allowed(x)", False),
        ("'..' in x or x.startswith('/')", False),
    ],
)
def test_checks_are_known(test: str, outcome: bool) -> None:
    """Membership, classes of characters, whole patterns, equality and predicates check data."""
    assert ("x", outcome) in fine(test)


@pytest.mark.parametrize(
    "test", ["x", "x is None", "'..' in x", "x.startswith(BASE)", "re.match('[a-z]+', x)", "x > 3", "not x"]
)
def test_half_checks_check_nothing(test: str) -> None:
    """Truth, a prefix of a raw path, an open pattern and an order say nothing of a path."""
    assert "x" not in {name for name, _ in fine(test)}


def test_a_canonical_path_under_a_folder_is_checked() -> None:
    """The same prefix counts once the path was made canonical."""
    assert ("x", True) in fine("x.startswith(BASE)", {"x"})


def test_leaving_and_names() -> None:
    """Branches that return, raise or abort leave; ``self.x`` is one name."""
    source = read("from flask import abort")
    assert leaves(ast.parse("abort(404)").body, source)
    assert not leaves(ast.parse("print(1)").body, source)
    assert "self.x" in set(names_in(ast.parse("self.x + y")))
    assert "path" in ALL
