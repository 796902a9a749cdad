"""Examples that state arguments and value without a call: ``Input: ... Output: ...``, "For x = 1 the output should be 2", tables.

Rules:
- The function is the entry point, whose parameters must be known from the question.
- Arguments are literals, given by name (all parameters without a default, and no others) or in order (as many as there are
  parameters that must be given). A name that is no parameter is taken in order, if no other stands at its place.
- Only separators may stand between the arguments and the word for the value; in a sentence, words of the same line that deny
  nothing.
- A table has one column for the value and either one for each parameter or one for the only parameter, or for the call.

Left out: programs that read standard input, arguments in words, and values of several lines in words.
"""

import re
from collections.abc import Iterator, Sequence

from actors.consensus.reading.examples_inline import Found, value_at
from actors.consensus.reading.literals import call_source, python_literal, read_call, read_literal
from actors.consensus.reading.signatures import Signature

MAX_STATED = 128
_MAX_CELLS = 16
_INPUT = re.compile(r"\binputs?(?:[ \t]*\d{1,3})?[`*]{0,3}[ \t]*(?::|=(?!=))[`*]{0,3}\s*", re.IGNORECASE)
_OUTPUT = re.compile(
    r"[`*\s,;|.]*(?:-+>|=+>|➞|→)?[`*\s]*"
    r"(?:(?:the[ \t]+)?(?:expected[ \t]+|sample[ \t]+)?(?:outputs?|results?|return(?:s|[ \t]+value)?)|expected)"
    r"(?:[ \t]*\d{1,3})?[`*]{0,3}[ \t]*(?::|=(?!=))[`*]{0,3}\s*",
    re.IGNORECASE,
)
_FOR = re.compile(
    r"(?<!and )\b(?:for|if|given|with|when)[ \t]+(?=`?[A-Za-z_]\w*`?[ \t]*=(?!=))"
    r"|\b(?:for|given|with)[ \t]+(?:an?[ \t]+|the[ \t]+)?input[ \t]*:?[ \t]+",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"`?(?!(?i:expected|outputs?|results?|returns?|explanation)\b)([A-Za-z_]\w*)`?[ \t]*(?:=(?!=)|:)[ \t]*`?"
)
_BETWEEN = re.compile(r"`?(?:[ \t]*[,;][ \t]*(?:and[ \t]+)?|[ \t]+and[ \t]+|\s*\n\s*)")
_STATES = re.compile(
    r"(?P<gap>[^\n.?!]{0,160}?)\b(?:output|result|answer|function|it|you|value)[ \t]+(?:(?:should|would|will|must)[ \t]+)?"
    r"(?:be|is|return|returns|equals?|output)[ \t]*:?[ \t]+"
)
_DENIES = re.compile(r"n't\b|\b(?:not|if|unless|when|wrong|instead|never|but|or|for)\b", re.IGNORECASE)
_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*+\|?\Z")
_VALUE_COLUMNS = frozenset(
    (
        "output",
        "expected",
        "expected output",
        "result",
        "expected result",
        "returns",
        "return",
        "return value",
        "value",
        "out",
    )
)
_CALL_COLUMNS = frozenset("call example expression function input".split())
_ARGUMENT_COLUMNS = frozenset("input argument arg in inputs".split())


def stated_examples(question: str, signature: Signature) -> Iterator[Found]:
    """Yield the examples that state arguments and value of the function with this signature."""
    yield from _pairs(question, signature)
    yield from _sentences(question, signature)
    yield from _tables(question, signature)


def _pairs(question: str, signature: Signature) -> Iterator[Found]:
    for number, match in enumerate(_INPUT.finditer(question)):
        if number == MAX_STATED:
            return
        call, end = _stated_call(question, match.end(), signature)
        output = _OUTPUT.match(question, end) if call else None
        value = value_at(question, output.end()) if output else ""
        if value:
            yield Found(match.start(), call, value)


def _sentences(question: str, signature: Signature) -> Iterator[Found]:
    for number, match in enumerate(_FOR.finditer(question)):
        if number == MAX_STATED:
            return
        call, end = _stated_call(question, match.end(), signature)
        states = _STATES.match(question, end) if call else None
        value = value_at(question, states.end()) if states and not _DENIES.search(states["gap"]) else ""
        if value:
            yield Found(match.start(), call, value)


def _tables(question: str, signature: Signature) -> Iterator[Found]:
    at, header, columns = 0, "", list[str]()
    for line in question.splitlines(keepends=True):
        if "|" not in line:
            columns = []
        elif _RULE.match(line.strip()):
            columns = [cell.lower().strip("*") for cell in _cells(header)]
        elif columns and (found := _row(columns, _cells(line), signature)):
            yield Found(at, *found)
        header = line
        at += len(line)


def _cells(line: str) -> list[str]:
    bare = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().strip("`").strip() for cell in bare.split("|", _MAX_CELLS)]


def _row(columns: Sequence[str], cells: Sequence[str], signature: Signature) -> tuple[str, str] | None:
    """Return the call and the value of one row, or ``None`` if it is not clear which cell is what."""
    values = [place for place, column in enumerate(columns) if column in _VALUE_COLUMNS]
    if len(cells) != len(columns) or len(values) != 1:
        return None
    value = python_literal(cells[values[0]])
    given = {column: cell for column, cell in zip(columns, cells, strict=True) if column not in _VALUE_COLUMNS}
    call = _row_call(given, signature) if value and len(given) == len(columns) - 1 else ""
    return (call, value) if call else None


def _row_call(given: dict[str, str], signature: Signature) -> str:
    column, cell = next(iter(given.items()), ("", ""))
    if len(given) == 1 and column in _CALL_COLUMNS and cell.startswith(f"{signature.name}("):
        return _whole_call(cell, signature)
    literals = [python_literal(cell) for cell in given.values()]
    if not all(literals):
        return ""
    names = ["" if column in _ARGUMENT_COLUMNS else column for column in given]
    lowered = {parameter.name.lower(): parameter.name for parameter in signature.parameters}
    if any(name and name not in lowered for name in names):
        return ""
    return _call([(lowered.get(name, ""), literal) for name, literal in zip(names, literals, strict=True)], signature)


def _whole_call(text: str, signature: Signature) -> str:
    read = read_call(text, 0) if text.startswith(f"{signature.name}(") else None
    return call_source(read[0]) if read and read[1] == len(text) else ""


def _stated_call(text: str, at: int, signature: Signature) -> tuple[str, int]:
    """Return the call that arguments stated from ``at`` on amount to, and where they end."""
    at += text.startswith("`", at)
    if text.startswith(f"{signature.name}(", at):
        read = read_call(text, at)
        return (call_source(read[0]), read[1]) if read else ("", at)
    given: list[tuple[str, str]] = []
    while len(given) <= len(signature.parameters):
        name = _NAME.match(text, at)
        literal = read_literal(text, name.end() if name else at)
        if literal is None:
            break
        given.append((name.group(1) if name else "", literal[0]))
        end = literal[1]
        between = _BETWEEN.match(text, end)
        at = between.end() if between else end
        if between is None:
            break
    return (_call(given, signature), end) if given else ("", at)


def _call(given: Sequence[tuple[str, str]], signature: Signature) -> str:
    """Return the call with the arguments at their parameters' places, or an empty string if they do not fit."""
    takes = signature.parameters
    needed = [parameter for parameter in takes if not parameter.default]
    if any(parameter.passing not in {"positional", "either"} for parameter in takes):
        return ""
    if not len(needed) <= len(given) <= len(takes):
        return ""
    names = [parameter.name for parameter in takes]
    if all(name in names for name, _ in given):
        by_name = dict(given)
        ordered = [by_name.get(name, "") for name in names[: len(given)]]
        return f"{signature.name}({', '.join(ordered)})" if all(ordered) and len(by_name) == len(given) else ""
    fits = all(name == names[place] or name not in names for place, (name, _) in enumerate(given))
    return f"{signature.name}({', '.join(literal for _, literal in given)})" if fits else ""
