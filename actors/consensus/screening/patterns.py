r"""Regular expressions that take exponential time on some text (CWE-1333).

Rules:
- A repeated group whose content is itself one unbounded repetition, or ends or begins optional around one, or holds ``.*``, is
  rejected where it is not the last thing of the pattern: ``(a+)+$``, ``(\w*)*x``, ``(\d+\s?)+$``.
- Alternatives of a repeated group that begin with the same character are flagged.

Left out: polynomial patterns, engines other than Python's.
"""

import re
from collections.abc import Iterator

from actors.consensus.screening.dangerous import finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.source import Source

MAX_PATTERN_CHARS = 2_000
METHODS = frozenset(f"re.{name}" for name in "compile match search fullmatch findall finditer sub subn split".split())
_ATOM = r"(?:\\.|\[(?:\\.|[^\]\\])+\]|[^\\\[\](){}|*+?^$])"
_MANY = r"(?:[*+]|\{\d*,\})\??"
_NESTED = re.compile(
    rf"\((?:\?:|\?P<\w+>)?(?:{_ATOM}(?:\?|\*))*{_ATOM}{_MANY}(?:{_ATOM}(?:\?|\*|\{{0,\d*\}}))*\){_MANY}"
)
_GREEDY_INSIDE = re.compile(rf"\((?:\?:|\?P<\w+>)?[^()|]*\.[*+][^()|]*\){_MANY}")
_REPEATED_TWICE = re.compile(r"\)[*+]\)[*+]")
_ALTERNATIVES = re.compile(rf"\((?:\?:)?({_ATOM})[^()|]*(?:\|[^()|]*)*\|\1[^()]*\){_MANY}")


def check(source: Source) -> Iterator[Finding]:
    """Yield patterns given to ``re`` that can take exponential time."""
    for call, name in source.calls():
        if name in METHODS and isinstance(pattern := source.constant(source.argument(call, 0, "pattern")), str):
            if exponential(pattern):
                yield finding(
                    call, "pattern-exponential", 1333, "matches with a pattern that can take exponential time"
                )
            elif len(pattern) <= MAX_PATTERN_CHARS and _ALTERNATIVES.search(pattern):
                yield finding(call, "pattern-ambiguous", 1333, "repeats alternatives that begin alike", "flag")


def exponential(pattern: str) -> bool:
    """Tell a pattern that repeats a repetition and can fail after it."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return False
    shapes = (_NESTED, _GREEDY_INSIDE, _REPEATED_TWICE)
    return any(match.end() < len(pattern) for shape in shapes for match in shape.finditer(pattern))
