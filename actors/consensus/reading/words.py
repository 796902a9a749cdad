"""The words of a Python answer that its code does not account for: what it says to whoever reads it.

Rules:
- Words stand in comments, docstrings, prose around the code, annotations that only name types, and in the names that a program
  chooses freely. A word that is part of something compared (a constant, an attribute, a name of somebody else) is told there.
- Nobody's own are words that only describe data and computation (``plain_words``), what the question says, Python's keywords
  where the code uses them, and in annotations the names of types.
- A freely chosen name counts as a whole, unless all its pieces are plain or said.
- Numbers that may be an address, letters of other kinds (circled, Braille) and signs beyond ASCII are words, too.

Left out: what words mean together, so that plain ones can still make a sentence.
"""

import builtins
import io
import re
import tokenize
import typing
from keyword import iskeyword, issoftkeyword

import msgspec

from actors.consensus.reading.plain_words import PLAIN_WORDS

_WORD = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+){2,}|\d{5,}|//(?:\d{2,}|\[)|[^\w\s\x00-\x7f–—‘’“”…•·×÷→⇒≤≥≠±√²³°]+")
_SAID = re.compile(r"\w+")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W_a-zA-Z\d]+")
_LABELS = frozenset({"python", "py", "python3"})
_TYPES = frozenset(dir(builtins)) | frozenset(typing.__all__)
_SHORT = 2
"""Letters of a piece of a name that say nothing."""


class Spelled(msgspec.Struct, frozen=True):
    """What the code of an answer spells."""

    compared: frozenset[str]
    """Texts, names and numbers that are elements of the code."""
    free: frozenset[str]
    """Names that it binds."""
    types: frozenset[str]
    """What its annotations say that only name types."""


def words_of(content: str, code: str, question: str, spelled: Spelled) -> frozenset[str]:
    """Return the words of an answer that are its own to say."""
    said = {*_SAID.findall(question), *_WORD.findall(question)}
    pieces = {piece.lower() for word in said for piece in _PIECE.findall(word)}
    accounted = {word for text in spelled.compared for word in _WORD.findall(text)} | spelled.compared
    accounted |= {name for name in spelled.free if all(_says_nothing(p.lower(), pieces) for p in _PIECE.findall(name))}
    accounted |= {word for text in spelled.types for word in _WORD.findall(text) if word in _TYPES}
    words = set(_WORD.findall(content)) - accounted - said - _LABELS - _keywords(code)
    return frozenset(word for word in words if word.lower() not in PLAIN_WORDS)


def _says_nothing(piece: str, said: set[str]) -> bool:
    return len(piece) <= _SHORT or piece in PLAIN_WORDS or piece in said


def _keywords(code: str) -> set[str]:
    """Return the keywords that code uses, not those that it talks of."""
    found = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.NAME and (iskeyword(token.string) or issoftkeyword(token.string)):
                found.add(token.string)
    except (tokenize.TokenError, SyntaxError):  # what was found so far is there all the same
        return found
    return found
