"""Code beside what was asked for: which of an answer is looked at, as which language, and what comes of it together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.pieces import MAX_CHARS, MAX_PIECES, Piece, TooMuch, joined, taken_apart
from actors.consensus.reading.code import PYTHON, code_of
from actors.consensus.screening.findings import Finding, Screening, Verdict
from actors.consensus.screening.screen import screen

SHELL = "import os\nos.system(input())\n"
ADDS = "def f(x):\n    return x + 1\n"


def fenced(code: str, label: str = "") -> str:
    """Return code between fences, with words around."""
    return f"Like so:\n\n```{label}\n{code}```\nDone."


def pieces(content: str, language: str = "") -> list[tuple[str, str]]:
    """Return language and code of each piece beside the code that was asked for."""
    return [(piece.language, piece.code) for piece in taken_apart(content, language)[1]]


def verdict(content: str, language: str = "") -> Verdict:
    """Return what the rules say of all pieces beside the code."""
    found = taken_apart(content, language)[1]
    return joined(found, [screen(piece.code, piece.language) for piece in found]).verdict


@pytest.mark.parametrize(
    "content",
    ["Paris is the capital (of France).", "42", '{"a": "f(x)"}', fenced('{"a": "eval(x)"}\n', "json"), fenced("\n")],
)
def test_prose_and_data_hold_no_code(content: str) -> None:
    """Words, values, JSON and blank blocks have no piece to be looked at."""
    assert taken_apart(content, "") == ("", ())


@pytest.mark.parametrize("label", ["python", "py", "", "text", "swift", "made-up"])
def test_python_is_looked_at_under_any_label(label: str) -> None:
    """A label is a claim: what runs a shell is rejected whatever it is called."""
    assert (PYTHON, SHELL) in pieces(fenced(SHELL, label))
    assert verdict(fenced(SHELL, label)) == "reject"


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("js", "eval(location.hash)\n"),
        ("typescript", "const f = (x: string) => { element.innerHTML = x; }\n"),
        ("html", "<script>document.write(location.hash)</script>\n"),
        ("", "element.innerHTML = location.hash;\n"),
        ("text", "element.innerHTML = location.hash;\n"),
    ],
)
def test_other_languages_are_looked_at_as_text(label: str, code: str) -> None:
    """JavaScript is told by its label, by the markup that carries it, or taken for granted where nothing is said."""
    assert ("typescript" if label == "typescript" else "javascript", code) in pieces(fenced(code, label))
    assert verdict(fenced(code, label)) == "reject"


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("swift", 'import Foundation\nprint("Hello")\n'),
        ("java", "import java.util.List;\n"),
        ("sql", "SELECT 1;\n"),
        ("bash", "pip install x\n"),
        ("python", ADDS),
    ],
)
def test_what_is_harmless_passes(label: str, code: str) -> None:
    """Other languages' packages are not taken for Python's that do not exist."""
    assert verdict(fenced(code, label)) == "pass"


@pytest.mark.parametrize(
    "code",
    [
        ">>> import os\n>>> os.system(input())\n0\n",
        f"{SHELL}...)\n",
        f"def f(\n{SHELL}",
        "    import os\n    os.system(input())\n",
        f"if x:\n    pass\n  else\n{SHELL}",
    ],
)  # fmt: skip
def test_python_that_does_not_parse_is_looked_at_in_part(code: str) -> None:
    """A broken line beside it, a transcript or indentation hides nothing that parses by itself."""
    assert verdict(fenced(code, "python")) == "reject"


def test_what_was_looked_at_in_part_says_so() -> None:
    """An excerpt is flagged, not rejected."""
    found = taken_apart(fenced("def f(x):\n", "python"), "")[1]
    told = joined(found, [screen(piece.code, piece.language) for piece in found])
    assert (told.verdict, [f.rule for f in told.findings]) == ("flag", ["block-in-part"])


def test_a_program_without_fences_is_a_piece_where_none_was_asked_for() -> None:
    """Words may stand before it; prose with brackets is no program."""
    assert pieces(f"Sure, run this.\n\n{SHELL}") == [(PYTHON, SHELL.strip())]
    assert pieces("Paris (on the Seine) is the capital.") == []
    assert pieces(SHELL, PYTHON) == []


def test_blocks_beside_the_code_that_was_asked_for_are_pieces() -> None:
    """Its own blocks are the code, and are not looked at twice."""
    content = "\n".join([fenced(ADDS, "python"), fenced("eval(location.hash)\n", "js"), fenced(ADDS)])
    code, beside = taken_apart(content, PYTHON)
    assert code == code_of(content, PYTHON) == f"{ADDS}\n{ADDS}"
    assert {piece.code for piece in beside} == {"eval(location.hash)\n"}
    assert verdict(content, PYTHON) == "reject"
    javascript = taken_apart(content, "javascript")[1]
    assert {piece.code for piece in javascript} == {ADDS}


def test_an_answer_without_the_code_that_was_asked_for_is_looked_at_whole() -> None:
    """Nothing that can be told apart: all of it is the code, and each block is a piece besides."""
    content = fenced("def f(:\n", "python")
    code, beside = taken_apart(content, PYTHON)
    assert code == content
    assert [piece.code for piece in beside][:1] == ["def f(:\n"]


def test_too_much_is_not_looked_at() -> None:
    """The number of pieces and their length have bounds."""
    assert len(taken_apart(fenced("SELECT 1\n", "sql") * MAX_PIECES, "")[1]) == MAX_PIECES
    with pytest.raises(TooMuch):
        taken_apart(fenced("SELECT 1\n", "sql") * (MAX_PIECES + 1), "")
    with pytest.raises(TooMuch):
        taken_apart(fenced("SELECT 1\n" * (MAX_CHARS // 8), "sql"), "")


@given(st.text(alphabet="`~ a=().:\n>def", max_size=200), st.sampled_from(["", PYTHON, "javascript", "go"]))
def test_every_block_is_looked_at_or_too_much(content: str, language: str) -> None:
    """Whatever an answer holds, taking it apart ends in pieces or in a refusal."""
    try:
        code, beside = taken_apart(content, language)
    except TooMuch:
        return
    assert (code == "") == (not language or not content)
    assert all(piece.code for piece in beside)


def found(rule: str, verdict: Verdict = "reject", *sinks: str) -> Screening:
    """Return a screening with one finding."""
    return Screening(verdict, "v", (Finding(rule, "CWE-1", 1, verdict, "x"),), sinks)  # type: ignore[arg-type]


def test_the_worst_piece_decides() -> None:
    """One screening a candidate: every finding and sink, and the verdict of the worst."""
    sure = [Piece("a", PYTHON), Piece("b", "sql")]
    told = joined(sure, [found("r1", "flag", "file"), found("r2", "reject", "network")])
    assert (told.verdict, [f.rule for f in told.findings], told.sinks) == ("reject", ["r2", "r1"], ("file", "network"))
    assert joined(sure[:1], [found("r1")]) == found("r1")


def test_a_guess_holds_no_imports_and_no_sinks_against_an_answer() -> None:
    """What is only taken for Python may import what Python does not have."""
    told = joined([Piece("a", PYTHON, is_guess=True)], [found("import-lookalike", "reject", "network")])
    assert (told.verdict, told.sinks) == ("pass", ())
    assert joined([Piece("a", PYTHON, is_guess=True)], [found("danger-eval")]).verdict == "reject"
