"""What an answer may rely on: the imports and helpers of its question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.context import MAX_CHARS, context_of, future_and_rest, in_context

IMPORTS = "from typing import List\nimport math"
FUTURE = "from __future__ import annotations"
HELPER = "def half(x: int):\n    return x / 2"
ASKED = "\n\ndef f(x: int) -> int:\n    '''Return what is asked.'''\n"


@pytest.mark.parametrize(
    "question",
    [
        f"{IMPORTS}{ASKED}",
        f"Complete this.\n\n```python\n{IMPORTS}{ASKED}```",
        f"Complete the function, please:\n{IMPORTS}{ASKED}",
        f"```python\nimport os\n```\nNow this one:\n```python\n{IMPORTS}{ASKED}```",
    ],
)
def test_imports_before_the_function_are_its_context(question: str) -> None:
    """Bare, in a block, behind prose, and never those of another block."""
    assert context_of(question, "f") == IMPORTS


def test_helpers_and_constants_stay_and_what_runs_does_not() -> None:
    """Calls and computed values of the question are not made a part of every answer."""
    question = f"{IMPORTS}\nLIMIT = 3\nmade = half(1)\nprint(made)\n{HELPER}{ASKED}"
    assert context_of(question, "f") == f"{IMPORTS}\nLIMIT = 3\n{HELPER}"


@pytest.mark.parametrize(
    ("question", "entry_point"),
    [("Write a function f(x).", "f"), (f"{IMPORTS}{ASKED}", ""), (f"{IMPORTS}{ASKED}", "g"), ("def f(x):\n", "f")],
)
def test_without_a_definition_to_stand_before_there_is_none(question: str, entry_point: str) -> None:
    """No ``def`` of that name, or nothing before it."""
    assert context_of(question, entry_point) == ""


def test_what_stands_too_far_before_is_not_looked_at() -> None:
    """The bound holds: the import at the beginning of a long text is not found."""
    assert context_of("import math\n" + "# so\n" * MAX_CHARS + ASKED, "f") == ""


@pytest.mark.parametrize(
    ("context", "code", "source"),
    [
        ("import math", "def f(): ...", "import math\ndef f(): ..."),
        ("", "def f(): ...", "def f(): ..."),
        ("import math", FUTURE, f"{FUTURE}\nimport math"),
        ("import math", f"{FUTURE}\ndef f(): ...", f"{FUTURE}\nimport math\n\ndef f(): ..."),
        ("import math", "x = 'from __future__ import'", "import math\nx = 'from __future__ import'"),
    ],
)
def test_an_answer_runs_behind_its_context(context: str, code: str, source: str) -> None:
    """But for what must stand first; without a context it stands as it is."""
    assert in_context(context, code) == source


@pytest.mark.parametrize(
    "first",
    [
        FUTURE,
        f"# comment\n\n'''Text.'''\n{FUTURE}",
        f"{FUTURE}\nfrom __future__ import (\n    division,\n    generators,\n)",
        f"'''\u00e9\u2028\x0c'''; {FUTURE}",
    ],
)
@pytest.mark.parametrize("between", ["\n", "; ", "  # comment\n", "\r\n"])
def test_imports_of_the_future_stand_before_the_context(first: str, between: str) -> None:
    """Whatever may stand before and behind them, the answer still compiles, and has what the question gives."""
    code = f"{first}{between}half = math.floor(1.5)\n"
    assert future_and_rest(code)[0] == first
    found: dict[str, object] = {}
    exec(compile(in_context("import math", code), "answer", "exec"), found)  # noqa: S102 - our own code
    assert found["half"] == 1


@pytest.mark.parametrize(
    "code", ["'''Text.'''\nimport __future__", f"import os\n{FUTURE}", f"def f(:\n{FUTURE}", "'''__future__'''"]
)
def test_other_mentions_of_the_future_change_nothing(code: str) -> None:
    """A plain import, one that stands too late, what does not parse, and mere words."""
    assert future_and_rest(code) == ("", code)
    assert in_context("import math", code) == f"import math\n{code}"


@given(st.text(max_size=200))
def test_any_text_before_a_function_is_read(text: str) -> None:
    """What comes out parses, whatever stood there."""
    compile(context_of(f"{text}\ndef f(x):\n    pass", "f"), "context", "exec")


@pytest.mark.parametrize("helper", [f"BIG = 0x{'f' * 5000}", "def h(y):\n    return f\"{'\u00a0'.join(y)}\""])
def test_what_cannot_be_written_down_is_left_out(helper: str) -> None:
    """A question may hold what parses and has no source; the rest of its context stays."""
    assert context_of(f"{IMPORTS}\n{helper}\n\ndef f(x):\n    pass\n", "f") == IMPORTS
