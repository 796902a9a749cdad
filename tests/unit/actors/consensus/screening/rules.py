"""What one rule family says of a piece of code, for the tests of the families."""

from collections.abc import Callable, Iterable
from textwrap import dedent

from actors.consensus.screening.findings import Finding
from actors.consensus.screening.screen import read
from actors.consensus.screening.source import Source


def said(check: Callable[[Source], Iterable[Finding]], code: str) -> set[tuple[str, str]]:
    """Return (rule, verdict) of everything a family finds."""
    return {(finding.rule, finding.verdict) for finding in check(read(dedent(code)))}


def rejected(check: Callable[[Source], Iterable[Finding]], code: str) -> set[str]:
    """Return the rules that reject."""
    return {rule for rule, verdict in said(check, code) if verdict == "reject"}
