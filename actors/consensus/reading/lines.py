"""The line of an answer that states its value.

Rules:
- It is the first line that says something. A line of fillers ("Sure!") and a line that only announces ("The capital of France
  is:") say nothing yet; one that announces anything else leaves no value.
- There is no line if a later one takes back what was said ("Actually, ..."), or if the answer is a list.
- A model that goes on asking itself questions is not followed.
- Only ``MAX_READ_CHARS`` are looked at, and a line of more than ``MAX_LINE_CHARS`` states no value.

Left out: sentences. A line is read whole.
"""

import re
from collections.abc import Iterator

from actors.consensus.reading.asked import FILLERS, FUNCTION_WORDS, PREPOSITIONS, Asked, negates, root
from actors.consensus.reading.tokens import tokens

MAX_LINE_CHARS = 1_024
MAX_READ_CHARS = 16_384
_ITEM_WORDS = 3
_SAYS = re.compile(r"[^\W_]")
_NEXT_QUESTION = re.compile(r"\bQ:")
_LISTED = re.compile(r"[ \t]{0,16}(?:[-*•+]|\(?\w{1,3}[.)])[ \t]")
_TAKES_BACK = re.compile(
    r"^\W{0,8}(?:wait|actually|correction|sorry|no|however|but|scratch that|on second thought|edit|oops|my mistake)\b",
    re.IGNORECASE | re.MULTILINE,
)


def stated(asked: Asked, content: str) -> list[str]:
    """Return the tokens of the line that states the value, or nothing."""
    lines = iter(content[:MAX_READ_CHARS].splitlines())
    for line in lines:
        if not _SAYS.search(line):
            continue
        if len(line) > MAX_LINE_CHARS:
            return []
        said = tokens(_before_next_question(line))
        announces = ":" in line and line.rstrip(" \t*_`").endswith(":")
        if FILLERS.issuperset(said) or (announces and _only_repeats(asked, said)):
            continue
        return [] if announces or _goes_on(line, said, lines) else said
    return []


def _before_next_question(line: str) -> str:
    asks = _NEXT_QUESTION.search(line, 1) if "Q:" in line else None
    return line[: asks.start()] if asks else line


def _only_repeats(asked: Asked, said: list[str]) -> bool:
    return all(
        token in FUNCTION_WORDS or token in PREPOSITIONS or root(token) in asked.known for token in said
    ) and not any(map(negates, said))


def _goes_on(line: str, said: list[str], lines: Iterator[str]) -> bool:
    """Tell whether later lines change what the line says: they take it back, or are more items of a list."""
    rest = [later for later in lines if _SAYS.search(later)]
    if not rest:
        return False
    if _TAKES_BACK.search("\n".join(rest)) or (_LISTED.match(line) and any(map(_LISTED.match, rest))):
        return True
    return len(rest[0]) <= MAX_LINE_CHARS and _is_item(rest[0]) and tokens(rest[0]) != said


def _is_item(line: str) -> bool:
    """Tell whether a line is as short as another value; questions and headings are none."""
    return len(line.split()) <= _ITEM_WORDS and ":" not in line and "?" not in line
