"""The syntactic normal form of code."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.code import normal_python, normal_source, python_code

PLAIN = "def f(n):\n    return n + 1\n"


def test_prose_fences_docstrings_and_annotations_change_nothing() -> None:
    """The same program dressed differently has the same normal form."""
    dressed = (
        'Sure!\n```python\ndef f(n: int) -> int:\n    """Add one."""\n    # comment\n    return (n + 1)\n```\nEnjoy.'
    )
    assert normal_python(dressed) == normal_python(PLAIN) != ""


def test_an_annotated_assignment_is_an_assignment_in_functions_only() -> None:
    """Annotations of locals mean nothing; those of a class body are data."""
    assert normal_python("def f():\n    x: int = 1\n    return x") == normal_python("def f():\n    x = 1\n    return x")
    assert normal_python("class A:\n    x: int = 1") != normal_python("class A:\n    x = 1")


def test_different_behaviour_has_a_different_form() -> None:
    """A changed operator, default, decorator or an added call is seen."""
    forms = {
        normal_python(code)
        for code in (
            PLAIN,
            "def f(n):\n    return n - 1\n",
            "def f(n=0):\n    return n + 1\n",
            "@cache\ndef f(n):\n    return n + 1\n",
            PLAIN + "\nimport os\nos.system('x')\n",
        )
    }
    assert len(forms) == 5


def test_every_python_block_counts() -> None:
    """A second block cannot hide beside an innocent first one."""
    both = f"```python\n{PLAIN}```\nand\n```python\nimport os\n```"
    assert normal_python(both) not in ("", normal_python(PLAIN))


def test_unfenced_code_after_prose_is_found() -> None:
    """Models that forget the fence are read from the first definition on."""
    assert normal_python(f"Here you go:\n\n{PLAIN}\nThis adds one to n, you see!") == normal_python(PLAIN)


def test_an_unclosed_fence_runs_to_the_end() -> None:
    """A missing closing fence is no reason to drop an answer that parses."""
    assert normal_python(f"```python\n{PLAIN}") == normal_python(PLAIN)


def test_code_that_does_not_parse_has_no_form() -> None:
    """Broken code, prose and huge or deep input cost the ballot, not the process."""
    assert normal_python("```python\ndef f(:\n```") == ""
    assert normal_python("I cannot do that.") == ""
    assert normal_python("(" * 5000 + ")" * 5000) == ""
    assert python_code("x = 1\n" * 20_000) == ""


def test_other_languages_differ_by_more_than_blanks() -> None:
    """Outside Python only trailing blanks and blank lines are taken away."""
    assert normal_source("```js\nlet a = 1;  \n\n```") == normal_source("```js\nlet a = 1;\n```")
    assert normal_source("```js\nlet a = 1;\n```") != normal_source("```js\nlet a = 2;\n```")
    assert normal_source("no code") == ""


@given(st.text(max_size=300))
def test_any_answer_can_be_read(content: str) -> None:
    """Reading never raises, and a form is a form of code that parses."""
    if normal_python(content):
        ast.parse(python_code(content))
