"""Imports whose order, grouping or presence changes nothing."""

import ast

import pytest

from actors.consensus.reading.python_imports import QUIET_MODULES, sorted_imports, without_unused_types


def arranged(code: str) -> str:
    """Return code with its imports in one order."""
    return ast.unparse(ast.Module(sorted_imports(ast.parse(code).body), []))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import re, math\nimport re", "import math\nimport re"),
        ("from math import sqrt, floor", "from math import floor\nfrom math import sqrt"),
        ("import re\nx = 1\nimport math", "import re\nx = 1\nimport math"),
        ("import re\nimport numpy\nimport math", "import re\nimport numpy\nimport math"),
        ("from re import *\nimport math", "from re import *\nimport math"),
        ("import collections.abc\nimport collections", "import collections.abc\nimport collections"),
        ("from .re import x\nimport math", "from .re import x\nimport math"),
    ],
)
def test_only_neighbouring_quiet_imports_are_sorted(code: str, expected: str) -> None:
    """Statements between, other modules, stars and one name bound twice keep their places."""
    assert arranged(code) == expected


def test_names_for_types_go_if_nothing_uses_them() -> None:
    """What is used stays, and so does every other import."""
    body = ast.parse("from typing import List, Dict, Odd\nimport typing\nimport math").body
    assert (
        ast.unparse(ast.Module(without_unused_types(body, {"Dict"}), [])) == "from typing import Dict, Odd\nimport math"
    )


def test_quiet_modules_are_of_the_standard_library() -> None:
    """No other module may be imported in another order."""
    import sys

    assert {name.partition(".")[0] for name in QUIET_MODULES} <= sys.stdlib_module_names
