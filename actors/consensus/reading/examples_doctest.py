"""Examples in doctest notation: ``>>> call`` and the value under it.

Rules:
- The source is the prompt's line and the ``...`` lines under it; the value is what follows up to a blank line, the next prompt
  or the end of the text around it.
- The source is a call of a function that is asked for, with literal arguments, or such a call inside calls of builtins that
  only look at it (``round(f(1), 2)``, ``sorted(f("b"))``). The value is one literal.
- Of the first ``MAX_PROMPTS`` prompts each is looked at once.

Left out: statements before a prompt, on which its value may depend: a session that binds names has no examples behind that.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from actors.base.python_source import parse_expression
from actors.consensus.reading.examples_inline import Found
from actors.consensus.reading.literals import MAX_LITERAL_CHARS, UNREADABLE, call_source, python_literal

MAX_PROMPTS = 128
_PROMPT = re.compile(r"^([ \t]*(?:[-*][ \t]+)?)>>>[ \t]?([^\n]*)", re.MULTILINE)
_GOES_ON = re.compile(r"\n[ \t]*\.\.\.(?:[ \t]([^\n]*)|(?=\n|\Z))")
_OUTPUT = re.compile(r"\n[ \t]*(?!>>>|[ \t]|\n|\Z|\"\"\"|'''|```)([^\n]*)")
_MAX_LINES = 64
_LOOKS = frozenset(
    "abs all any bool dict float frozenset int len list max min repr round set sorted str sum tuple type".split()
)


def doctest_examples(question: str, names: Sequence[str]) -> Iterator[Found]:
    """Yield the examples in doctest notation that call one of the functions."""
    for number, prompt in enumerate(_PROMPT.finditer(question)):
        if number == MAX_PROMPTS:
            return
        source, at = _lines(question, prompt.end(), _GOES_ON)
        wanted, _ = _lines(question, at, _OUTPUT)
        value = _value("\n".join(wanted))
        call = _call("\n".join([prompt.group(2), *source]), names) if value else ""
        if call:
            yield Found(prompt.start(), call, value)


def _lines(question: str, at: int, pattern: re.Pattern[str]) -> tuple[list[str], int]:
    found: list[str] = []
    while len(found) < _MAX_LINES and (line := pattern.match(question, at)):
        found.append(line.group(1) or "")
        at = line.end()
    return found, at


def _value(text: str) -> str:
    for end in ('"""', "'''"):  # the docstring may end on the line of the value
        text = text.removesuffix(end)
    return python_literal(text) if text.strip() else ""


def _call(source: str, names: Sequence[str]) -> str:
    """Return an expression in one spelling, if it is a call that may stand as an example."""
    if len(source) > MAX_LITERAL_CHARS:
        return ""
    try:
        node = parse_expression(source.strip())
        return ast.unparse(node) if _calls(node, names) else ""
    except UNREADABLE:
        return ""


def _calls(node: ast.expr, names: Sequence[str]) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    if node.func.id in names:
        return bool(call_source(node))
    own, others = node.args[:1], node.args[1:]
    looks = node.func.id in _LOOKS and not node.keywords and len(own) == 1 and _calls(own[0], names)
    return looks and all(isinstance(other, ast.Constant) for other in others)
