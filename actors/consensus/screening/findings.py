"""What screening says of one candidate.

Rules:
- ``reject`` keeps a candidate from winning; ``flag`` is shown and counts against it in ties; ``pass`` says nothing was found.
- A screening's verdict is the worst of its findings'.
- Messages name what was found, never the candidate's own words.

Left out: which rules there are (the modules beside this one).
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

FindingVerdict = Literal["reject", "flag"]
Verdict = Literal["pass", "flag", "reject"]
SinkKind = Literal["network", "process", "file", "crypto", "eval"]

MAX_FINDINGS = 50


class Finding(msgspec.Struct, frozen=True, order=True):
    """One thing found."""

    rule: str
    """Stable word: ``family-what``."""
    cwe: str
    """``CWE-`` and a number of MITRE's Common Weakness Enumeration."""
    line: int
    """1-based; 0 where the finding is about the whole."""
    verdict: FindingVerdict
    message: str


class Screening(msgspec.Struct, frozen=True):
    """What was found in one candidate by one version of the rules."""

    verdict: Verdict
    version: str
    findings: tuple[Finding, ...] = ()
    """Rejections first, then by line; at most ``MAX_FINDINGS``."""
    sinks: tuple[SinkKind, ...] = ()
    """The kinds of outside effects the code reaches for, sorted."""


def conclude(found: Iterable[Finding], sinks: Iterable[SinkKind], version: str) -> Screening:
    """Return the screening of everything found; one finding a rule and line is kept."""
    ordered = sorted({(f.rule, f.line, f.verdict): f for f in found}.values(), key=_by_weight)
    verdict: Verdict = ordered[0].verdict if ordered else "pass"
    return Screening(verdict, version, tuple(ordered[:MAX_FINDINGS]), tuple(sorted(set(sinks))))


def refusal(rule: str, message: str, version: str) -> Screening:
    """Return the screening of code that could not be looked into: a check that failed never counts as health."""
    return Screening("reject", version, (Finding(rule, "CWE-693", 0, "reject", message),))


def _by_weight(finding: Finding) -> tuple[bool, int, str]:
    return finding.verdict != "reject", finding.line, finding.rule
