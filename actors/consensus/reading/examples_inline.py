"""Examples written as a call with its value behind it: ``f(1) == 2``, ``f(1) ➞ 2``, ``f(1) returns 2``, ``assert f(1) == 2``.

Rules:
- The call is a plain call of a function that is asked for, with literal arguments; nothing on its line may be calculated with
  it, deny it, or make it a condition.
- The value is a literal right behind the sign or word. What follows may end the sentence or explain, but not go on with the
  value ("3, 5", "[1] or [2]", "about 3"), nor take it back ("but should be 4").
- A sum may be worked out: ``f(1) == 1 + 9 = 10`` says 10, if that is what it comes to.
- Where the question defines a function by equations (``f(n) = f(n - 1) + 2``), equations are no examples of it.

Left out: printed output, whose notation loses the type; calls and values that go over several sentences.
"""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import add, mul, sub
from typing import NamedTuple

from actors.base.python_source import parse_expression
from actors.consensus.reading.literals import UNREADABLE, call_source, read_call, read_literal

MAX_CALLS = 256
MAX_PREFIX_CHARS = 200
_REST_CHARS = 200
_CALLED = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?=\()")
_SIGN = re.compile(
    r"`?[ \t]*(?:(?P<note>\#|//|--)[ \t]*)?(?P<sign>=+>|-+>|➞|→|⇒|⟹|↦|➜|===?|=|:)[ \t]*(?:(?:returns?|outputs?)[ \t]*:?[ \t]*)?"
)
_NOTE = re.compile(r"`?[ \t]*(?:\#|//)[ \t]*(?:(?:returns?|outputs?|result|expected|gives)[ \t]*:?[ \t]*)?")
_WORDS = re.compile(
    r"`?[ \t]*,?[ \t]*(?:\#[ \t]*)?(?:(?:should|must|will|would)[ \t]+)?"
    r"(?:returns?|outputs?|gives?|yields?|produces?|evaluates?[ \t]+to|be[ \t]+equal[ \t]+to|equals?|is[ \t]+equal[ \t]+to|is|be)"
    r"[ \t]*:?[ \t]+"
)
_DENIES = re.compile(
    r"n't\b|\b(?:not|if|unless|when|wrong(?:ly)?|incorrect(?:ly)?|bug\w*|currently|instead|never|bad|fails?|actual\w*|suppose|assum\w+"
    r"|error|than|return|while|elif|yield|lambda|print|invalid|but|old|before)\b",
    re.IGNORECASE,
)
_TAKES_BACK = re.compile(
    r"\b(?:or|but|instead|wrong\w*|incorrect\w*|bug\w*|expected|should|approx\w*|about|roughly|around|any|rounded|not[ \t]+\S)\b",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"(?:\A|[\s`:;,.>|*•-]|\((?:e\.g\.|i\.e\.|for example)[,:]?[ \t]*)\Z")
_CALCULATES = re.compile(r"[-+*/%=<>!&|^~@\\][ \t]*\Z")
_DEFINES = re.compile(r"\b(?:def|class|func|fn)[ \t]+\Z")
_BULLET = re.compile(r"[ \t]*(?:[-*•+>]{1,3}|\(?\w{1,3}[.)])?[ \t]*\Z")
_ASSIGNS = re.compile(r"[ \t]*[A-Za-z_]\w*[ \t]*=[ \t]*\Z")
_GOES_ON = re.compile(
    r"`?(?:[ \t]*(?:\n|\Z)|\.?[ \t]*(?:\"{3}|'{3})"
    r"|[ \t]*(?:\#|//|--|—)"
    r"|[.;][ \t]*(?=[\n\"')`]|\Z|[A-Z`(])|[.;!][ \t]+(?=\S)"
    r"|[ \t]+\((?!\d+\))|[ \t]*\)|[ \t]*,?[ \t]+(?:because|since|as|so|and[ \t]+\w+\(|while|whereas)\b"
    r"|[ \t]*[,;][ \t]+(?:\w+\(|because|since))"
)
_NEXT_LINE_CALCULATES = re.compile(r"[^\n]*\n[ \t]*(?:[=+/%<]|[-*][ \t]*\d)")
_NEXT_LINE_GOES_ON = re.compile(r"[ \t]*\n[ \t]*(?!for\b|and\b)[a-z]{2,}[ \t]")
_PRINTS_FALSE = re.compile(r"[^\n]*\n[ \t]*False\b")
_SUM = re.compile(r"-?\d{1,9}(?:[ \t]*[-+*][ \t]*\d{1,9}){1,15}(?=[ \t]*=[ \t]*)")
_OPERATIONS: dict[type[ast.operator], Callable[[int, int], int]] = {ast.Add: add, ast.Sub: sub, ast.Mult: mul}
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_EQUATION = re.compile(r"`?[ \t]*(?:=+>?|-+>)[ \t]*([^\n]{1,200})")


class Found(NamedTuple):
    """An example, and where in the question it stands."""

    at: int
    call: str
    value: str


def inline_examples(question: str, names: Sequence[str]) -> Iterator[Found]:
    """Yield the examples whose value stands behind a call of one of the functions."""
    equations: set[str] = set()
    found: list[tuple[str, bool, Found]] = []
    calls = (match for match in _CALLED.finditer(question) if match.group() in names)
    for match in islice(calls, MAX_CALLS):
        read = read_call(question, match.start())
        if read is None:
            continue
        node, end = read
        call = call_source(node)
        if not call and _is_equation(question, end, match.group()):
            equations.add(match.group())
        if call and (value := _value_behind(question, match.start(), end)):
            source, equates = value
            found.append((match.group(), equates, Found(match.start(), call, source)))
    return (example for name, equates, example in found if not (equates and name in equations))


def value_at(text: str, at: int) -> str:
    """Return the literal at ``at`` if the text does not go on with it or take it back, else an empty string."""
    quoted = text[at : at + 1] == "`"
    read = read_literal(text, at + quoted)
    if read is None:
        return ""
    source, end = read
    if quoted and text[end : end + 1] != "`":
        return ""
    return source if _ends(text, end) else ""


def _value_behind(text: str, begin: int, end: int) -> tuple[str, bool] | None:
    """Return the value stated behind a call, and whether by an equation."""
    prefix = text[max(text.rfind("\n", 0, begin) + 1, begin - MAX_PREFIX_CHARS) : begin]
    if note := _NOTE.match(text, end):
        value = value_at(text, note.end()) if _may_stand_before(prefix, noted=True) else ""
        if value:
            return value, False
    if not _may_stand_before(prefix, noted=False) or (
        ">>>" in prefix and _PRINTS_FALSE.match(text, end, end + _REST_CHARS)
    ):
        return None
    if sign := _SIGN.match(text, end):
        value = value_at(text, sign.end()) or _worked_out(text, sign.end())
        return (value, sign["note"] is None) if value else None
    words = _WORDS.match(text, end)
    value = value_at(text, words.end()) if words else ""
    if not value or (words and _NEXT_LINE_GOES_ON.match(text, _literal_end(text, words.end()))):
        return None
    return value, False


def _literal_end(text: str, at: int) -> int:
    read = read_literal(text, at)
    return read[1] if read else at


def _may_stand_before(prefix: str, *, noted: bool) -> bool:
    """Tell whether what stands before a call on its line leaves it a call by itself."""
    if _DEFINES.search(prefix):
        return False
    if _BULLET.match(prefix) or (noted and _ASSIGNS.match(prefix)):
        return True
    opened = any(prefix.count(a) > prefix.count(b) for a, b in ("()", "[]", "{}"))
    if opened and not re.search(r"\((?:e\.g\.|i\.e\.|for example)[,:]?[ \t]*\Z", prefix, re.IGNORECASE):
        return False
    return not _DENIES.search(prefix) and not _CALCULATES.search(prefix) and _BEGINS.search(prefix[-1:]) is not None


def _ends(text: str, end: int) -> bool:
    """Tell whether a value is over at ``end``."""
    goes_on = _GOES_ON.match(text, end)
    if goes_on is None or _NEXT_LINE_CALCULATES.match(text, end, end + _REST_CHARS):
        return False
    stop = text.find("\n", end, end + _REST_CHARS)
    return not _TAKES_BACK.search(text, end, stop if stop >= 0 else end + _REST_CHARS)


def _worked_out(text: str, at: int) -> str:
    """Return the result of a sum that is worked out (``1 + 9 = 10``), if it comes to that."""
    terms = _SUM.match(text, at)
    equals = _EQUALS.match(text, terms.end()) if terms else None
    if terms is None or equals is None:
        return ""
    value = value_at(text, equals.end())
    return value if value == str(_sum_of(terms.group())) else ""


def _sum_of(terms: str) -> int | None:
    """Return what integers joined by plus, minus and times come to."""
    try:
        return _evaluated(parse_expression(terms))
    except UNREADABLE:  # a number with a leading zero
        return None


def _evaluated(node: ast.expr) -> int:
    match node:
        case ast.BinOp():
            return _OPERATIONS[type(node.op)](_evaluated(node.left), _evaluated(node.right))
        case ast.UnaryOp(op=ast.USub()):
            return -_evaluated(node.operand)
        case ast.Constant(value=int(value)):
            return value
    raise ValueError("no integer")


def _is_equation(text: str, end: int, name: str) -> bool:
    """Tell whether a call with other than literal arguments is defined by an equation: it calculates, or calls itself."""
    equation = _EQUATION.match(text, end)
    return equation is not None and re.search(rf"[-+*/!]|\b{re.escape(name)}\(", equation.group(1)) is not None
