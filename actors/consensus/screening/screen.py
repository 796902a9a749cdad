"""Screens one candidate's code: every rule over one reading of it. Pure, bounded, and it never raises.

Rules:
- Python is parsed once; other languages are looked at as text.
- What cannot be looked into is rejected: too long, too many nodes, not Python, or a rule that failed (``scanner-error``).
- Further checks (Bandit's) are handed in; they see the same parsed source's text, and their failure is a rejection too.

Left out: remembering, threads, and proof that the rules still see (``adapters.screener``).
"""

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from actors.consensus.screening import (
    characters,
    credentials,
    crypto,
    dangerous,
    imports,
    obfuscation,
    other_languages,
    patterns,
    sinks,
    taint,
    triggers,
    web,
)
from actors.consensus.screening.findings import Finding, Screening, conclude, refusal
from actors.consensus.screening.source import Source, build
from actors.consensus.screening.version import SCREENING_VERSION

MAX_CODE_CHARS = 65_536
MAX_NODES = 20_000
MAX_DEPTH = 200  # levels of nested syntax
MAX_FOUND = 1_000  # of one rule family, before the worst are kept
PYTHON = frozenset({"python", "python3", "py", "py3"})

Check = Callable[[Source], Iterator[Finding]]
ExtraCheck = Callable[[str], Iterable[Finding]]
"""Code to findings; raises where it could not look."""
Screen = Callable[[str, str], Screening]
"""Code and language to what was found."""

CHECKS: tuple[Check, ...] = (
    dangerous.check,
    crypto.check,
    web.check,
    credentials.check,
    obfuscation.check,
    triggers.check,
    patterns.check,
    imports.check,
    taint.check,
)


class NotInspected(Exception):
    """The code cannot be looked into; the message says why, without its words."""


def screen(code: str, language: str, extra: Sequence[ExtraCheck] = ()) -> Screening:
    """Return what the rules find in ``code``; ``language`` is the answer's, in any case. Never raises."""
    try:
        if len(code) > MAX_CODE_CHARS:
            raise NotInspected("is longer than what is looked into")
        wanted = language.strip().lower()
        return _python(code, extra) if wanted in PYTHON else _text(code, wanted)
    except NotInspected as error:
        return refusal("scanner-refused", str(error), SCREENING_VERSION)
    except Exception as error:  # noqa: BLE001 - whatever fails here, the code was not looked into
        return refusal("scanner-error", f"a rule failed: {type(error).__name__}", SCREENING_VERSION)


def _python(code: str, extra: Sequence[ExtraCheck]) -> Screening:
    source = read(code)
    found = [*_any_language(code)]
    for check in CHECKS:
        found += islice(check(source), MAX_FOUND)
    for each in extra:
        found += islice(each(code), MAX_FOUND)
    return conclude(found, sinks.sinks(source), SCREENING_VERSION)


def _text(code: str, language: str) -> Screening:
    found = [*_any_language(code), *islice(other_languages.check(code, language), MAX_FOUND)]
    return conclude(found, other_languages.sinks(code, language), SCREENING_VERSION)


def _any_language(code: str) -> Iterator[Finding]:
    for check in (characters.check, credentials.shapes, triggers.addresses):
        yield from islice(check(code), MAX_FOUND)


def read(code: str) -> Source:
    """Parse and index Python; raise ``NotInspected`` if it is none or more than the bounds allow."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes warn; the answer is not ours to mend
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise NotInspected("is not Python") from error
    return build(tree, _nodes(tree))


def _nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return every node breadth first, level by level."""
    found: list[ast.AST] = [tree]
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return tuple(found)
        found += level
        if len(found) > MAX_NODES:
            raise NotInspected("has more syntax than what is looked into")
    raise NotInspected("is nested more deeply than what is looked into")
