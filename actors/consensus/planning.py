"""From a request and the policy in force to a plan. Pure.

Rules:
- The request may only choose among the policies its key holds; without a choice it gets the strictest of them.
- A voter's id as ``model`` means the policy ``direct``: one seat, never called consensus.
- The heaviest ``panel_size`` members are seated, the rest stand by. An isolated member keeps its seat's weight in the count, so
  that isolating a voter never makes a minority a quorum (isolation is a tightening); it is not asked and never a substitute.
- ``evidence`` lets one lineage win only on passed examples; no example counts as passed before it has run in the sandbox, so
  it is held to the same rule as ``strict``.
"""

from collections.abc import Mapping

from actors.base.canonical import MICRO, micro
from actors.base.errors import ModelNotFound, PolicyNotAllowed, VoterUnavailable
from actors.consensus.config import ConsensusConfig
from actors.consensus.deliberation import Plan, Seat
from actors.consensus.reading.examples import examples_of
from actors.consensus.reading.kind import answer_kind
from actors.consensus.request import Caller, GenerationRequest
from actors.consensus.tally import Rule
from actors.consensus.weights import Weights, weight_micro
from actors.policy.snapshot import LayerRule, PolicyName, PolicySnapshot
from models.voter import VoterInfo

CONSENSUS = "consensus"
_STRICTEST: tuple[PolicyName, ...] = ("strict", "evidence")
_DIRECT_RULE = Rule(quorum_micro=MICRO, min_lineages=1, min_n_eff_micro=MICRO, rho_micro=0)


def make_plan(
    request: GenerationRequest, caller: Caller, snapshot: PolicySnapshot, weights: Weights,
    voters: Mapping[str, VoterInfo], config: ConsensusConfig,
) -> Plan:  # fmt: skip
    """Return the plan of a request; raise a ``RequestError`` or ``VoterUnavailable`` if there can be none."""
    kind = answer_kind(request.answer_kind, request.question)
    if request.model == CONSENSUS:
        policy = _policy(request, caller)
        layer = snapshot.layers[0]
        members = [_seat(voter, voters, weights, kind) for voter in layer.members]
        return _plan(request, policy, kind, layer.name, members, layer_rule(layer, weights), snapshot, config)
    if request.model not in voters:
        raise ModelNotFound(f"there is no model {request.model!r}; GET /v1/models lists them", "model")
    if "direct" not in caller.policies or request.policy not in (None, "direct"):
        raise PolicyNotAllowed(f"this key may not ask {request.model!r} alone; use model 'consensus'", "model")
    if snapshot.isolated(request.model):
        raise VoterUnavailable(f"voter {request.model!r} is isolated; use model 'consensus'", "model")
    seat = _seat(request.model, voters, weights, kind)
    return _plan(request, "direct", kind, "direct", [seat], _DIRECT_RULE, snapshot, config)


def layer_rule(layer: LayerRule, weights: Weights) -> Rule:
    """Return a layer's rule in millionths."""
    return Rule(micro(layer.quorum), layer.min_lineages, micro(layer.min_n_eff), micro(weights.correlation.rho))


def rule_for(plan: Plan, snapshot: PolicySnapshot, weights: Weights) -> Rule:
    """Return the rule a running plan is held to under a newer snapshot."""
    if plan.policy == "direct":
        return _DIRECT_RULE
    layer = next((layer for layer in snapshot.layers if layer.name == plan.layer), None)
    return layer_rule(layer, weights) if layer else Rule(MICRO, 1_000, 1_000 * MICRO, MICRO)


def _plan(
    request: GenerationRequest,
    policy: PolicyName,
    kind: str,
    layer: str,
    members: list[Seat],
    rule: Rule,
    snapshot: PolicySnapshot,
    config: ConsensusConfig,
) -> Plan:
    ranked = sorted(members, key=lambda seat: -seat.weight_micro)
    size = config.panel_size or len(ranked)
    isolated = frozenset(seat.voter for seat in ranked if snapshot.isolated(seat.voter))
    return Plan(
        policy=policy,
        kind=kind,
        question=request.question,
        layer=layer,
        seats=tuple(ranked[:size]),
        spares=tuple(seat for seat in ranked[size:] if seat.voter not in isolated),
        isolated=isolated,
        max_substitutes=config.max_substitutes,
        rule=rule,
        similarity_micro=micro(snapshot.thresholds.get("similarity", "1.000000")),
        max_answer_bytes=config.max_answer_bytes,
        hear_everyone=request.explain,
        examples=examples_of(request.question) if kind.startswith("code:") else (),
    )


def _policy(request: GenerationRequest, caller: Caller) -> PolicyName:
    if request.policy is None:
        held = next((policy for policy in _STRICTEST if policy in caller.policies), None)
        if held is None:
            raise PolicyNotAllowed("this key holds no consensus policy; name a voter as model", "model")
        return held
    if request.policy not in caller.policies:
        raise PolicyNotAllowed(f"this key does not hold policy {request.policy!r}", "weavergen.policy")
    if request.policy == "direct":
        raise PolicyNotAllowed("policy 'direct' needs a voter's id as model", "weavergen.policy")
    return request.policy


def _seat(voter: str, voters: Mapping[str, VoterInfo], weights: Weights, kind: str) -> Seat:
    info = voters.get(voter)
    lineage = info.lineage if info else weights.lineages.get(voter, voter)
    return Seat(voter, info.family if info else "", lineage, weight_micro(weights, voter, kind))
