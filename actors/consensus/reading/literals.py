"""Literal values and calls with literal arguments, read out of text that may go on behind them.

Rules:
- What is read must be a Python literal; ``true``, ``false`` and ``null`` stand for ``True``, ``False`` and ``None``.
- A full stop behind a number ends a sentence. A number that goes on otherwise ("1,000", "5%", "0.333...") is no literal.
- One value in parentheses may mean a tuple of one: it is no literal. Neither is an ellipsis, nor a doubled backslash, which
  means one thing in a docstring and another outside.
- Nothing longer than ``MAX_LITERAL_CHARS`` or deeper than ``MAX_DEPTH`` brackets is read: each look costs a bounded amount.

Left out: names of constants, arithmetic, and quotes that Python does not know.
"""

import ast
import re
import warnings

from actors.base.python_source import parse_expression

MAX_LITERAL_CHARS = 4_096
MAX_ARGUMENTS = 32
MAX_DEPTH = 32
_STRING = r"(?:[bBrR]{0,2})(?:\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+')"
_STRING_HERE = re.compile(_STRING)
_NUMBER_HERE = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|(?:\d[\d_]*)?\.?\d+(?:[eE][-+]?\d+)?)(?![\w%]|[.,]\d|\.\.)"
)
_WORD_HERE = re.compile(r"(?:True|False|None|true|false|null)(?!\w)")
_PIECE = re.compile(rf"{_STRING}|[\[\](){{}}]|[\"'#]")
_EMPTY_SET = re.compile(r"set\(\)")
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_JSON_WORD = re.compile(r"\b(?:true|false|null)\b")
_JSON_WORDS = {"true": True, "false": False, "null": None}
UNREADABLE = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError)


def read_literal(text: str, at: int) -> tuple[str, int] | None:
    """Return the literal that begins at ``at`` as Python source, and where it ends; ``None`` if none does."""
    end = _literal_end(text, at)
    if end is None:
        return None
    source = python_literal(text[at:end])
    return (source, end) if source else None


def python_literal(text: str) -> str:
    """Return a text that is one literal as Python source in one spelling, or an empty string."""
    node = _expression(text.strip())
    if node is None or (text.lstrip().startswith("(") and not isinstance(node, ast.Tuple)):
        return ""
    return _written(node)


def read_call(text: str, at: int) -> tuple[ast.Call, int] | None:
    """Return the plain call that begins with a name at ``at``, and where it ends; its arguments need not be literals."""
    opens = text.find("(", at, at + MAX_LITERAL_CHARS)
    end = closing(text, opens) if opens >= 0 else None
    node = _expression(text[at:end]) if end is not None else None
    if end is None or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    return node, end


def call_source(node: ast.Call) -> str:
    """Return a call of a name as Python source in one spelling, or an empty string if an argument is no literal."""
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    if len(arguments) > MAX_ARGUMENTS or any(keyword.arg is None for keyword in node.keywords):
        return ""
    if not all(_is_literal(argument) for argument in arguments):
        return ""
    try:
        return ast.unparse(node)
    except UNREADABLE:
        return ""


def closing(text: str, opens: int) -> int | None:
    """Return the place behind the bracket that closes the one at ``opens``; ``None`` if none does within the bound."""
    awaited: list[str] = []
    for piece in _PIECE.finditer(text, opens, opens + MAX_LITERAL_CHARS):
        mark = piece.group()
        if mark in _PAIRS:
            awaited.append(_PAIRS[mark])
            if len(awaited) > MAX_DEPTH:
                return None
        elif mark in {'"', "'", "#"} or (mark in ")]}" and awaited.pop() != mark):
            return None  # a string that does not end on its line, a comment, or a bracket of another kind
        if not awaited:
            return piece.end()
    return None


def _literal_end(text: str, at: int) -> int | None:
    if text[at : at + 1] in _PAIRS:
        return closing(text, at)
    here = (
        _STRING_HERE.match(text, at, at + MAX_LITERAL_CHARS)
        or _NUMBER_HERE.match(text, at, at + MAX_LITERAL_CHARS)
        or _WORD_HERE.match(text, at)
        or _EMPTY_SET.match(text, at)
    )
    return here.end() if here else None


def _expression(text: str) -> ast.expr | None:
    if len(text) > MAX_LITERAL_CHARS or "\\\\" in text:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1 is 2" warns; a prompt is not ours to mend
            node = parse_expression(text)
        return _JsonWords().visit(node) if _JSON_WORD.search(text) else node
    except UNREADABLE:
        return None


class _JsonWords(ast.NodeTransformer):
    """Writes JSON's words as Python's."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_JSON_WORDS[node.id]) if node.id in _JSON_WORDS else node


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is not ...
    try:
        ast.literal_eval(node)
    except UNREADABLE:
        return False
    return not any(isinstance(part, ast.Constant) and part.value is ... for part in ast.walk(node))


def _written(node: ast.expr) -> str:
    try:
        return ast.unparse(node) if _is_literal(node) else ""
    except UNREADABLE:
        return ""
