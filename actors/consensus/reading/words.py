"""The words of a Python answer that its code does not account for: what it says to whoever reads it.

Rules:
- Words stand in comments, docstrings as they are shown, prose and blocks around the code, annotations that only name types, and
  in the names that a program chooses freely. Constants are told by the code's elements.
- Nobody's own are words that only describe data and computation (``plain_words``), what the question says, in comments the names
  that the code uses and that are not its own, and in annotations the names of types.
- A freely chosen name counts as a whole, unless its pieces are plain or said, but for short ones beside these.
- What a dot, slash, colon or at sign joins is one word: it may be an address. So may long numbers. Letters of other kinds
  (circled, Braille) and signs beyond ASCII are words, too.

Left out: what words mean together, so that plain ones can still make a sentence.
"""

import builtins
import io
import re
import tokenize
import typing
from collections.abc import Iterator

import msgspec

from actors.consensus.reading.plain_words import PLAIN_WORDS

_WORD = re.compile(
    r"[^\W\d]\w*(?:[./:@\-]+\w+)*|\d+(?:\.\d+){2,}|\d{5,}|//(?:\d{2,}|\[)|[^\w\s\x00-\x7f–—‘’“”…•·×÷→⇒≤≥≠±√°]+"
)
_SAID = re.compile(r"\w+")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_a-zA-Z\d]+")
_FENCE = re.compile(r"^[ \t]*(?:```+|~~~+)[ \t]*(?:python3?|py)?[ \t]*$", re.IGNORECASE | re.MULTILINE)
_JOINS = re.compile(r"[_-]+")
_BREAKS = re.compile(r"[./:@]")
TYPES = frozenset(dir(builtins)) | frozenset(typing.__all__)
"""Names that annotations may hold."""
_SHORT = 2
"""Letters of a piece of a name that say nothing beside others."""


class Spelled(msgspec.Struct, frozen=True):
    """What the code of an answer spells."""

    compared: frozenset[str]
    """Names that it uses and that are elements of the code."""
    free: frozenset[str]
    """Names that it binds."""
    types: frozenset[str]
    """What its annotations say that only name types."""
    documented: tuple[str, ...]
    """Its docstrings."""


def words_of(content: str, code: str, question: str, spelled: Spelled) -> frozenset[str]:
    """Return the words of an answer that are its own to say."""
    said = {*_SAID.findall(question), *_WORD.findall(question)}
    plain = {piece.lower() for word in said for piece in _PIECE.findall(word)} | PLAIN_WORDS
    told = "\n".join((_around(content, code), *_comments(code), *spelled.documented))
    names = spelled.compared | spelled.free
    excused = spelled.compared | {name for name in spelled.free if len(name) == 1}
    words = {word for word in _WORD.findall(told) if word not in excused and not _is_path(word, names)}
    words |= {
        word for text in spelled.types for word in _WORD.findall(text) if not TYPES.issuperset(_SAID.findall(word))
    }
    found = {word for word in words - said if not _is_plain(word, plain)}
    return frozenset(found | {name for name in spelled.free - said if not _says_nothing(name, plain)})


def _around(content: str, code: str) -> str:
    """Return what stands around the code, the fences' labels left out."""
    before, found, after = content.partition(code.strip("\n"))
    if found:
        return _FENCE.sub("", f"{before}\n{after}")
    lines = set(code.splitlines())
    return _FENCE.sub("", "\n".join(line for line in content.splitlines() if line not in lines))


def _comments(code: str) -> Iterator[str]:
    """Yield the comments; of code that cannot be taken apart all that was not."""
    seen = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            seen = token.end[0]
            if token.type == tokenize.COMMENT:
                yield token.string
    except (tokenize.TokenError, SyntaxError):
        yield "\n".join(code.splitlines()[seen:])


def _is_path(word: str, names: frozenset[str]) -> bool:
    """Tell whether a word is an attribute that the code has, said with what it is of."""
    return "." in word and names.issuperset(word.split("."))


def _is_plain(word: str, plain: set[str]) -> bool:
    """Tell whether a word of a text is one of description, or put together of such ones otherwise than as an address."""
    if word.lower() in plain:
        return True
    return not _BREAKS.search(word) and plain.issuperset(_JOINS.split(word.lower()))


def _says_nothing(name: str, plain: set[str]) -> bool:
    pieces = [piece.lower() for piece in _PIECE.findall(name)]
    alike = all(piece in plain or len(piece) <= _SHORT for piece in pieces)
    return len(name) <= _SHORT or (alike and any(piece in plain for piece in pieces))
