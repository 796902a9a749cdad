"""Whether a replica can answer, what is less than it should be, and whether a restart could help. Pure.

| not ready because | a restart |
|---|---|
| no verified policy, no verified keys | does not help: the same files are read again, and polled meanwhile |
| the policy's weights cannot be used | does not help: the same file is read again |
| the log takes nothing | does not help: a full disk stays full, and the log goes on by itself when there is space |
| the writer's certificate is not good now | helps: a new replica asks for a new one |
| in no layer enough voters answer | helps if enough of the silent ones are engines of our own |
| voters are isolated | does not help: policy says so, and only this gateway can take the order to readmit them |

A layer in which too few answer is told as degraded while another can decide.
Where two reasons stand, the one that no restart mends decides: a restart would take the gateway away and change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from serve_apps.gateway.layers import LayerStanding

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
    layers: Sequence[LayerStanding]
    """The layers that readiness rests on, in order; empty without a policy."""
    failing: Sequence[str]
    """Voters whose last ballots all failed."""
    isolated: Sequence[str]
    standing: Sequence[str]
    """What is degraded for as long as this installation lasts."""
    weights: str
    """Why the weights that the policy names cannot be used; empty if they can."""
    spans: str
    """What keeps rows from the spans table, as far as is known; answers do not wait for it."""
    database: str
    """What keeps the state database from answering, as far as is known; answers do not wait for it, incidents do."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Body of ``/readyz``."""

    ready: bool
    degraded: list[str]
    reasons: list[str]
    restart_helps: bool = False
    """Not ready, and only for reasons that a restart can mend."""


def judge(seen: Observed) -> Readiness:
    """Return whether requests can be answered and recorded, and everything short of whole."""
    checks = (  # good, what is said if not, whether a restart helps
        (seen.policy, "no verified policy snapshot", False),
        (seen.keys, "no verified AuthSnapshot", False),
        (not seen.weights, f"no weights: {seen.weights}", False),
        (not seen.wal, f"the log takes nothing: {seen.wal}", False),
        (seen.certificate_left_s > 0, "the writer's certificate is not good now", True),
        (
            not seen.layers or any(layer.able for layer in seen.layers),
            "; ".join(map(_short, seen.layers)),
            any(layer.restartable_lineages >= layer.min_lineages for layer in seen.layers),
        ),
    )
    missing = [(reason, helps) for good, reason, helps in checks if not good]
    reasons = [reason for reason, _ in missing]
    degraded = [*seen.standing]
    degraded += [_short(layer) for layer in seen.layers if not layer.able and not reasons]
    degraded += [f"voter {voter}: failing" for voter in seen.failing]
    degraded += [f"voter {voter}: isolated" for voter in seen.isolated]
    degraded += [f"spans: {seen.spans}"] if seen.spans else []
    degraded += [f"state database: {seen.database}"] if seen.database else []
    degraded += ["policy: stale"] if seen.policy_stale else []
    degraded += ["halted"] if seen.halted else []
    return Readiness(not reasons, degraded, reasons, bool(missing) and all(helps for _, helps in missing))


def _short(layer: LayerStanding) -> str:
    return f"layer {layer.name}: {layer.answering_lineages} lineages can vote, {layer.min_lineages} are needed"


def signs(judged: Readiness, system: str) -> dict[str, str]:
    """Return the headers that the supervisor reads, which has no key: whose answer it is, and whether a restart could help."""
    return {SYSTEM_HEADER: system} | (
        {} if judged.ready else {RESTART_HEADER: "helps" if judged.restart_helps else "no"}
    )
