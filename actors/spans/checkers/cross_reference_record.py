"""What a decision's record says, read as far as rows are held against it, and whether it agrees with itself. Pure.

Rules:
- The signature is not looked at here: whoever has a writer's key can sign what no deliberation came to, and that is what these
  rules are for.
- A ballot counts exactly if it is in a group, and agreed exactly if that group won; the panel's voters voted, each once, and
  whoever else did stood by.
- The winner's support is its share of the eligible weight, as in the tally itself; it is counted again where no example
  was run (examples bar groups, and what they barred is not told here).
- What was served is a candidate that agreed, and there is one exactly if the result is an answer.

Left out: grouping, choice and the layers' ends, which an audit replays whole (``consensus.replay``); that takes longer than
everything else that is done with a row.
"""

from functools import lru_cache

import msgspec

from actors.base.canonical import MICRO, micro
from actors.base.errors import IntegrityError

NO_GROUP = -1
_COUNTED = ("agreed", "dissented")
_DISSENT = ("isolated", "screened_out")
"""Ballots that take their part of their lineage's weight and are in no group."""
_WITH_WINNER = ("answered", "withheld")


class Ballot(msgspec.Struct, frozen=True, gc=False):
    """One ballot on record, as far as it is looked at."""

    voter: str
    family: str
    lineage: str
    outcome: str
    group: int
    candidate_sha256: str
    weight: str
    latency_ms: int
    carried: bool = False


class Tried(msgspec.Struct, frozen=True, gc=False):
    """How one layer ended."""

    name: str
    outcome: str


class Layer(msgspec.Struct, frozen=True, gc=False):
    """Who could be asked, and how the layers that were tried ended."""

    name: str
    members: list[str]
    panel: int
    tried: list[Tried]


class Said(msgspec.Struct, frozen=True, gc=False):
    """How the ballots counted."""

    winner: int
    support: str
    lineages: int
    served_sha256: str
    eligible_weight: dict[str, str]


class Earlier(msgspec.Struct, frozen=True, gc=False):
    """A layer that was tried before the one that decided."""

    layer: Layer
    ballots: list[Ballot]
    tally: Said
    examples: int = 0


class Source(msgspec.Struct, frozen=True):
    """Whence a cached answer came."""

    source_decision_id: str


class Policy(msgspec.Struct, frozen=True):
    """The policy's name."""

    name: str


class Recorded(msgspec.Struct, frozen=True):
    """A decision's record, as far as it is looked at. A ``DecisionRecord`` has all of it, and passes for one."""

    id: str
    tenant: str
    answer_kind: str
    answer_sha256: str
    result: str
    policy: Policy
    layer: Layer
    ballots: list[Ballot]
    tally: Said
    cache: Source | None = None
    examples: int = 0
    earlier: list[Earlier] = []


def layers_of(record: Recorded) -> list[Earlier]:
    """Return every layer that was tried, in order, the one that decided last."""
    return [*record.earlier, Earlier(record.layer, record.ballots, record.tally, record.examples)]


class _Sealed(msgspec.Struct, frozen=True):
    payload: bytes
    """Base64 in JSON."""


_SEALED, _RECORDED = msgspec.json.Decoder(_Sealed), msgspec.json.Decoder(Recorded)


def recorded(envelope: bytes) -> Recorded:
    """Read an envelope's record, believing nothing of it; raise ``IntegrityError`` if it is none."""
    try:
        return _RECORDED.decode(_SEALED.decode(envelope).payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError(f"decision record cannot be read: {error}", "record") from error


def ballots_told(record: Recorded) -> list[tuple[str, Ballot]]:
    """Return each ask once, with the name of the last layer that it counted in: these have a voter span each."""
    if not record.earlier:
        return [(record.layer.name, ballot) for ballot in record.ballots]
    carried: set[str] = set()
    told: list[tuple[str, Ballot]] = []
    for layer in reversed(layers_of(record)):
        name = layer.layer.name
        told += [(name, ballot) for ballot in layer.ballots if ballot.voter not in carried]
        carried |= {ballot.voter for ballot in layer.ballots if ballot.carried}
    return told


def contradiction(record: Recorded) -> tuple[str, str]:
    """Return the kind of a record's first contradiction with itself, and what it is; empty if there is none."""
    layers = layers_of(record)
    for layer in layers:
        if fault := _unseated(layer):
            return "voter_not_seated", fault
        if fault := _miscounted(layer, record.policy.name):
            return "tally_not_its_ballots", fault
    if [one.name for one in record.layer.tried] != [layer.layer.name for layer in layers]:
        return "layers_not_those_tried", "the layers that were tried are not those that are told of"
    fault = _misresulted(record)
    return ("result_not_its_tally", fault) if fault else ("", "")


def _unseated(layer: Earlier) -> str:
    members, panel = layer.layer.members, layer.layer.panel
    voters = [ballot.voter for ballot in layer.ballots]
    if len(set(voters)) != len(voters):
        return "a voter has two ballots"
    if not 1 <= panel <= len(members) or voters[:panel] != members[:panel]:
        return "the ballots are not those of the panel"
    strangers = set(voters[panel:]) - set(members[panel:])
    return f"{min(strangers)} did not stand by" if strangers else ""


def _miscounted(layer: Earlier, policy: str) -> str:
    winner = layer.tally.winner
    for ballot in layer.ballots:
        if (ballot.group != NO_GROUP) != (ballot.outcome in _COUNTED):
            return f"{ballot.voter} is {ballot.outcome} and in group {ballot.group}"
        if (ballot.outcome == "agreed") != (ballot.group != NO_GROUP and ballot.group == winner):
            return f"{ballot.voter} {ballot.outcome}, which the winner contradicts"
    try:
        return _missupported(layer, policy)
    except IntegrityError as error:
        return str(error)


def _missupported(layer: Earlier, policy: str) -> str:
    said, support = layer.tally, micro(layer.tally.support)
    if said.winner == NO_GROUP:
        return "support, and nobody won" if support or said.lineages else ""
    lineages = {ballot.lineage for ballot in layer.ballots if ballot.outcome == "agreed"}
    if not 1 <= said.lineages <= len(lineages):
        return f"{said.lineages} lineages, and {len(lineages)} agreed"
    if layer.examples or policy == "evidence":
        return ""
    counted = _support_micro(layer)
    return "" if counted == support and said.lineages == len(lineages) else f"support {said.support}, counted {counted}"


def _support_micro(layer: Earlier) -> int:
    """Return the support of the group that won, in millionths, as ``consensus.tally`` counts it."""
    weights: dict[str, int] = {}
    cast: dict[str, int] = {}
    mine: dict[str, int] = {}
    for ballot in layer.ballots:
        lineage = ballot.lineage
        weights[lineage] = max(_weight(ballot.weight), weights.get(lineage, 0))
        if ballot.group != NO_GROUP or ballot.outcome in _DISSENT:
            cast[lineage] = cast.get(lineage, 0) + 1
            mine[lineage] = mine.get(lineage, 0) + (ballot.group == layer.tally.winner)
    total = sum(map(_weight, layer.tally.eligible_weight.values()))
    seated = {ballot.lineage for ballot in layer.ballots[: layer.layer.panel]}
    if total != max(sum(weights[one] for one in seated), sum(weights[one] for one in cast)):
        return -1
    weight = sum(weights[lineage] * count * MICRO // cast[lineage] for lineage, count in mine.items() if count)
    return weight // total if total else 0


@lru_cache(maxsize=1024)  # a panel's few weights, in every record
def _weight(decimal: str) -> int:
    return micro(decimal)


def _misresulted(record: Recorded) -> str:
    said = record.tally
    if bool(said.served_sha256) != (record.result == "answered"):
        return f"{record.result}, and a served candidate or none"
    if record.answer_sha256 != said.served_sha256:
        return "another answer than the one served"
    agreed = {ballot.candidate_sha256 for ballot in record.ballots if ballot.outcome == "agreed"}
    if said.served_sha256 and said.served_sha256 not in agreed:
        return "what was served is no candidate that agreed"
    return f"{record.result}, and nobody won" if record.result in _WITH_WINNER and said.winner == NO_GROUP else ""
