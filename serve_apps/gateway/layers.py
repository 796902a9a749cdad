"""How each layer of the policy stands now: who of it votes, and whether enough do. Pure.

Rules:
- A layer is *able* if as many lineages vote as must agree in it. Where several layers could make a consensus, one that is for
  single voters says nothing about readiness.
- Its independence is beside the layers before it, by lineage.

Left out: what follows for the replica (``readiness``).
"""

from collections.abc import Collection, Mapping
from typing import Literal

import msgspec

from actors.consensus.layers import independence
from actors.consensus.tally import LEAST_LINEAGES
from actors.policy.snapshot import LayerRule, PolicySnapshot

MemberState = Literal["active", "failing", "isolated", "missing"]


class LayerStanding(msgspec.Struct, frozen=True):
    """One layer now."""

    name: str
    index: int
    quorum: str
    min_lineages: int
    min_n_eff: str
    time_share: str
    independence: str
    """How much of it is new beside the layers before it: ``full``, ``partial`` or ``none``."""
    egress: Literal["none", "open"]
    """``none`` if nothing of it reaches a network: its voters are engines that are closed off, or recorded answers."""
    members: dict[str, MemberState]
    """Voter → how it stands; ``missing`` is one that is in the policy and not deployed."""
    answering_lineages: int
    """Lineages of its active members that are deployed and not failing."""
    restartable_lineages: int
    """The same, were every failing engine of our own well again."""
    able: bool
    """As many lineages answer as must agree."""


def standings(
    snapshot: PolicySnapshot, lineages: Mapping[str, str], failing: Collection[str], own: Collection[str],
    closed: Collection[str] = (),
) -> tuple[LayerStanding, ...]:  # fmt: skip
    """Return every layer's standing.

    ``lineages`` is of every deployed voter; ``own`` are engines that a restart may mend, ``closed`` those without a network.
    """
    before: set[str] = set()
    found = []
    for index, layer in enumerate(snapshot.layers):
        found.append(_standing(index, layer, before, snapshot, lineages, failing, own, closed))
        before |= {lineages.get(member, member) for member in layer.members}
    return tuple(found)


def _standing(
    index: int, layer: LayerRule, before: Collection[str], snapshot: PolicySnapshot, lineages: Mapping[str, str],
    failing: Collection[str], own: Collection[str], closed: Collection[str],
) -> LayerStanding:  # fmt: skip
    deployed = {m: lineages[m] for m in layer.members if m in lineages and not snapshot.isolated(m)}
    answering = {lineage for voter, lineage in deployed.items() if voter not in failing}
    restartable = answering | {lineage for voter, lineage in deployed.items() if voter in own}
    return LayerStanding(
        name=layer.name,
        index=index,
        quorum=layer.quorum,
        min_lineages=layer.min_lineages,
        min_n_eff=layer.min_n_eff,
        time_share=layer.time_share,
        independence=independence(before, [lineages.get(member, member) for member in layer.members]),
        egress="none" if set(layer.members) <= set(closed) else "open",
        members={member: _state(member, snapshot, lineages, failing) for member in layer.members},
        answering_lineages=len(answering),
        restartable_lineages=len(restartable),
        able=len(answering) >= layer.min_lineages,
    )


def _state(member: str, snapshot: PolicySnapshot, lineages: Mapping[str, str], failing: Collection[str]) -> MemberState:
    if snapshot.isolated(member):
        return "isolated"
    if member not in lineages:
        return "missing"
    return "failing" if member in failing else "active"


def deciding(layers: Collection[LayerStanding]) -> tuple[LayerStanding, ...]:
    """Return the layers that readiness rests on: those that can make a consensus, all of them where none can."""
    consensus = tuple(layer for layer in layers if layer.min_lineages >= LEAST_LINEAGES)
    return consensus or tuple(layers)
