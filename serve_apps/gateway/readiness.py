"""Whether a replica can answer, and what is less than it should be. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observed:
    """What a replica sees of itself."""

    policy: bool
    """A verified policy snapshot is in force."""
    policy_stale: bool
    halted: bool
    keys: bool
    """A verified AuthSnapshot is in force."""
    wal: str
    """Why the log takes nothing; empty if it does."""
    certificate_left_s: float
    answering_lineages: int
    """Lineages of the first layer's active members that are deployed."""
    needed_lineages: int
    failing: Sequence[str]
    """Voters whose last ballots all failed."""
    isolated: Sequence[str]
    standing: Sequence[str]
    """What is degraded for as long as this installation lasts."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Body of ``/readyz``."""

    ready: bool
    degraded: list[str]
    reasons: list[str]


def judge(seen: Observed) -> Readiness:
    """Return whether requests can be answered and recorded, and everything short of whole."""
    checks = (
        (seen.policy, "no verified policy snapshot"),
        (seen.keys, "no verified AuthSnapshot"),
        (not seen.wal, f"the log takes nothing: {seen.wal}"),
        (seen.certificate_left_s > 0, "the writer's certificate has run out"),
        (
            not seen.policy or seen.answering_lineages >= seen.needed_lineages,
            f"{seen.answering_lineages} lineages can vote, {seen.needed_lineages} are needed",
        ),
    )
    reasons = [reason for good, reason in checks if not good]
    degraded = [*seen.standing]
    degraded += [f"voter {voter}: failing" for voter in seen.failing]
    degraded += [f"voter {voter}: isolated" for voter in seen.isolated]
    degraded += ["policy: stale"] if seen.policy_stale else []
    degraded += ["halted"] if seen.halted else []
    return Readiness(not reasons, degraded, reasons)
