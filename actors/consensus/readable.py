"""Whether an answer can be a ballot: its reading, or why it has none; and the code in it that is screened and run.

Rules:
- Deliberation and whoever groups retained answers again ask the same functions.
- Code or JSON that was cut off by ``max_tokens`` is none, nor is text that is no valid Unicode.
- Nor is Python of which a file is read otherwise than the answer is (``reading.encoding``), asked for or beside, whatever the
  policy: what was looked at would not be what runs.
- What was read last is remembered, in the process's memory and bounded in bytes: popular questions bring the same answers again,
  and reading one takes a millisecond.
- A voter that is asked alone is compared with nobody: whatever it says, if it is text and satisfies the schema, can be read.

Left out: how large and how late an answer may be (``deliberation``).
"""

from functools import cache

import msgspec

from actors.base.memo import remembered
from actors.consensus.pieces import Piece, TooMuch, taken_apart
from actors.consensus.reading.code import PYTHON, look_for_code
from actors.consensus.reading.encoding import is_read_otherwise
from actors.consensus.reading.kind import language_of
from actors.consensus.reading.reading import Reading, read_answer, single_answer

MAX_REMEMBERED_BYTES = 16 * 2**20
"""Of questions, answers and what was read in them, in a process; an answer of more than a 64th of that is read each time."""

READ_OTHERWISE = (
    "Python of which a file is other code: it declares another encoding than UTF-8 (PEP 263), or has a byte order mark"
)


class Readable(msgspec.Struct, frozen=True):
    """What an answer is worth as a ballot, and the code in it."""

    reading: Reading
    why: str = ""
    """Why it cannot count; empty if it can."""
    code: str = ""
    """The code that was asked for, or the whole answer where none can be told from the rest; empty if none was asked for."""
    beside: tuple[Piece, ...] = ()
    """Other code in the answer."""

    def pieces(self, language: str) -> tuple[Piece, ...]:
        """Return everything in the answer that is screened."""
        return looked_at(self.code, language, self.beside)


@remembered(MAX_REMEMBERED_BYTES)
def readable(
    kind: str, question: str, policy: str, content: str, finish_reason: str, schema: str = ""
) -> Readable:  # fmt: skip
    """Read an answer of ``kind`` to ``question``, held to ``schema`` if the request gives one."""
    look = cache(look_for_code)  # once for both who ask
    reading = read_answer(kind, question, content, schema, look)
    why = reading.why_invalid
    if not why and finish_reason == "length" and kind.startswith(("code:", "json")):
        why = "answer cut off by max_tokens"
    if not why and not reading.form:
        why = "nothing to compare"
    if not is_text(content):
        why = "answer is not valid Unicode"
    if policy == "direct" and content.strip() and is_text(content) and not (why and schema):
        reading, why = single_answer(reading, content), ""
    try:
        code, beside = taken_apart(content, language := language_of(kind), look)
    except TooMuch:
        return Readable(reading, "more code beside the answer than is looked at")
    screened = (piece.code for piece in looked_at(code, language, beside) if piece.language == PYTHON)
    if is_read_otherwise(content, language, screened):
        return Readable(reading, READ_OTHERWISE)
    return Readable(reading, why, code, beside)


def looked_at(code: str, language: str, beside: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Return what is screened of an answer: the code that was asked for, if any was, and the pieces beside it."""
    return (*((Piece(code, language),) if language else ()), *beside)


def is_text(content: str) -> bool:
    """Tell whether an answer has UTF-8 bytes."""
    return content.isascii() or not any("\ud800" <= character <= "\udfff" for character in content)
