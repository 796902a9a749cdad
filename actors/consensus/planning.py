"""From a request and the policy in force to a plan. Pure.

Rules:
- The request may only choose among the policies its key holds; without a choice it gets the strictest of them.
- A voter's id as ``model`` means the policy ``direct``: one seat, never called consensus.
- The heaviest ``panel_size`` members are seated, the rest stand by. An isolated member keeps its seat and counts as dissent, so
  that isolating a voter never makes a minority a quorum (isolation is a tightening); it is not asked and never a substitute.
- Whatever a layer's ``min_lineages`` says, consensus takes two: a layer that asks for one can only be asked ``direct``.
- Lineages count as correlated as the weights say of their voters, but by no less than the threshold ``min_correlation``, which is
  the weights' mean unless policy says otherwise: what is learned from verdicts may only show dependence.
- Behaviour is compared where the kind is Python and something may run; a part of the deadline is kept for it, and voting ends
  that much sooner. ``direct`` asks one voter, with whom nobody is compared.
- Layers are planned one at a time, in the policy's order, each with its share of the time that is left beside those that can
  still follow it (``layers``). Which of them may be asked is told there. Under ``strict`` a layer without the lineages for a
  consensus needs no time.
- Under a newer snapshot the same voters are planned anew: its weights, lineages, thresholds and rule; a voter that it isolates
  or that is no longer in the layer counts as isolated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from actors.base.canonical import MICRO, micro
from actors.base.errors import ModelNotFound, PolicyNotAllowed, VoterUnavailable
from actors.base.memo import remembered
from actors.consensus.config import ConsensusConfig
from actors.consensus.independence import bounded
from actors.consensus.layers import barred, ended, may_follow, no_weaker, offer, silent, time_ms
from actors.consensus.reading.context import context_of
from actors.consensus.reading.examples import Example, entry_point_of, examples_of
from actors.consensus.reading.kind import answer_kind
from actors.consensus.request import AskedKind, Caller, GenerationRequest
from actors.consensus.screening.difference import asked_sinks
from actors.consensus.tally import LEAST_LINEAGES, Rule
from actors.consensus.vocabulary import RUNNABLE, Plan, Seat, State
from actors.consensus.weights import Weights, lineage_pairs, weight_micro
from actors.policy.snapshot import LayerRule, PolicyName, PolicySnapshot
from models.voter import Message, Sampling, VoterInfo

CONSENSUS = "consensus"
MAX_REMEMBERED_BYTES = 4 * 2**20
"""Of questions and what they say of the answers that they ask for, in a process."""
_STRICTEST: tuple[PolicyName, ...] = ("strict", "evidence")
_DIRECT_RULE = Rule(quorum_micro=MICRO, min_lineages=1, min_n_eff_micro=MICRO, rho_micro=0)


class _Said(msgspec.Struct, frozen=True):
    """What a question says of the answer that it asks for."""

    kind: str
    examples: tuple[Example, ...]
    entry_point: str
    context: str
    sinks: frozenset[str]


def make_plan(
    request: GenerationRequest, caller: Caller, snapshot: PolicySnapshot, weights: Weights,
    voters: Mapping[str, VoterInfo], config: ConsensusConfig, *, may_run: bool = False,
) -> Plan:  # fmt: skip
    """Return the plan of a request; raise a ``RequestError`` or ``VoterUnavailable`` if there can be none.

    ``may_run`` tells whether candidates can be run now: the sandbox is there and proven sound.
    """
    if request.model == CONSENSUS:
        policy, left_ms = _policy(request, caller), request.deadline_ms
        return plan_layer(request, policy, 0, left_ms, snapshot, weights, voters, config, may_run=may_run)
    if request.model not in voters:
        raise ModelNotFound(f"there is no model {request.model!r}; GET /v1/models lists them", "model")
    if "direct" not in caller.policies or request.policy not in (None, "direct"):
        raise PolicyNotAllowed(f"this key may not ask {request.model!r} alone; use model 'consensus'", "model")
    if snapshot.isolated(request.model):
        raise VoterUnavailable(f"voter {request.model!r} is isolated; use model 'consensus'", "model")
    said = _said_in(request.answer_kind, request.question)
    seat = _seat(request.model, voters, weights, said.kind)
    return _plan(request, "direct", said, "direct", [seat], _DIRECT_RULE, snapshot, config)


def usual_plan(
    snapshot: PolicySnapshot, weights: Weights, voters: Mapping[str, VoterInfo], config: ConsensusConfig
) -> Plan:
    """Return the plan of a question with a short answer under ``strict``: what a system is asked when nothing is special."""
    question, sampling = Message("user", ""), Sampling(config.default_max_tokens)
    request = GenerationRequest(CONSENSUS, (question,), sampling, config.deadline_ms, "value")
    return plan_layer(request, "strict", 0, config.deadline_ms, snapshot, weights, voters, config)


def plan_layer(
    request: GenerationRequest, policy: PolicyName, index: int, left_ms: int, snapshot: PolicySnapshot, weights: Weights,
    voters: Mapping[str, VoterInfo], config: ConsensusConfig, *, may_run: bool = False,
) -> Plan:  # fmt: skip
    """Return the plan of the first layer to be asked of a consensus request, with its share of the ``left_ms``."""
    plan = _layer_plan(request, policy, index, snapshot, weights, voters, config)
    behind = [later for later in snapshot.layers[index + 1 :] if _can_win(later, policy, snapshot, weights, voters)]
    return _timed(plan, left_ms, snapshot, behind, config, may_run=may_run)


def later_plans(
    request: GenerationRequest, tried: Sequence[State], left_ms: int, snapshot: PolicySnapshot, weights: Weights,
    voters: Mapping[str, VoterInfo], config: ConsensusConfig, *, may_run: bool = False,
) -> Iterator[Plan]:  # fmt: skip
    """Return the plans of the layers behind those that were tried, in order; what these rejected is barred from them."""
    last = tried[-1].plan
    names = [layer.name for layer in snapshot.layers]
    if last.policy == "direct" or last.layer not in names:
        return
    gone, ends = barred(tried), [ended(state) for state in tried]
    first = max(names.index(last.layer), last.index) + 1
    plans = [
        _layer_plan(request, last.policy, index, snapshot, weights, voters, config)
        for index in range(first, len(names))
    ]
    for place, plan in enumerate(plans):
        still = [
            snapshot.layers[later.index]
            for later in plans[place + 1 :]
            if may_follow([*ends, silent(plan)], offer(later))
            and _can_win(snapshot.layers[later.index], last.policy, snapshot, weights, voters)
        ]
        yield replace(_timed(plan, left_ms, snapshot, still, config, may_run=may_run), barred=gone)


def _layer_plan(
    request: GenerationRequest, policy: PolicyName, index: int, snapshot: PolicySnapshot, weights: Weights,
    voters: Mapping[str, VoterInfo], config: ConsensusConfig,
) -> Plan:  # fmt: skip
    """Return the plan of one layer, but for its time."""
    said, layer = _said_in(request.answer_kind, request.question), snapshot.layers[index]
    members = [_seat(voter, voters, weights, said.kind) for voter in layer.members]
    rule = layer_rule(layer, snapshot, weights, members)
    return replace(_plan(request, policy, said, layer.name, members, rule, snapshot, config), index=index)


def _can_win(
    layer: LayerRule, policy: PolicyName, snapshot: PolicySnapshot, weights: Weights, voters: Mapping[str, VoterInfo]
) -> bool:
    """Tell whether a layer's active members have the lineages for an answer; under ``evidence`` one may do."""
    active = (voter for voter in layer.members if not snapshot.isolated(voter))
    lineages = {_lineage(voter, voters, weights) for voter in active}
    return len(lineages) >= (1 if policy == "evidence" else max(layer.min_lineages, LEAST_LINEAGES))


def _timed(
    plan: Plan, left_ms: int, snapshot: PolicySnapshot, behind: Iterable[LayerRule], config: ConsensusConfig, *, may_run: bool
) -> Plan:  # fmt: skip
    """Return the plan with its share of the time; ``behind`` it are those that can still follow."""
    own = micro(snapshot.layers[plan.index].time_share)
    plan = replace(plan, deadline_ms=time_ms(left_ms, own, [micro(later.time_share) for later in behind]))
    return _with_comparison(plan, config) if may_run and plan.kind == RUNNABLE else plan


def _with_comparison(plan: Plan, config: ConsensusConfig) -> Plan:
    compare_ms = min(config.compare_ms, plan.deadline_ms // 4)
    return replace(plan, compare_ms=compare_ms, deadline_ms=plan.deadline_ms - compare_ms)


def layer_rule(layer: LayerRule, snapshot: PolicySnapshot, weights: Weights, seats: Iterable[Seat]) -> Rule:
    """Return a layer's rule for those seats, in millionths."""
    mean = weights.correlation.rho
    least = micro(snapshot.thresholds.get("min_correlation", mean))
    pairs = lineage_pairs(weights, {seat.voter: seat.lineage for seat in seats}, least)
    rho, named = bounded(max(micro(mean), least), pairs)
    return Rule(
        quorum_micro=micro(layer.quorum),
        min_lineages=max(layer.min_lineages, LEAST_LINEAGES),
        min_n_eff_micro=micro(layer.min_n_eff),
        rho_micro=rho,
        min_gap_micro=micro(snapshot.thresholds.get("min_gap", "0.000000")),
        pairs=named,
    )


def replan(plan: Plan, snapshot: PolicySnapshot, weights: Weights, voters: Mapping[str, VoterInfo]) -> Plan:
    """Return the plan that the same voters are held to under a newer snapshot."""

    def anew(seats: tuple[Seat, ...]) -> tuple[Seat, ...]:
        return tuple(_seat(seat.voter, voters, weights, plan.kind) for seat in seats)

    layer, seats, spares = _layer_of(plan, snapshot), anew(plan.seats), anew(plan.spares)
    rule = layer_rule(layer, snapshot, weights, (*seats, *spares)) if layer else plan.rule
    return replace(
        plan,
        seats=seats,
        spares=spares,
        isolated=kept_out(plan, snapshot),
        rule=no_weaker(plan.rule, rule) if plan.index else rule,
        similarity_micro=_similarity(snapshot),
    )


def kept_out(plan: Plan, snapshot: PolicySnapshot) -> frozenset[str]:
    """Return the panel's voters that a snapshot isolates or that are no longer in the layer."""
    layer = _layer_of(plan, snapshot)
    voters = [seat.voter for seat in (*plan.seats, *plan.spares)]
    if plan.policy == "direct":
        return frozenset(voter for voter in voters if snapshot.isolated(voter))
    members = layer.members if layer else ()
    return frozenset(voter for voter in voters if snapshot.isolated(voter) or voter not in members)


def _layer_of(plan: Plan, snapshot: PolicySnapshot) -> LayerRule | None:
    if plan.policy == "direct":
        return None
    return next((layer for layer in snapshot.layers if layer.name == plan.layer), None)


def _similarity(snapshot: PolicySnapshot) -> int:
    return micro(snapshot.thresholds.get("similarity", "1.000000"))


def _plan(
    request: GenerationRequest,
    policy: PolicyName,
    said: _Said,
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
        kind=said.kind,
        question=request.question,
        layer=layer,
        seats=tuple(ranked[:size]),
        spares=tuple(seat for seat in ranked[size:] if seat.voter not in isolated),
        isolated=isolated,
        max_substitutes=config.max_substitutes,
        rule=rule,
        similarity_micro=_similarity(snapshot),
        max_answer_bytes=config.max_answer_bytes,
        deadline_ms=request.deadline_ms,
        hear_everyone=request.explain,
        examples=said.examples,
        entry_point=said.entry_point,
        context=said.context,
        asked_sinks=said.sinks,
        schema=request.schema,
    )


@remembered(MAX_REMEMBERED_BYTES)
def _said_in(asked: AskedKind, question: str) -> _Said:
    kind = answer_kind(asked, question)
    entry_point = entry_point_of(question) if kind == RUNNABLE else ""
    context = context_of(question, entry_point)
    if not kind.startswith("code:"):
        return _Said(kind, (), entry_point, context, frozenset())
    return _Said(kind, examples_of(question), entry_point, context, asked_sinks(question))


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
    family, lineage = info.family if info else "", _lineage(voter, voters, weights)
    return Seat(voter, family, lineage, weight_micro(weights, voter, kind))


def _lineage(voter: str, voters: Mapping[str, VoterInfo], weights: Weights) -> str:
    info = voters.get(voter)
    return info.lineage if info else weights.lineages.get(voter, voter)
