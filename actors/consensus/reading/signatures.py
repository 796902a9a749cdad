"""The functions a question asks for, and their parameters.

Rules:
- A ``def`` line without a body (nothing, a docstring, ``pass``, ``...``, imports) is a function that is asked for. If every
  ``def`` of the question has a body, all of them are: the question is about code that is there.
- Without a ``def``, the function is the one the question names: "a function called f", "function `f`", "`f(a, b)`", "function
  f(a, b)".
- Of several functions asked for, the last ``def`` is the entry point; of several that are only named, the first.

Left out: methods (a ``def`` inside a class is none that could be called by its name alone), and types in words.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from keyword import iskeyword
from typing import Literal

from actors.base.python_source import parse_program
from actors.consensus.reading.literals import UNREADABLE, closing

MAX_QUESTION_CHARS = 65_536
MAX_FUNCTIONS = 64
Passing = Literal["positional", "either", "keyword", "rest", "keywords"]
_DEF = re.compile(r"^([ \t]*)(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w*)[ \t]*(?=\()", re.MULTILINE)
_CLASS = re.compile(r"^([ \t]*)class[ \t]+[A-Za-z_]\w*[ \t]*[(:]", re.MULTILINE)
_HEADER_END = re.compile(r"[ \t]*(?:->[ \t]*([^\n]{1,200}?))?[ \t]*:?[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_RETURNS = re.compile(r"[ \t]*->[ \t]*([^\n:`]{1,200})")
_ONE_LINE_BODY = re.compile(r"[ \t]*(?:->[ \t]*([^\n:]{1,200}?))?[ \t]*:[ \t]*(?:pass|\.\.\.)[ \t]*(?:\n|\Z)")
_NOTHING = re.compile(
    r"(?:[ \t]*(?:#[^\n]*)?\n|[ \t]+(?:pass|\.\.\.|raise NotImplementedError[^\n]*|(?:from|import)[ \t][^\n]*)[ \t]*(?:\n|\Z))"
)
_DOCSTRING = re.compile(r"[ \t]*[rRuU]?(\"\"\"|''')")
_NOT_NAMES = frozenset(
    "that which to with by in on at for from when if once every each after before and or the a an it is be of so only"
    " repeatedly twice during as using".split()
)
_NAMED = (
    re.compile(r"\b(?:function|method|def)[ \t]+(?:called|named)[ \t]+[`\"'*]{0,2}([A-Za-z_]\w*)(?=([^\w]|\Z))", re.IGNORECASE),
    re.compile(r"\bfunction(?:[ \t]+with[ \t]+the)?(?:[ \t]+name)?[ \t]+[`\"']([A-Za-z_]\w*)(?=[(`\"'])", re.IGNORECASE),
    re.compile(r"\bfunction[ \t]+([A-Za-z_]\w*)(?=\()", re.IGNORECASE),
    re.compile(r"\b(?:implement|write|define|create|complete|code)[ \t]+`([A-Za-z_]\w*)(?=[(`])", re.IGNORECASE),
    re.compile(r"\b(?:implement|write|define|create|complete)[ \t]+([A-Za-z_]\w*)(?=\([\w \t,:\[\]=.*|]*\))", re.IGNORECASE),
    re.compile(r"`([A-Za-z_]\w*)`[ \t]+function\b", re.IGNORECASE),
    re.compile(r"`([A-Za-z_]\w*)(?=\([\w \t,:\[\]=.*|]*\)(?:[ \t]*->[^`\n]*)?`)"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function."""

    name: str
    annotation: str
    """Python source; empty without one."""
    default: str
    """Python source; empty if the parameter must be given."""
    passing: Passing
    """How it is given: ``positional`` or ``keyword`` only, ``either``; ``rest`` is ``*args``, ``keywords`` is ``**kwargs``."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function that is asked for takes and gives."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    """Annotation of the result as Python source; empty without one."""


@dataclass(frozen=True, slots=True)
class _Defined:
    name: str
    opens: int
    """Where its parameter list begins."""
    has_body: bool


def signature_of(question: str) -> Signature | None:
    """Return the signature of the function a question asks for, from its ``def`` line or its name with parameters in prose."""
    if len(question) > MAX_QUESTION_CHARS:
        return None
    question = question.replace("\r\n", "\n")
    defined = _asked(question)
    if defined:
        return _signature(question, defined[-1].name, defined[-1].opens)
    named = _named(question)
    return _signature(question, named.group(1), named.end(1)) if named else None


def asked_functions(question: str) -> tuple[str, ...]:
    """Return the names of the functions a question asks for, in order; the entry point is the last one."""
    if len(question) > MAX_QUESTION_CHARS:
        return ()
    question = question.replace("\r\n", "\n")
    defined = _asked(question)
    if defined:
        return tuple(dict.fromkeys(item.name for item in defined))
    named = _named(question)
    return (named.group(1),) if named else ()


def _asked(question: str) -> list[_Defined]:
    found = list(islice(_defined(question), MAX_FUNCTIONS))
    return [item for item in found if not item.has_body] or found


def _defined(question: str) -> Iterator[_Defined]:
    classes = [(match.start(), len(match.group(1))) for match in islice(_CLASS.finditer(question), MAX_FUNCTIONS)]
    for match in _DEF.finditer(question):
        name, indent = match.group(2), len(match.group(1))
        end = closing(question, match.end())
        if end is None or any(at < match.start() and depth < indent for at, depth in classes):
            continue
        yield _Defined(name, match.end(), _has_body(question, end, indent))


def _has_body(question: str, at: int, indent: int) -> bool:
    """Tell whether a function whose parameter list ends at ``at`` does something."""
    if _ONE_LINE_BODY.match(question, at):
        return False
    header = _HEADER_END.match(question, at)
    if header is None:
        return True
    at = _over_nothing(question, header.end())
    opens = _DOCSTRING.match(question, at)
    if opens:
        closes = question.find(opens.group(1), opens.end())
        if closes < 0:
            return False
        at = _over_nothing(question, closes + 3)
    end = question.find("\n", at)
    line = question[at : end if end >= 0 else len(question)]
    return bool(line.strip()) and len(line) - len(line.lstrip()) > indent


def _over_nothing(question: str, at: int) -> int:
    while nothing := _NOTHING.match(question, at):
        at = nothing.end()
    return at


def _named(question: str) -> re.Match[str] | None:
    """Return where the function that a question asks for in words is named first."""
    for pattern in _NAMED:
        for match in pattern.finditer(question):
            if match.group(1).lower() not in _NOT_NAMES and not iskeyword(match.group(1)):
                return match
    return None


def _signature(question: str, name: str, opens: int) -> Signature | None:
    """Read the parameter list that begins at ``opens`` and what stands behind it as the annotation of the result."""
    end = closing(question, opens) if question[opens : opens + 1] == "(" else None
    if end is None:
        return None
    returned = _RETURNS.match(question, end)
    for result in (returned.group(1) if returned else "", ""):
        node = _function(f"def {name}{question[opens:end]}{f' -> {result}' if result else ''}: pass")
        if node is not None:
            return Signature(name, _parameters(node.args), _source(node.returns))
    return None


def _function(source: str) -> ast.FunctionDef | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            node = parse_program(source).body[0]
    except UNREADABLE:
        return None
    return node if isinstance(node, ast.FunctionDef) else None


def _parameters(arguments: ast.arguments) -> tuple[Parameter, ...]:
    positional = [*arguments.posonlyargs, *arguments.args]
    bare = len(positional) - len(arguments.defaults)
    defaults = [None] * bare + list(arguments.defaults)
    found = [
        _parameter(item, default, "positional" if place < len(arguments.posonlyargs) else "either")
        for place, (item, default) in enumerate(zip(positional, defaults, strict=True))
    ]
    if arguments.vararg:
        found.append(_parameter(arguments.vararg, None, "rest"))
    found += [
        _parameter(item, default, "keyword")
        for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        found.append(_parameter(arguments.kwarg, None, "keywords"))
    return tuple(found)


def _parameter(item: ast.arg, default: ast.expr | None, passing: Passing) -> Parameter:
    return Parameter(item.arg, _source(item.annotation), _source(default), passing)


def _source(node: ast.expr | None) -> str:
    try:
        return ast.unparse(node) if node is not None else ""
    except UNREADABLE:
        return ""
