"""Whether a replica can answer, what is less than it should be, and whether a restart could help. Pure.

| not ready because | a restart |
|---|---|
| no verified policy, no verified keys | does not help: the same files are read again, and polled meanwhile |
| the policy's weights cannot be used | does not help: the same file is read again |
| the log takes nothing | does not help: a full disk stays full, and the log goes on by itself when there is space |
| the writer's certificate is not good now | helps: a new replica asks for a new one |
| voters do not answer | helps if enough of the silent ones are engines of our own |
| voters are isolated | does not help: policy says so, and only this gateway can take the order to readmit them |

Where two reasons stand, the one that no restart mends decides: a restart would take the gateway away and change nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

SYSTEM_HEADER = "x-weavergen-system"
RESTART_HEADER = "x-weavergen-restart"


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
    """Lineages of the first layer's active members that are deployed and not failing."""
    restartable_lineages: int
    """The same, were every failing engine of our own well again."""
    needed_lineages: int
    failing: Sequence[str]
    """Voters whose last ballots all failed."""
    isolated: Sequence[str]
    standing: Sequence[str]
    """What is degraded for as long as this installation lasts."""
    weights: str
    """Why the weights that the policy names cannot be used; empty if they can."""
    spans: str
    """What keeps rows from the spans table, as far as is known; answers do not wait for it."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Body of ``/readyz``."""

    ready: bool
    degraded: list[str]
    reasons: list[str]
    restart_helps: bool = False
    """Not ready, and only for reasons that a restart can mend."""


def count_lineages(deployed: Mapping[str, str], failing: Collection[str], own: Collection[str]) -> tuple[int, int]:
    """Return how many lineages answer, and how many would if every engine of our ``own`` were well.

    ``deployed`` is voter → lineage of the active members.
    """
    answering = {lineage for voter, lineage in deployed.items() if voter not in failing}
    return len(answering), len(answering | {lineage for voter, lineage in deployed.items() if voter in own})


def judge(seen: Observed) -> Readiness:
    """Return whether requests can be answered and recorded, and everything short of whole."""
    checks = (  # good, what is said if not, whether a restart helps
        (seen.policy, "no verified policy snapshot", False),
        (seen.keys, "no verified AuthSnapshot", False),
        (not seen.weights, f"no weights: {seen.weights}", False),
        (not seen.wal, f"the log takes nothing: {seen.wal}", False),
        (seen.certificate_left_s > 0, "the writer's certificate is not good now", True),
        (
            not seen.policy or seen.answering_lineages >= seen.needed_lineages,
            f"{seen.answering_lineages} lineages can vote, {seen.needed_lineages} are needed",
            seen.restartable_lineages >= seen.needed_lineages,
        ),
    )
    missing = [(reason, helps) for good, reason, helps in checks if not good]
    reasons = [reason for reason, _ in missing]
    degraded = [*seen.standing]
    degraded += [f"voter {voter}: failing" for voter in seen.failing]
    degraded += [f"voter {voter}: isolated" for voter in seen.isolated]
    degraded += [f"spans: {seen.spans}"] if seen.spans else []
    degraded += ["policy: stale"] if seen.policy_stale else []
    degraded += ["halted"] if seen.halted else []
    return Readiness(not reasons, degraded, reasons, bool(missing) and all(helps for _, helps in missing))


def signs(judged: Readiness, system: str) -> dict[str, str]:
    """Return the headers that the supervisor reads, which has no key: whose answer it is, and whether a restart could help."""
    return {SYSTEM_HEADER: system} | (
        {} if judged.ready else {RESTART_HEADER: "helps" if judged.restart_helps else "no"}
    )
