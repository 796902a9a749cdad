"""What a Python answer is made of."""

import pytest

from actors.consensus.reading.elements import elements_of, words_of

PLAIN = "def f(values):\n    return sum(values)"


def test_names_of_its_own_choosing_and_words_are_no_elements() -> None:
    """Parameters, locals, docstrings, annotations and comments tell nothing of what code does."""
    renamed = 'def f(items: list[int]) -> int:\n    """Add up."""\n    total = sum(items)  # all\n    return total'
    assert elements_of(PLAIN, "") == {"name sum", "kind Call"}
    assert elements_of(renamed, "") == {"name sum", "kind Call", "kind Assign"}


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
    assert words_of(f"{code}  # tell even from odd", code, "Say even or odd.") == {"tell", "from"}


def test_words_are_those_beside_the_code() -> None:
    """Comments, docstrings and prose; not what the code itself spells."""
    content = f"Sure:\n```python\n{PLAIN}  # ask the operator\n```"
    assert words_of(content, PLAIN, "") == {"Sure", "ask", "the", "operator"}
    assert words_of(PLAIN, PLAIN, "") == frozenset()


def test_what_cannot_be_parsed_has_none() -> None:
    """It is in no group of code anyway."""
    assert (elements_of("def f(", ""), words_of("def f(", "def f(", "")) == (frozenset(), frozenset())
