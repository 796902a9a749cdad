"""Executable examples that a prompt gives, in the notations people use.

Rules:
- An example is a call of a function that is asked for, with literal arguments, and the literal value it must have
  (``examples_doctest``, ``examples_inline``, ``examples_stated`` say how they are written). In doubt there is none: a missed
  example costs a check, a wrong one would turn the right answer away.
- Without a function that the question defines or names, the one that all calls with a value agree on is meant.
- Examples keep the question's order. One said twice counts once; two values for one call count not at all.
- At most ``MAX_EXAMPLES`` are kept, and a question of more than ``MAX_QUESTION_CHARS`` is not looked into.

Left out: running them (nothing runs outside the sandbox), so none counts as passed.
"""

import ast
import builtins
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from actors.base.python_source import parse_expression
from actors.consensus.reading.examples_doctest import doctest_examples
from actors.consensus.reading.examples_inline import Found, inline_examples
from actors.consensus.reading.examples_stated import stated_examples
from actors.consensus.reading.signatures import MAX_QUESTION_CHARS, asked_functions, signature_of

MAX_EXAMPLES = 32
MAX_FOUND = 512
_MAX_NAMES = 16
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
_OTHERS = frozenset(dir(builtins)) | frozenset(
    "def class function for if while and or not in is return assert lambda with".split()
)


@dataclass(frozen=True, slots=True)
class Example:
    """One example: ``call`` must evaluate to ``value`` (Python source of both)."""

    call: str
    value: str


def examples_of(question: str) -> tuple[Example, ...]:
    """Return the examples a question gives."""
    if len(question) > MAX_QUESTION_CHARS or "(" not in question:
        return ()
    question = question.replace("\r\n", "\n")
    names = asked_functions(question)
    if names:
        return _agreed(_found(question, names))
    found = _found(question, _called(question))
    return _agreed(found) if len({_name(item.call) for item in found}) == 1 else ()


def entry_point_of(question: str) -> str:
    """Return the name of the function a question asks for, empty if that is unclear.

    It is the last one defined without a body, else the one that is named, else the one that all examples call.
    """
    names = asked_functions(question)
    if names:
        return names[-1]
    called = {_name(example.call) for example in examples_of(question)}
    return called.pop() if len(called) == 1 else ""


def _called(question: str) -> Sequence[str]:
    """Return the names that may be functions of a question which neither defines nor names one."""
    names = (match.group(1) for match in islice(_CALLED.finditer(question), MAX_FOUND))
    return list(islice(dict.fromkeys(name for name in names if name not in _OTHERS), _MAX_NAMES))


def _found(question: str, names: Sequence[str]) -> list[Found]:
    if not names:
        return []
    found = [*doctest_examples(question, names), *inline_examples(question, names)]
    signature = signature_of(question)
    if signature is not None:
        found += islice(stated_examples(question, signature), MAX_FOUND)
    return sorted(found, key=lambda item: item.at)


def _agreed(found: Iterable[Found]) -> tuple[Example, ...]:
    """Return each call with the one value that all its examples give it."""
    values: dict[str, list[str]] = {}
    for item in found:
        values.setdefault(item.call, []).append(item.value)
    agreed = (
        Example(call, given[0]) for call, given in values.items() if all(_same(given[0], other) for other in given)
    )
    return tuple(islice(agreed, MAX_EXAMPLES))


def _same(left: str, right: str) -> bool:
    """Tell whether two literals are one value; ``1`` and ``1.0`` are, ``1`` and ``True`` are not."""
    if left == right:
        return True
    return ("True" in left or "False" in left) == ("True" in right or "False" in right) and (
        ast.literal_eval(parse_expression(left)) == ast.literal_eval(parse_expression(right))
    )


def _name(call: str) -> str:
    """Return the name that a call calls, or the one inside its builtins."""
    return next((name for name in _CALLED.findall(call) if name not in _OTHERS), "")
