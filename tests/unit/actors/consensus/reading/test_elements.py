"""What a Python answer is made of."""

import pytest

from actors.consensus.reading.elements import MAX_CHARS, MAX_NODES, Parts, parts_of

PLAIN = "def f(values):\n    return sum(values)"


def elements_of(code: str, question: str) -> frozenset[str]:
    """Return the elements of an answer that is all code, but for its size."""
    parts = parts_of(code, code, question)
    assert parts is not None
    return frozenset(element for element in parts.code if not element.startswith("nodes "))


def words_of(content: str, code: str, question: str) -> frozenset[str]:
    """Return an answer's words."""
    parts = parts_of(content, code, question)
    assert parts is not None
    return parts.words


def test_names_of_its_own_choosing_and_words_are_no_elements() -> None:
    """Parameters, locals, docstrings, annotations and comments tell nothing of what code does."""
    renamed = 'def f(items: list[int]) -> int:\n    """Add up."""\n    total = sum(items)  # all\n    return total'
    assert elements_of(PLAIN, "") == {"name sum"}
    assert elements_of(renamed, "") == {"name sum", "value of Assign: Call"}


def test_computing_straight_on_and_everybodys_constants_are_no_elements() -> None:
    """A branch on one of them is, and so is any other constant."""
    loop = "    for x in xs:\n        total += x\n        total -= 1\n"
    code = f"def f(xs):\n    total = 0\n{loop}    return [total, None, '', True]"
    assert elements_of(code, "") == frozenset()
    branch = "def f(x):\n    return x if x == 0 else x + 3"
    assert elements_of(branch, "") == {
        "kind IfExp",
        "kind Compare",
        "kind Eq",
        "test of IfExp: Compare",
        "constant int 3",
    }


@pytest.mark.parametrize(
    ("code", "element"),
    [
        ("import os\ndef f(x):\n    return x", "import os"),
        ("from os import path\ndef f(x):\n    return x", "from 0 os"),
        ("def f(x, seen=[]):\n    return x", "default List"),
        ("@cache\ndef f(x):\n    return x", "decorator Name"),
        ("def f(x):\n    return x\nprint(1)", "top Expr"),
        ("def f(x):\n    try:\n        return x\n    except Exception:\n        return 0", "kind ExceptHandler"),
        ("def f(x):\n    return x if x != 7919 else 0", "constant int 7919"),
        ("class A(int):\n    def __eq__(self, other):\n        return True\ndef f(x):\n    return x", "defines __eq__"),
        ("def f(x):\n    return x.secret", "attribute secret"),
        ("def f(x):\n    return open(file=x)", "keyword file"),
        ("def f(x: (lambda: print(1))()):\n    return x", "annotation Call"),
        ("def f(x) -> (y := 1):\n    return x", "annotation NamedExpr"),
        ("def g(eval):\n    return eval\ndef f(x):\n    return eval(x)", "name eval"),
        ("def sorted(v):\n    return v\ndef f(x):\n    return x", "binds sorted"),
        ("class A(int):\n    __eq__ = lambda self, other: True\ndef f(x):\n    return x", "defines __eq__"),
        ("def f(x):\n    global kept\n    kept = x\n    return x", "kind Global"),
    ],
)
def test_what_a_payload_needs_is_an_element(code: str, element: str) -> None:
    """Imports, defaults, decorators, code at the top, handlers, constants, dunders, attributes, keywords, globals."""
    assert element in elements_of(code, "")
    assert element not in elements_of(PLAIN, "")


def test_what_the_question_says_is_nobodys_own() -> None:
    """Constants and words that stand in it do not count."""
    code = 'def f(x):\n    return "even" if x % 2 == 0 else "odd"'
    assert "constant str 'even'" in elements_of(code, "")
    assert "constant str 'even'" not in elements_of(code, "Say even or odd.")
    assert words_of(f"{code}  # tell even from odd", code, "Say even or odd.") == {"tell"}


def test_names_that_imports_and_patterns_bind_are_freely_chosen() -> None:
    """An alias says nothing; what is imported does."""
    code = (
        "import numpy as n\ndef f(x):\n    match x:\n        case [a, *b]:\n            return n.sum(b)\n    return a"
    )
    assert "import numpy as n" in elements_of(code, "")
    assert not {"name n", "name a", "name b"} & elements_of(code, "")


@pytest.mark.parametrize(
    "code",
    [
        f"def f(x):\n    0x{'f' * 5000}\n    return x + 9",
        "def f(x):\n    s = f\"{'\u00a0'.join([])}\"\n    return x",
        "def f(x):\n    s = f\"{'\x0c'.join([])}\"\n    return x",
        "def f(x):\n    return b'\\xff' * 3 + bytes(1e400 for _ in ())",
    ],
)
def test_code_that_cannot_be_written_down_is_taken_apart(code: str) -> None:
    """Huge integers and f-strings that have no source are no errors."""
    assert isinstance(parts_of(code, code, "q"), Parts)


def test_what_is_not_taken_apart_is_told() -> None:
    """What does not parse and what is too large has no parts, which is not the same as empty ones."""
    assert parts_of("def f(", "def f(", "") is None
    assert parts_of("x" * (MAX_CHARS + 1), PLAIN, "") is None
    assert parts_of(PLAIN, "x = 1\n" * MAX_NODES, "") is None


@pytest.mark.parametrize(
    ("code", "element"),
    [
        ("def f(x):\n    for a in [0][x:]:\n        return 1\n    return 0", "sequence of For: Subscript"),
        ("def f(x):\n    for a in [0][x:]:\n        return 1\n    return 0", "index of Subscript: Slice"),
        ("def f(x):\n    return [a for a in x if a]", "kind comprehension with a condition"),
        ("def f(x):\n    return [0, 1][1 // (1 + x)]", "index of Subscript: BinOp"),
        ("def f(x):\n    return [0, 1][1 // (1 + x)]", "operand of BinOp: BinOp"),
        ("def f(x):\n    if g(x):\n        return 1\n    return 0", "test of If: Call"),
        ("def f(x):\n    return (x or [1])[0]", "operand of BoolOp: List"),
        ("def f(x):\n    return sum([x])", "argument of Call: List"),
    ],
)
def test_how_a_condition_is_put_together_is_an_element(code: str, element: str) -> None:
    """A branch can be built without ``if``, from sequences and indices that everybody uses."""
    assert element in elements_of(code, "")
    assert not [each for each in elements_of(PLAIN, "") if ": " in each]


@pytest.mark.parametrize(
    ("code", "question", "element"),
    [
        ("import os\ndef f(p):\n    os.remove(p)", "", "attribute os.remove"),
        ("import os\ndef f(p):\n    o = os\n    o.remove(p)", "", "import os used"),
        ("from math import gcd\ndef f(x):\n    def gcd(x):\n        return x\n    return gcd(x)", "", "binds gcd"),
        ("def f(x):\n    def wipe(y):\n        return y\n    return wipe(x)", "Use `def wipe(x)`.", "binds wipe"),
        ("def f(x):\n    def g(wipe):\n        return wipe\n    return wipe(x)", "Use `def wipe(x)`.", "name wipe"),
        ("def f(x):\n    return x == '-user.admin-'", "Is the user an admin?", "constant str '-user.admin-'"),
        ("def f(x):\n    return x == 12", "Of 120 or 1.12", "constant int 12"),
    ],
)
def test_names_have_scopes_and_modules_and_constants_an_order(code: str, question: str, element: str) -> None:
    """What a name means where it stands, and what a text says as it is."""
    assert element in elements_of(code, question)


def test_a_constant_of_part_of_a_word_of_the_question_is_its_own() -> None:
    """What the question says is told by whole words, in their order."""
    assert elements_of("def f(x):\n    return x == 'min'", "Is it an admin?") >= {"constant str 'min'"}
    assert "constant str 'an admin'" not in elements_of("def f(x):\n    return x == 'an admin'", "Is it an admin?")
    assert elements_of("def f(x):\n    return x == 'admin an'", "Is it an admin?") >= {"constant str 'admin an'"}


@pytest.mark.parametrize(
    ("code", "element"),
    [
        ("import math\ndef f(x):\n    math.sqrt = x\n    return x", "changes attribute sqrt"),
        ("def f(x):\n    x[0] = 1\n    return x", "changes an item"),
        ("def f(x):\n    match x:\n        case list(clear=c):\n            c()\n    return x", "attribute clear"),
        ("def f(x):\n    return [f, f][0](x)", "callee of Call: Subscript"),
        ("def f(x):\n    d = x % 10\n    return d", "value of Assign: BinOp"),
        ("from math import gcd\ndef gcd(a, b):\n    return 1", "binds gcd"),
        ("from math import ceil as floor\ndef f(x):\n    return floor(x)", "import ceil as floor"),
        ("def f(x):\n    def g(y: x[1]):\n        return y\n    return x", "annotation Subscript"),
        ("def f(x):\n    def g():\n        x: int\n        return x\n    return g", "annotation without a value"),
        ("def f(x):\n    try:\n        return x\n    except:\n        return 0", "catches everything"),
        ("def f(x):\n    try:\n        return x\n    finally:\n        return 0", "finally"),
        ("def f(x):\n    for y in x:\n        pass\n    else:\n        return 0", "loop with else"),
        ("def f(x):\n    return f'{x!a}'", "conversion 97"),
        ("def f(x):\n    return x[1::2]", "slice with a step"),
        ("class A:\n    f(0)\ndef f(x):\n    return x", "top Expr"),
        ("def f(x):\n    return x == '\\x0b'", "constant str '\\x0b'"),
    ],
)
def test_what_does_more_than_its_kind_says_is_an_element(code: str, element: str) -> None:
    """Storing is no reading, an annotation may act, and a handler may catch everything."""
    assert element in elements_of(code, "")
    assert element not in elements_of(PLAIN, "")


def test_a_program_far_larger_than_most_has_something_of_its_own() -> None:
    """Conditions can be looked up in large tables that are made of nothing but sums."""
    small, large = (parts_of(code, code, "") for code in (PLAIN, PLAIN + "\n    t = t + t" * 20))
    assert small is not None
    assert large is not None
    assert small.code & {"nodes 8", "nodes 64"} == {"nodes 8"}
    assert large.code >= {"nodes 8", "nodes 64"}
