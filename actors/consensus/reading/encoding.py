"""Whether a file of an answer's Python is the program that is read here (PEP 263).

A file's first two lines may declare in a comment which encoding its bytes are in. An answer is text, where such a comment says
nothing: what is parsed, compared, screened and run is not what runs for whoever saves the answer.

Rules:
- A declaration counts as ``tokenize.detect_encoding`` reads it: in the first line, or in the second if the first is a comment.
  The tokenizer, for which a lone carriage return ends a line as well, finds no other ones. Blank lines in front do not count,
  as whoever copies code leaves them out.
- UTF-8 and, where all is ASCII, ASCII may be declared, by any name that Python has for them. With every other encoding the file
  is other code, and with one that Python does not know it is none.
- A byte order mark is taken off a file and is a fault in text.
- Of an answer that is looked at: what is screened of it as Python; blocks that say they are Python, say nothing, or parse as
  Python; an answer without fences where Python was asked for, or that parses as such.

Left out: Python in prose outside fences and beside prose; encodings that other languages' files declare.
"""

import re
from collections.abc import Iterable, Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from itertools import chain

from actors.consensus.reading.code import PYTHON, PYTHON_LABELS, is_of, python_program
from actors.consensus.reading.fences import blocks
from actors.consensus.reading.python_form import parse

_BYTE_ORDER_MARK = "\ufeff"
_DECLARES = re.compile(r"[ \t\f]*#[^\n]*?coding[:=][ \t]*([-\w.]+)", re.ASCII)


def is_read_otherwise(content: str, language: str, screened: Iterable[str] = ()) -> bool:
    """Tell whether Python in an answer is another program, or none, once it is saved as a file.

    ``language`` is that of the code that was asked for, empty if none was; ``screened`` is what is looked at as Python.
    """
    if "coding" not in content and _BYTE_ORDER_MARK not in content:
        return False
    return any(map(declares_another, chain(screened, _files(content, language))))


def declares_another(source: str) -> bool:
    """Tell whether a source has a byte order mark, or declares an encoding in which its UTF-8 bytes are not this text."""
    text = source.lstrip()
    if not text.startswith("#"):
        return text.startswith(_BYTE_ORDER_MARK)
    declared = next(filter(None, map(_DECLARES.match, text.split("\n", 2)[:2])), None)
    return declared is not None and not _is_plain(declared.group(1), text)


def _files(content: str, language: str) -> Iterator[str]:
    """Yield every text of an answer that may be saved as a Python file, though nobody may look at it as Python."""
    fenced = blocks(content)
    for block in fenced:
        is_other = language not in {"", PYTHON} and is_of(block, language)
        if not is_other and (block.label in {"", *PYTHON_LABELS} or parse(_unmarked(block.code)) is not None):
            yield block.code
    if not fenced and language in {"", PYTHON}:
        is_program = python_program(_unmarked(content)) == _unmarked(content)
        yield content if language or is_program or parse(content) is not None else python_program(content)


def _unmarked(text: str) -> str:
    return text.replace(_BYTE_ORDER_MARK, "")


def _is_plain(name: str, source: str) -> bool:
    """Tell whether the UTF-8 bytes of a source say the same in the encoding of that name."""
    if f"{name.lower().replace('_', '-')}-".startswith("utf-8-"):
        return True  # the tokenizer takes what begins so for UTF-8, whatever follows
    plain = normalize_encoding(name).lower()
    codec = aliases.get(plain) or aliases.get(plain.replace(".", "_")) or plain
    return codec == "utf_8" or (codec == "ascii" and source.isascii())
