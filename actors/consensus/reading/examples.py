"""Executable examples that a prompt gives, in doctest notation (``>>> call`` and the value under it).

Rules:
- An example is an expression and the literal value it must have; statements, output that is no literal, and examples without a
  value are left out, for nothing could be compared.
- Of the first ``MAX_PROMPTS`` prompts at most ``MAX_EXAMPLES`` are kept.

Left out: running them (nothing runs outside the sandbox), so none counts as passed; and every other notation.
"""

import ast
import doctest
from dataclasses import dataclass
from itertools import islice

MAX_EXAMPLES = 32
MAX_PROMPTS = 128
_PROMPT = ">>>"
MAX_QUESTION_CHARS = 65_536


@dataclass(frozen=True, slots=True)
class Example:
    """One example: ``call`` must evaluate to ``value`` (Python source of both)."""

    call: str
    value: str


def examples_of(question: str) -> tuple[Example, ...]:
    """Return the examples a question gives."""
    if _PROMPT not in question or len(question) > MAX_QUESTION_CHARS:
        return ()
    try:
        parsed = doctest.DocTestParser().get_examples(_first_prompts(question))
    except ValueError:  # inconsistent indentation: no examples that anybody could mean
        return ()
    found = (Example(item.source.strip(), item.want.strip()) for item in parsed)
    return tuple(islice((example for example in found if _is_comparable(example)), MAX_EXAMPLES))


def _first_prompts(question: str) -> str:
    pieces = question.split(_PROMPT, MAX_PROMPTS + 1)
    return _PROMPT.join(pieces[: MAX_PROMPTS + 1])


def _is_comparable(example: Example) -> bool:
    try:
        ast.parse(example.call, mode="eval")
        ast.literal_eval(example.value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError):
        return False
    return True
