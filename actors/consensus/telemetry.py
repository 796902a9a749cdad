"""Spans of one decision: the root, a span for each layer that was tried, one ``chat`` span for each voter that was asked. Pure.

Rules:
- A voter whose ballot a later layer took over has one span, under the last layer that it counted in, from when it was asked.
- Content never enters a span.
"""

import hashlib

import msgspec

from actors.consensus.breakers.vocabulary import Transition
from actors.consensus.choosing import ballot_outcome
from actors.consensus.records import result_of
from actors.consensus.standing import ballots_told
from actors.consensus.vocabulary import Ballot, State
from actors.spans import conventions as names
from actors.spans.span import Span, SpanStatus, moment
from models.voter import VoterInfo

SPANS_OF_EVERY_DECISION = 1


class Began(msgspec.Struct, frozen=True):
    """When a request began, on both clocks: the wall clock dates it, the monotonic clock measures from there."""

    wall_ns: int
    monotonic_s: float
    deadline_ms: int

    def ended_ns(self, monotonic_s: float) -> int:
        """Return the Unix nanoseconds of a later moment; a wall clock that stepped meanwhile changes nothing."""
        return self.wall_ns + max(0, round((monotonic_s - self.monotonic_s) * 1e9))

    def left_s(self, monotonic_s: float) -> float:
        """Return how much of the deadline is left."""
        return self.deadline_ms / 1000 - (monotonic_s - self.monotonic_s)


class Trace(msgspec.Struct, frozen=True):
    """Ids and times of one request (Unix nanoseconds)."""

    decision_id: str
    trace_id: bytes
    """16 bytes: the caller's, or drawn."""
    parent_span_id: bytes
    tenant: str
    started_ns: int
    ended_ns: int
    model: str
    end_user: str
    """Salted commitment, empty if the caller named no user."""


def span_rows(state: State) -> int:
    """Return how many spans ``decision_spans`` will make."""
    return SPANS_OF_EVERY_DECISION + len(state.earlier) + 1 + sum(1 for _ in ballots_told(state))


def withheld_spans(state: State, trace: Trace) -> list[Span]:
    """Build the one span of an answer that the policy took back after it was recorded."""
    root_id = _span_id(trace, "root")
    return [_span(state, trace, _span_id(trace, "withheld"), root_id, names.POLICY, "withheld", "error", {}, 0.0)]


def decision_spans(state: State, trace: Trace) -> list[Span]:
    """Build a decision's spans, root first."""
    conclusion = state.conclusion
    support = conclusion.tally.winner.support_micro / 1_000_000 if conclusion and conclusion.tally.winner else 0.0
    outcome = result_of(state)
    root_id = _span_id(trace, "root")
    ok: SpanStatus = "ok" if outcome == "answered" else "error"
    attributes = {
        names.GEN_AI_OPERATION_NAME: names.INVOKE_WORKFLOW,
        names.GEN_AI_REQUEST_MODEL: trace.model,
        names.POLICY_NAME: state.plan.policy,
    }
    if trace.end_user:
        attributes[names.END_USER] = trace.end_user
    root = _span(state, trace, root_id, trace.parent_span_id, names.INVOKE_WORKFLOW, outcome, ok, attributes, support)
    layers = [_layer(layer, trace, root_id, _ended_ns(layer, trace)) for layer in state.earlier]
    layers.append(_layer(state, trace, root_id, trace.ended_ns))
    return [
        root,
        *layers,
        *(_chat(layer, ballot, trace, _asker(state, layer, ballot)) for layer, ballot in ballots_told(state)),
    ]


def _asker(state: State, layer: State, ballot: Ballot) -> State:
    """Return the layer that asked a ballot's voter."""
    if not ballot.carried:
        return layer
    before = (one for one in reversed(state.earlier) if one.plan.index < layer.plan.index)
    return next(one for one in before if any(_asked(theirs, ballot) for theirs in one.ballots))


def _asked(theirs: Ballot, ballot: Ballot) -> bool:
    return theirs.seat.voter == ballot.seat.voter and not theirs.carried and theirs.outcome != "isolated"


def _layer(state: State, trace: Trace, root_id: bytes, ended_ns: int) -> Span:
    """Return the span of one layer; the last one ends with the decision."""
    conclusion = state.conclusion
    outcome = conclusion.outcome if conclusion else "unavailable"
    support = conclusion.tally.winner.support_micro / 1_000_000 if conclusion and conclusion.tally.winner else 0.0
    ok: SpanStatus = "ok" if outcome == "agreed" else "error"
    span = _span(state, trace, _layer_id(state, trace), root_id, names.LAYER, outcome, ok, {}, support)
    began_ns = _began_ns(state, trace)
    return msgspec.structs.replace(
        span, start_unix_nano=began_ns, end_unix_nano=ended_ns, latency_ms=(ended_ns - began_ns) // 1_000_000
    )


def _layer_id(state: State, trace: Trace) -> bytes:
    return _span_id(trace, f"layer{state.plan.index}" if state.plan.index else "layer")


def _began_ns(state: State, trace: Trace) -> int:
    return min(trace.started_ns + state.began_ms * 1_000_000, trace.ended_ns)


def _ended_ns(state: State, trace: Trace) -> int:
    return min(_began_ns(state, trace) + state.took_ms * 1_000_000, trace.ended_ns)


def _span(
    state: State, trace: Trace, span_id: bytes, parent: bytes, name: str, outcome: str, status: SpanStatus,
    attributes: dict[str, str], agreement: float,
) -> Span:  # fmt: skip
    return Span(
        trace_id=trace.trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind="server" if name == names.INVOKE_WORKFLOW else "internal",
        start_unix_nano=trace.started_ns,
        end_unix_nano=trace.ended_ns,
        status=status,
        decision_id=trace.decision_id,
        tenant=trace.tenant,
        attributes=attributes,
        layer=state.plan.layer,
        outcome=outcome,
        latency_ms=(trace.ended_ns - trace.started_ns) // 1_000_000,
        agreement=agreement,
        answer_kind=state.plan.kind,
    )


def _chat(state: State, ballot: Ballot, trace: Trace, asker: State) -> Span:
    outcome = ballot_outcome(state, ballot)
    attributes = {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_PROVIDER_NAME: ballot.seat.family,
        names.GEN_AI_REQUEST_MODEL: ballot.seat.voter,
        names.LINEAGE: ballot.seat.lineage,
    }
    if ballot.note:
        attributes[names.BALLOT_NOTE] = ballot.note
    if ballot.candidate is not None:
        attributes[names.GEN_AI_USAGE_INPUT_TOKENS] = str(ballot.candidate.prompt_tokens)
        attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] = str(ballot.candidate.completion_tokens)
        attributes[names.CANDIDATE_SHA256] = ballot.candidate_sha256
    failed = outcome not in ("agreed", "dissented", "cancelled")
    began_ns = _began_ns(asker, trace)
    return Span(
        trace_id=trace.trace_id,
        span_id=_span_id(trace, f"chat{ballot.ask_id}" + (f"/{state.plan.index}" if state.plan.index else "")),
        parent_span_id=_layer_id(state, trace),
        name=names.chat_span_name(ballot.seat.voter),
        kind="client",
        start_unix_nano=began_ns,
        end_unix_nano=began_ns + ballot.latency_ms * 1_000_000,
        status="error" if failed else "ok",
        decision_id=trace.decision_id,
        tenant=trace.tenant,
        attributes=attributes,
        voter=ballot.seat.voter,
        family=ballot.seat.family,
        layer=state.plan.layer,
        outcome=outcome,
        latency_ms=ballot.latency_ms,
        answer_kind=state.plan.kind,
    )


def breaker_span(voter: VoterInfo, moved: Transition, trace_id: bytes, span_id: bytes, now_ns: int) -> Span:
    """Build the span of a circuit breaker that went into another state: it belongs to no decision."""
    attributes = {names.BREAKER_BEFORE: moved.before, names.BREAKER_CAUSE: moved.cause, names.LINEAGE: voter.lineage}
    return msgspec.structs.replace(
        moment(trace_id, span_id, names.BREAKER, "internal", now_ns, attributes),
        status="error" if moved.after in ("open", "forced_open") else "ok",
        voter=voter.id,
        family=voter.family,
        outcome=moved.after,
    )


def _span_id(trace: Trace, part: str) -> bytes:
    """Derive a span id from the decision (ids need to be unique, not secret)."""
    return hashlib.blake2b(f"{trace.decision_id}/{part}".encode(), digest_size=8).digest()
