"""Shapes told by use."""

import ast

import pytest

from actors.consensus.behaviour.shapes import ANY, FLOAT, INT, STR, Shape
from actors.consensus.behaviour.usage import shape_of_use

INTS = Shape("list", (INT,))
STRS = Shape("list", (STR,))


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("return p.lower()", STR),
        ("return p == 'a'", STR),
        ("return p in ('a', 'b')", STR),
        ("return p % 2", INT),
        ("return [i for i in range(p)]", INT),
        ("return p > 0.5", FLOAT),
        ("return p.items()", Shape("dict", (STR, INT))),
        ("return [x % 2 for x in p]", INTS),
        ("for i, x in enumerate(p):\n        print(x - 1)", INTS),
        ("return p[0] > 3 and p[1:]", INTS),
        ("p.append(1)", INTS),
        ("for row in p:\n        for x in row:\n            print(x // 2)", Shape("list", (INTS,))),
        ("return [w.upper() for w in p]", Shape("union", (STRS, STR))),
        ("return len(p)", Shape("union", (INTS, STR))),
        ("p.sort()\n    return [w.upper() for w in sorted(p)]", STRS),
        ("return '%s' % p", ANY),
        ("return q", ANY),
    ],
)
def test_use_tells_the_shape(body: str, shape: Shape) -> None:
    """Methods, comparisons, arithmetic, builtins, loops and subscripts tell; formatting and silence do not."""
    (function,) = ast.parse(f"def f(p, q=None):\n    {body}").body
    assert isinstance(function, ast.FunctionDef)
    assert shape_of_use(function, "p") == shape


def test_self_reference_ends() -> None:
    """A loop over its own variable, and use nested without end, give an answer."""
    (function,) = ast.parse("def f(p):\n    for p in p:\n        p[0][0][0][0][0][0].x").body
    assert isinstance(function, ast.FunctionDef)
    assert shape_of_use(function, "p").kind in {"any", "list", "union"}
