"""Words that nothing compares."""

import pytest

from actors.consensus.reading.beside import words_beside

CODE = 'def f(x):\n    """Add one."""\n    return x + 1'
QUESTION = f"Complete this function.\n\n```python\n{CODE}\n```"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (f"```python\n{CODE}\n```", CODE, set()),
        (f"Here it is:\n```python\n{CODE}\n```", CODE, {"Here", "it"}),
        (f"```python\n# quick\n{CODE}\n```", f"# quick\n{CODE}", {"quick"}),
        ("def f(y):\n    return y + 1", "def f(y):\n    return y + 1", set()),
        ('def f(x):\n    """Add two."""\n    return x + 1', 'def f(x):\n    """Add two."""\n    return x + 1', {"two"}),
        ("def f(x):\n    return 'two'", "def f(x):\n    return 'two'", set()),
    ],
)
def test_only_what_is_neither_asked_nor_compared_counts(content: str, code: str, words: set[str]) -> None:
    """Prose, comments and docstrings beyond the question's do; code and its literals do not."""
    assert words_beside(content, code, QUESTION + " is this") == words - {"is", "this"}


def test_what_is_no_python_has_no_words_beside_it() -> None:
    """Such an answer's words stand in its form."""
    assert words_beside("whatever (it says", "whatever (it says", QUESTION) == frozenset()
