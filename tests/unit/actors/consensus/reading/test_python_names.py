"""Names that only the program can see: which are numbered, and that numbering never makes two programs one."""

import ast
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actors.consensus.reading.python_form import normal_tree, parse


def form(code: str) -> str:
    """Return the normal form of code that parses."""
    tree = parse(code)
    assert tree is not None
    return normal_tree(tree)


def function(*lines: str) -> str:
    """Return a function of ``p`` and ``q`` with these lines."""
    return "def f(p, q):\n" + "\n".join(f"    {line}" for line in lines)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (function("a = p", "return a"), function("b = p", "return b")),
        (function("a = 1", "a += q", "del a"), function("b = 1", "b += q", "del b")),
        (function("for i, x in p: print(i, x)"), function("for a, b in p: print(a, b)")),
        (function("return [x for x in p if x > q]"), function("return [y for y in p if y > q]")),
        (function("return {k: v for k, v in p}"), function("return {a: b for a, b in p}")),
        (function("with p as h: h()"), function("with p as g: g()")),
        (function("try: p()", "except E as e: print(e)"), function("try: p()", "except E as x: print(x)")),
        (function("if (n := len(p)): return n"), function("if (m := len(p)): return m")),
        (function("match p:", " case [a, *b]: return b, a"), function("match p:", " case [x, *y]: return y, x")),
        (function("match p:", " case {'k': a, **b}: return b, a"), function("match p:", " case {'k': x, **y}: return y, x")),
        (function("match p:", " case [1, _] as a: return a"), function("match p:", " case [1, _] as b: return b")),
        (function("a = 0", "def g():", "    nonlocal a", "    a += 1", "g()", "return a"),
         function("n = 0", "def go():", "    nonlocal n", "    n += 1", "go()", "return n")),
        (function("def dfs(x, d): return dfs(x, d)", "return dfs(p, q)"),
         function("def walk(n, k): return walk(n, k)", "return walk(p, q)")),
        (function("return sorted(p, key=lambda a: a[q])"), function("return sorted(p, key=lambda b: b[q])")),
        (function("p.sort(key=lambda a: -a)"), function("p.sort(key=lambda b: -b)")),
        (function("return list(map(lambda a: a + q, p))"), function("return list(map(lambda b: b + q, p))")),
        ("xs = [a for a in range(3)]", "xs = [b for b in range(3)]"),
        ("class A:\n    def m(self):\n        a = 1\n        return a",
         "class A:\n    def m(self):\n        b = 1\n        return b"),
        (function("a = lambda: a", "return a"), function("b = lambda: b", "return b")),
    ],
)  # fmt: skip
def test_names_nobody_else_sees_change_nothing(left: str, right: str) -> None:
    """Variables of functions and comprehensions, helpers inside them and parameters that builtins pass by position."""
    assert form(left) == form(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("def f(a): return a", "def f(b): return b"),
        ("def f(*a): return a", "def f(*b): return b"),
        ("def f(): pass", "def g(): pass"),
        ("a = 1", "b = 1"),
        (function("global a", "a = 1"), function("global b", "b = 1")),
        (function("import math as a", "return a.pi"), function("import math as b", "return b.pi")),
        (function("a = 1", "b = 2", "return a"), function("a = 1", "b = 2", "return b")),
        (function("a = 1", "def g():", "    b = 2", "    return a", "return g()"),
         function("a = 1", "def g():", "    b = 2", "    return b", "return g()")),
        (function("a = 1", "return [b for b in p]"), function("a = 1", "return [a for b in p]")),
        (function("return [b for a in p for b in a]"), function("return [a for a in p for b in a]")),
        (function("a = 1", "def g():", "    a = 2", "g()", "return a"),
         function("a = 1", "def g():", "    nonlocal a", "    a = 2", "g()", "return a")),
        (function("def g(): return 1", "return g"), function("def h(): return 1", "return h")),
        (function("def g(a): return a", "return g(a=1)"), function("def g(b): return b", "return g(b=1)")),
        (function("@q", "def g(): return 1", "g()"), function("@q", "def h(): return 1", "h()")),
        (function("return lambda a: a"), function("return lambda b: b")),
        (function("return p(key=lambda a: a)"), function("return p(key=lambda b: b)")),
        ("def sorted(x, key): return key(a=1)\ndef f(p): return sorted(p, key=lambda a: a)",
         "def sorted(x, key): return key(a=1)\ndef f(p): return sorted(p, key=lambda b: b)"),
        (function("class A:", "    a = 1", "return A"), function("class A:", "    b = 1", "return A")),
        (function("a = 1", "class A:", "    c = a", "return A"), function("b = 1", "class A:", "    c = b", "return A")),
        (function("a = 1", "return locals()"), function("b = 1", "return locals()")),
        (function("a = 1", "return eval('a')"), function("b = 1", "return eval('b')")),
        (function("a = 1", "return f'{a=}'"), function("b = 1", "return f'{b=}'")),
        ("import duckdb\n" + function("a = 1", "return duckdb.sql('from a')"),
         "import duckdb\n" + function("b = 1", "return duckdb.sql('from a')")),
        ("class A:\n    def m(self):\n        __a = 1\n        return __a",
         "class A:\n    def m(self):\n        __b = 1\n        return __b"),
        (function("a = 1", "return x"), function("x = 1", "return x")),
        (function("print = 1", "return a"), function("a = 1", "return a")),
    ],
)  # fmt: skip
def test_names_somebody_may_see_and_names_of_others_stay(left: str, right: str) -> None:
    """Parameters, modules, classes, decorated and shown functions; and no name is taken for one of another scope."""
    assert form(left) != form(right)


VARIABLES = ("a", "b", "c")
NAMES = st.sampled_from((*VARIABLES, "p", "q"))
LINES = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(VARIABLES), st.one_of(NAMES, st.integers(0, 3).map(str))),
    st.builds("{} = {} {} {}".format, st.sampled_from(VARIABLES), NAMES, st.sampled_from("+-*"), NAMES),
    st.builds("{} += {}".format, st.sampled_from(VARIABLES), NAMES),
    st.builds("for {} in range(2): {} = {}".format, st.sampled_from(VARIABLES), st.sampled_from(VARIABLES), NAMES),
    st.builds(
        "{0} = sum([{1} * {2} for {1} in range(3)])".format,
        st.sampled_from(VARIABLES),
        st.sampled_from(VARIABLES),
        NAMES,
    ),
    st.builds("{} = ({} := {}) + 1".format, st.sampled_from(VARIABLES), st.sampled_from(VARIABLES), NAMES),
    st.builds("def g(): return {}".format, NAMES),
    st.builds("def g(a=1): return {}".format, NAMES),
    st.builds(
        "def g():\n        nonlocal {0}\n        {0} = {1}\n        return {0}".format,
        st.sampled_from(VARIABLES),
        NAMES,
    ),
    st.builds("def g():\n        {} = {}\n        return {}".format, st.sampled_from(VARIABLES), NAMES, NAMES),
    st.builds("{} = g()".format, st.sampled_from(VARIABLES)),
    st.builds(
        "{0} = min([3, 1, 2], key=lambda {1}: {2})".format,
        st.sampled_from(VARIABLES),
        st.sampled_from(VARIABLES),
        NAMES,
    ),
    st.builds("del {}".format, st.sampled_from(VARIABLES)),
    st.just("pass"),
    st.just("return None"),
)
BODIES = st.builds(lambda lines, last: [*lines, f"return {last}"], st.lists(LINES, min_size=1, max_size=5), NAMES)


def outcome(code: str) -> str:
    """Return what a function made of the lines above gives, or the class of what it raises."""
    scope: dict[str, object] = {}
    try:
        exec(code, scope)  # noqa: S102 - made of the lines above
        return repr(scope["f"](5, 7))  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - whatever it raises is what it does
        return type(error).__name__


@given(BODIES, st.data())
def test_programs_with_one_form_do_the_same(lines: list[str], data: st.DataObject) -> None:
    """However one name in a program is exchanged for another: if the form stays, so does what the program does."""
    code = function("a, b, c = 1, 2, 3", *lines)
    places = [match.span() for match in re.finditer(r"\b[abcpq]\b", code) if match.start() > code.index(":")]
    begin, end = data.draw(st.sampled_from(places))
    other = code[:begin] + data.draw(NAMES) + code[end:]
    assume(parse(code) is not None and parse(other) is not None)
    if form(code) == form(other):
        assert outcome(code) == outcome(other)


@given(BODIES)
def test_renaming_every_variable_keeps_the_form(lines: list[str]) -> None:
    """Fresh names for all variables make no second form, unless a parameter is among them."""
    code = function("a = b = c = 0", *lines)
    assume(parse(code) is not None and "def g(a" not in code)
    renamed = re.sub(r"\b[abc]\b", lambda name: f"fresh_{name.group()}", code)
    assert form(code) == form(renamed)
    assert outcome(code) == outcome(renamed)


@given(BODIES, st.sampled_from([("+", "-"), ("*", "+"), ("0", "9"), ("range(2)", "range(3)"), ("min", "max")]))
def test_another_operator_constant_or_call_makes_another_form(lines: list[str], change: tuple[str, str]) -> None:
    """What is done stays in the form, whatever the names."""
    code = function("for a in range(2): b = p + q * 0", "c = min(p, q)", *lines)
    assume(parse(code) is not None)
    assert form(code) != form(code.replace(*change))


@given(BODIES)
def test_the_order_of_statements_is_part_of_the_form(lines: list[str]) -> None:
    """Two programs that differ in the order of their lines have one form only if they do the same."""
    turned = function(*lines[-2::-1], lines[-1])
    assume(parse(function(*lines)) is not None and parse(turned) is not None)
    if form(function(*lines)) == form(turned):
        assert outcome(function(*lines)) == outcome(turned)


def test_numbers_cannot_be_taken_for_names() -> None:
    """What stands for a name in the form is no name that a program could have."""
    assert not any(name.isidentifier() for name in re.findall(r"Name\('(\w+)'", form(function("a = 1", "return a"))))
    assert ast.parse("a0 = 1")
