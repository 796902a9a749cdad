"""The normal form of Python source: which programs are one and which are two."""

import ast

import pytest

from actors.consensus.reading.python_form import MAX_CODE_CHARS, MAX_NODES, normal_tree, parse


def form(code: str) -> str:
    """Return the normal form of code that parses."""
    tree = parse(code)
    assert tree is not None
    return normal_tree(tree)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("def f(n: int) -> int:\n    return n", "def f(n):\n    return n"),
        ("def f(n: int | None, *a: str, k: 'X' = 1, **kw: dict[str, int]): pass", "def f(n, *a, k=1, **kw): pass"),
        ("from typing import List\ndef f(x: List[int]): pass", "from typing import List\ndef f(x): pass"),
        ('def f():\n    "doc"\n    return 1', "def f():\n    return 1"),
        ('"""Module."""\nx = 1', "x = 1"),
        (
            'class A:\n    "doc"\n    def f(self, x: int):\n        "doc"\n        return x',
            "class A:\n    def f(self, x): return x",
        ),
        ("class A:\n    @staticmethod\n    def f(x: int): pass", "class A:\n    @staticmethod\n    def f(x): pass"),
        ("def f():\n    x: int = 1\n    return x", "def f():\n    x = 1\n    return x"),
        ("def f():\n    if a:\n        x: int = 1\n    return x", "def f():\n    if a:\n        x = 1\n    return x"),
        ("class N: pass\ndef f(n: N) -> N: return n", "class N: pass\ndef f(n): return n"),
        ("def f(n: int): return n\nprint(f(1))", "def f(n): return n\nprint(f(1))"),
        ("x = (1)  # one", "x = 1"),
        ("x = 0x10 + 1_000", "x = 16 + 1000"),
        ("x = 'a' \"b\"", "x = u'ab'"),
        ("x = f'ab'", "x = 'ab'"),
        ("def f():\n    pass\n    return 1\n    ...", "def f():\n    return 1"),
        ("def f():\n    g()\n    return None", "def f():\n    g()"),
        (
            "def f():\n    if a:\n        return None\n    g()\n    return",
            "def f():\n    if a:\n        return\n    g()",
        ),
        ("if a:\n    b()\nelse:\n    pass", "if a:\n    b()"),
        ("def f():\n    x: int\n    x = 1", "def f():\n    x: str\n    x = 1"),
        ("from typing import List, Optional\ndef f(x: List[int]): pass", "def f(x): pass"),
        ("import typing\ndef f(x: typing.Any): pass", "def f(x): pass"),
        (
            "import re\nimport math\nfrom math import sqrt, floor",
            "from math import floor\nfrom math import sqrt\nimport math, re",
        ),
        ("if __name__ == '__main__':\n    x = 1", "if (__name__ == '__main__'): x = 0x1"),
    ],
)
def test_programs_that_do_the_same_agree(left: str, right: str) -> None:
    """Layout, comments, and annotations and docstrings that nobody can look at change nothing."""
    assert form(left) == form(right)


DATACLASS = "from dataclasses import dataclass\n@dataclass\nclass A:\n    if True:\n        x"
ROUTE = "@app.get('/a')\ndef a(u{}):\n    return secret"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("def f(n): return n + 1", "def f(n): return n - 1"),
        ("def f(n): return n", "def f(n=0): return n"),
        ("def f(n): return n", "@cache\ndef f(n): return n"),
        (ROUTE.format(": Annotated[User, Depends(require_admin)]"), ROUTE.format(": User")),
        ("@f.register\ndef _(x: int): return 1", "@f.register\ndef _(x: str): return 1"),
        ("@validate_call\ndef f(n: int): return n", "@validate_call\ndef f(n: str): return n"),
        ("def main(n: int): print(n)\ntyper.run(main)", "def main(n: str): print(n)\ntyper.run(main)"),
        ("def g(x: int): return 1\nf.register(g)", "def g(x: str): return 1\nf.register(g)"),
        ("def f(x: int): pass\nprint(f.__annotations__)", "def f(x): pass\nprint(f.__annotations__)"),
        ("import inspect\ndef f(x: int): pass", "import inspect\ndef f(x): pass"),
        ("from help import *\ndef f(x: int): pass", "from help import *\ndef f(x): pass"),
        ("class M(BaseModel):\n    def f(self, x: int): pass", "class M(BaseModel):\n    def f(self, x): pass"),
        (
            "@component\nclass A:\n    def __init__(self, x: int): pass",
            "@component\nclass A:\n    def __init__(self, x): pass",
        ),
        ("class A:\n    def f(self, x: int): pass\nuse(A)", "class A:\n    def f(self, x): pass\nuse(A)"),
        ("class A:\n    def f(self, x: int): pass\nuse(A().f)", "class A:\n    def f(self, x): pass\nuse(A().f)"),
        ("def f(x: print('hi')): pass", "def f(x): pass"),
        ("def f(x: List[int]): pass", "def f(x): pass"),
        ("o.List = 1\ndef f(x: List): pass", "o.List = 1\ndef f(x): pass"),
        ("def f(x: int[3]): pass", "def f(x): pass"),
        ("def f(x: 'A' | None): pass", "def f(x): pass"),
        ("x: print('hi') = 3", "x = 3"),
        ("x: int = 1\nprint(__annotations__)", "x = 1\nprint(__annotations__)"),
        (f"{DATACLASS}: int = 1", f"{DATACLASS} = 1"),
        ("class A:\n    x: int = 1", "class A:\n    x = 1"),
        (
            "def f():\n    class A:\n        x: int = 1\n    return A",
            "def f():\n    class A:\n        x = 1\n    return A",
        ),
        (
            '"""Usage: p <a>"""\nfrom docopt import docopt\ndocopt(__doc__)',
            '"""p"""\nfrom docopt import docopt\ndocopt(__doc__)',
        ),
        ('def f():\n    "a"\nprint(f.__doc__)', 'def f():\n    "b"\nprint(f.__doc__)'),
        ('@tool\ndef f():\n    "a"\n    return 1', '@tool\ndef f():\n    "b"\n    return 1'),
        ("f(1)", "f(1.0)"),
        ("f(1)", "f(True)"),
        ("f('a')", "f(b'a')"),
        ("f(0.0)", "f(-0.0)"),
        ("f'{x!r}'", "f'{x}'"),
        ("from docopt import docopt as d\ndef f(x: int): pass", "from docopt import docopt as d\ndef f(x): pass"),
        ("import a.inspect.b\ndef f(x: int): pass", "import a.inspect.b\ndef f(x): pass"),
        ("from . import x", "from .x import y"),
        ("if x == True: f()", "if x: f()"),
        ("import a\nimport b", "import b\nimport a"),
        ("import math as m\nimport re as m", "import re as m\nimport math as m"),
        ("import math\nimport a\nimport re", "import re\nimport a\nimport math"),
        ("from typing import List\nx = List", "x = List"),
        ("from typing import List\n__all__ = ['f']\ndef f(): pass", "__all__ = ['f']\ndef f(): pass"),
        ("from typing import Nothing", "x = 1"),
        ("from typing import List\n@check\ndef f(x: 'List'): pass", "@check\ndef f(x: 'List'): pass"),
        ("import math", "x = 1"),
        ("@tool\ndef f():\n    pass\n    'doc'", "@tool\ndef f():\n    'doc'"),
        ("def f():\n    return None\n    g()", "def f():\n    g()"),
        ("def f(): yield", "def f(): pass"),
        ("def f():\n    yield\n    return 1", "def f():\n    yield"),
        ("async def f():\n    yield\n    return None", "async def f():\n    yield"),
        ("print(f.__name__)\ndef f():\n    a = 1", "print(f.__name__)\ndef f():\n    b = 1"),
        ("def f(a=[]): pass", "def f(a=()): pass"),
        ("@a\n@b\ndef f(): pass", "@b\n@a\ndef f(): pass"),
        ("class A:\n    x = 1\n    y = 2", "class A:\n    y = 2\n    x = 1"),
        ("class A:\n    x = 1", "class A:\n    z = 1"),
        ("f()\ng()", "g()\nf()"),
        ("x = f'{a}b'", "x = f'{a}' + 'b'"),
        ("x = f'{{a}}'", "x = '{{a}}'"),
        ("def f(a, /): pass", "def f(*, a): pass"),
        ("async def f(): return [x async for x in y]", "async def f(): return [x for x in y]"),
    ],
)
def test_programs_that_may_differ_have_two_forms(left: str, right: str) -> None:
    """Whatever a decorator, a caller or the program itself could look at, and whatever is evaluated, is compared."""
    assert form(left) != form(right)


def test_source_is_bounded() -> None:
    """Code beyond the bound has no tree, and a tree beyond it no form."""
    assert parse("x" * (MAX_CODE_CHARS + 1)) is None
    tree = ast.parse("1," * MAX_NODES)
    with pytest.raises(ValueError, match="nodes"):
        normal_tree(tree)
