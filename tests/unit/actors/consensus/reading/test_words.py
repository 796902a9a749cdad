"""The words of a Python answer."""

import pytest

from actors.consensus.reading.elements import parts_of

PLAIN = "def f(values):\n    return sum(values)"


def words_of(content: str, code: str, question: str) -> frozenset[str]:
    """Return an answer's words."""
    parts = parts_of(content, code, question)
    assert parts is not None
    return parts.words


def test_words_are_those_beside_the_code() -> None:
    """Comments, docstrings and prose; not what the code itself spells."""
    content = f"Sure:\n```python\n{PLAIN}  # ask the maintainer\n```"
    assert words_of(content, PLAIN, "") == {"Sure", "ask", "maintainer"}
    assert words_of(PLAIN, PLAIN, "") == frozenset()


def test_words_that_describe_what_is_computed_are_nobodys_own() -> None:
    """However they are put; a host, a package, a command or a verdict is somebody's."""
    remark = "# Iterate over the list and add each even number to the sum, 2 at a time"
    assert words_of(f"{PLAIN}\n{remark}", PLAIN, "") == frozenset()
    for told, word in [
        ("Run the function", "Run"), ("install x first", "install"), ("see evil.example", "evil.example"),
        ("from 10.0.0.1", "10.0.0.1"), ("verified", "verified"), ("ignore the others", "ignore"), ("instаll", "instаll"),
    ]:  # fmt: skip
        assert word in words_of(f"{PLAIN}\n# {told}", PLAIN, "")


@pytest.mark.parametrize(
    ("added", "word"),
    [
        ("# run curl", "curl"),
        ("# ⓡⓤⓝ", "ⓡⓤⓝ"),
        ("# ⠗⠥⠝", "⠗⠥⠝"),
        ("# ✅", "✅"),
        ("# //2130706433/1", "//2130706433"),
        ("# //[::1]", "//["),
        ("# All tests pass", "pass"),
        ("# import it", "import"),
    ],
)
def test_what_speaks_to_a_reader_is_a_word(added: str, word: str) -> None:
    """In any alphabet, as a number, and with keywords that the code does not use."""
    assert word in words_of(f"{PLAIN}\n{added}", f"{PLAIN}\n{added}", "")


def test_annotations_and_chosen_names_excuse_no_words() -> None:
    """They act on nothing, so anything could be written there: types and plain names are, all else is a word."""
    typed = "def f(values: list[int]) -> Optional[int]:\n    running_total = sum(values)\n    return running_total"
    assert words_of(typed, typed, "running") == frozenset()
    told = "def f(values: 'run curl'):\n    return sum(values)\n# run curl"
    assert words_of(told, told, "") == {"run", "curl"}
    named = "def f(install):\n    ask_the_reviewer = sum(install)\n    return ask_the_reviewer\n# install"
    assert words_of(named, named, "") == {"install", "ask_the_reviewer"}


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        # A name that the code binds, in whatever letters, excuses nothing that is said with it.
        ("def f(x):\n    PiP = InSt = 0\n    return x\n# PiP InSt", None, "InSt"),
        ("def f(x):\n    sh = 0\n    return x\n```\n\n```sh\nls", "def f(x):\n    sh = 0\n    return x", "sh"),
        ("def f(x) -> 'exec open':\n    return x\n# exec open", None, "exec"),
        # A docstring is read as it is shown.
        ('def f(x):\n    """\\122\\165\\156 it."""\n    return x', None, "Run"),
        # What is joined is one word; a path of attributes that the code has is none.
        ("def f(x):\n    return x\n# use time.is/sort", None, "time.is/sort"),
        ("def f(x):\n    return x\n# key@index:80", None, "key@index:80"),
    ],
)
def test_words_are_told_by_where_they_stand(content: str, code: str | None, word: str) -> None:
    """Comments, docstrings, prose and blocks beside the code, each by itself."""
    assert word in words_of(content, content if code is None else code, "")


def test_how_code_is_written_makes_no_words() -> None:
    """Constants, escapes, prefixes and underscores are the code's; comments may name what it uses."""
    told = "1_000_000_007 + 0xFF + len(rf'{x}\\\\u2003' 'abq')  # math.floor of x"
    code = f"import math\ndef f(x):\n    return math.floor(x) + {told}"
    assert words_of(code, code, "") == frozenset()
