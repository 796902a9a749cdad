"""The code in an answer beside the code that was asked for: what of it is screened, and as which language.

Rules:
- Every fenced block that is no part of the answer's own code is a piece, whatever was asked for; so is an answer without fences
  that is a Python program though none was asked for. A block that is a JSON value is data, and blank ones are nothing.
- A label is a claim. What parses as Python is looked at as Python under any label, beside what its label says; a block whose
  label names no other language here is looked at as JavaScript too, whose rules find the most in text. Of such a guess
  neither imported names (another language's packages are not Python's) nor sinks count.
- A block that claims to be Python and does not parse (a transcript, an excerpt) is looked at in part: the statements that parse
  as Python, all of it as text. That it was looked at in part is a flag.
- More than ``MAX_PIECES`` or ``MAX_CHARS`` are too much to be looked at: the answer is no ballot.

Left out: the rules (``screening``); code in prose outside fences, beside prose; and data that a program would run.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from actors.consensus.reading.code import LABELS, PYTHON, PYTHON_LABELS, look_for_code, python_program
from actors.consensus.reading.fences import Block, blocks
from actors.consensus.reading.python_form import parse
from actors.consensus.reading.reading import Look
from actors.consensus.screening.findings import Finding, Screening, conclude

MAX_PIECES = 48
MAX_CHARS = 131_072  # of all pieces together
MAX_STATEMENTS = 512  # places at which an excerpt is taken apart
_NAMED = {
    **{label: language for language, labels in LABELS.items() for label in (language, *labels)},
    **{
        name: name
        for name in ("java", "php", "swift", "scala", "haskell", "c", "perl", "lua", "r", "powershell", "console")
    },
    **dict.fromkeys(("html", "vue", "svelte", "xml"), "javascript"),
}
"""Label → the language whose rules look at the block; markup is looked at for the scripts in it."""
_CALLS = frozenset("(@")
"""What no program does anything without."""
_CONTINUES = ("else", "elif", "except", "finally", ")", "]", "}", "case ")
_IN_PART = Finding("block-in-part", "CWE-693", 0, "flag", "a block of Python does not parse and was looked at in part")


class Piece(msgspec.Struct, frozen=True):
    """Code that is looked at as one language."""

    code: str
    language: str
    is_guess: bool = False
    """The answer does not say that it is of this language."""
    in_part: bool = False
    """Some of a block that does not parse as a whole."""


class TooMuch(Exception):
    """An answer holds more code than what is looked at."""


def taken_apart(content: str, language: str, look: Look = look_for_code) -> tuple[str, tuple[Piece, ...]]:
    """Return the code that was asked for and the pieces beside it; raise ``TooMuch`` where these are beyond the bounds.

    The code is all of the answer where none of the language can be told from the rest, and empty without a ``language``.
    ``look`` finds it.
    """
    if not language:
        return "", _bounded(_of_blocks(blocks(content)) if "```" in content or "~~~" in content else _unfenced(content))
    try:
        found = look(content, language)
        code, beside = found.code, found.beside if found.code else tuple(blocks(content))
    except (ValueError, RecursionError):  # it parses, but holds what cannot be written down: only asked directly
        code, beside = "", tuple(blocks(content))
    return code or content, _bounded(_of_blocks(beside))


def joined(pieces: Sequence[Piece], screenings: Sequence[Screening]) -> Screening:
    """Return what was found in all pieces; ``screenings`` are theirs, in order."""
    if len(pieces) == 1 and not (pieces[0].is_guess or pieces[0].in_part):
        return screenings[0]
    found: list[Finding] = [_IN_PART] if any(piece.in_part for piece in pieces) else []
    for piece, screening in zip(pieces, screenings, strict=True):
        found += [f for f in screening.findings if not (piece.is_guess and f.rule.startswith("import-"))]
    told = [s for piece, s in zip(pieces, screenings, strict=True) if not piece.is_guess]
    sinks = [sink for screening in told for sink in screening.sinks]
    return conclude(found, sinks, screenings[0].version)


def _bounded(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    taken = tuple(islice(pieces, MAX_PIECES + 1))
    if len(taken) > MAX_PIECES or sum(len(piece.code) for piece in taken) > MAX_CHARS:
        raise TooMuch
    return taken


def _unfenced(content: str) -> Iterator[Piece]:
    if not _CALLS.isdisjoint(content) and not _is_json(content) and (code := python_program(content)):
        yield Piece(code, PYTHON, is_guess=True)


def _of_blocks(fenced: Iterable[Block]) -> Iterator[Piece]:
    for block in fenced:
        if block.code.strip() and not _is_json(block.code):
            yield from _of_block(block.code, block.label)


def _of_block(code: str, label: str) -> Iterator[Piece]:
    if label in PYTHON_LABELS:
        yield from _claimed(code)
        return
    language = _NAMED.get(label, "")
    yield Piece(code, language or "javascript", is_guess=not language)
    if not _CALLS.isdisjoint(code) and python_program(code) == code:
        yield Piece(code, PYTHON, is_guess=True)


def _claimed(code: str) -> Iterator[Piece]:
    """Yield what is looked at of a block that claims to be Python."""
    if parse(whole := textwrap.dedent(code)) is not None:
        yield Piece(whole, PYTHON)
        return
    yield Piece(code, "text", in_part=True)
    if kept := _statements(_typed(whole)):
        yield Piece(kept, PYTHON, in_part=True)


def _typed(code: str) -> str:
    """Return what was typed in a transcript, or the code as it is."""
    lines = code.splitlines()
    typed = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
    return "\n".join(typed) if typed else code


def _statements(code: str) -> str:
    """Return the statements at the margin that parse, one behind the other."""
    chunks: list[list[str]] = []
    for line in code.splitlines():
        begins = bool(line.strip()) and not line[0].isspace() and not line.startswith(_CONTINUES)
        if not chunks or (begins and len(chunks) < MAX_STATEMENTS):
            chunks.append([])
        chunks[-1].append(line)
    return "\n".join(chunk for lines in chunks if parse(chunk := "\n".join(lines)) is not None)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
