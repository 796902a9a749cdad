"""From a finished deliberation to its decision record. Pure: ids, times and salts are handed in."""

import msgspec

from actors.base.canonical import decimal_str, micro
from actors.base.digests import sha256_hex
from actors.consensus.causes import UNVOUCHED_CAUSE
from actors.consensus.choosing import ballot_outcome
from actors.consensus.layers import deciding, rejected_forms
from actors.consensus.reading.schema import schema_sha256
from actors.consensus.standing import examples_run
from actors.consensus.tally import NO_GROUP
from actors.consensus.vocabulary import Ballot, Conclusion, State
from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import (
    BallotEntry,
    Choice,
    DecisionRecord,
    LayerEntry,
    LayerOutcome,
    LayerRef,
    LayerTried,
    Method,
    PairEntry,
    PolicyRef,
    Promise,
    Result,
    TallyEntry,
    WriterRef,
)

_RESULT: dict[LayerOutcome, Result] = {
    "agreed": "answered", "disagreed": "no_consensus", "unavailable": "unavailable", "deadline": "deadline",
    "screened_out": "screened_out",
}  # fmt: skip


DEGRADED_METHODS: tuple[Method, ...] = ("similarity", "examples")
"""Agreement that is less than agreement of meaning between independent voters."""


class Facts(msgspec.Struct, frozen=True):
    """What a record says beside the deliberation itself."""

    decision_id: str
    now_ms: int
    tenant: str
    """Pseudonym."""
    prompt_commitment: str
    config_sha256: str
    snapshot: PolicySnapshot
    policy_sha256: str
    tie_salt: str
    promise: Promise | None = None
    """By when the log will hold the record; ``None`` without a log."""


def result_of(state: State) -> Result:
    """Return how a request ended, in the record's words: by its last layer, or by one before it if that was silent."""
    if state.conclusion is None:
        raise ValueError("the deliberation is not over")
    if state.conclusion.outcome == "halted":
        return "halted"
    return _RESULT[deciding([_tried(layer) for layer in (*state.earlier, state)]).outcome]


def is_degraded(state: State) -> bool:
    """Tell whether the answer rests on less than agreement of meaning by a full panel of the first layer."""
    conclusion = state.conclusion
    lesser = state.plan.policy == "direct" or state.plan.index > 0
    return lesser or (conclusion is not None and conclusion.method in DEGRADED_METHODS)


def build_record(state: State, served: Ballot | None, facts: Facts, writer: WriterRef) -> DecisionRecord:
    """Build the record of a concluded deliberation."""
    conclusion = state.conclusion
    if conclusion is None:
        raise ValueError("the deliberation is not over")
    answer = served.candidate_sha256 if served else ""
    return DecisionRecord(
        schema="weavergen.decision/1",
        id=facts.decision_id,
        issued_at=facts.now_ms,
        tenant=facts.tenant,
        prompt_commitment=facts.prompt_commitment,
        answer_kind=state.plan.kind,
        answer_sha256=answer,
        result=result_of(state),
        degraded=is_degraded(state),
        method=conclusion.method,
        policy=_policy(state, facts),
        config_sha256=facts.config_sha256,
        layer=_layer(state),
        ballots=[_ballot_entry(state, ballot) for ballot in state.ballots],
        tie_salt=facts.tie_salt,
        tally=_tally(state, conclusion, answer),
        screening_version=screening_version(state, facts.snapshot),
        cache=None,
        writer=writer,
        promise=facts.promise,
        examples=examples_run(state),
        schema_sha256=schema_sha256(state.plan.schema),
        similarity=_similarity(state),
        earlier=[_earlier(layer, _similarity(state)) for layer in state.earlier],
    )


def _similarity(state: State) -> str:
    return decimal_str(state.plan.similarity_micro) if state.plan.kind == "text" else ""


def _earlier(state: State, similarity: str) -> LayerEntry:
    """Return what the record says of a layer that was tried before; ``similarity`` is that of the layer that decided."""
    if state.conclusion is None:
        raise ValueError("the layer is not over")
    return LayerEntry(
        layer=_layer(state),
        method=state.conclusion.method,
        ballots=[_ballot_entry(state, ballot) for ballot in state.ballots],
        tie_salt=state.tie_salt,
        tally=_tally(state, state.conclusion, ""),
        examples=examples_run(state),
        rejected=rejected_forms(state),
        similarity=own if (own := _similarity(state)) != similarity else "",
    )


def _policy(state: State, facts: Facts) -> PolicyRef:
    name, snapshot = state.plan.policy, facts.snapshot
    stated = snapshot.calibration.get(name)
    return PolicyRef(
        name=name, version=snapshot.version, sha256=facts.policy_sha256,
        calibrated_error=decimal_str(micro(stated.error)) if stated else "",
    )  # fmt: skip


def screening_version(state: State, snapshot: PolicySnapshot) -> str:
    """Return the version of the rules that candidates were screened by; the policy's where there was no code to screen."""
    ballots = (ballot for layer in (state, *state.earlier) for ballot in layer.ballots)
    screened = (ballot.screening.version for ballot in ballots if ballot.screening is not None)
    return next(screened, snapshot.screening_version)


def _ballot_entry(state: State, ballot: Ballot) -> BallotEntry:
    """Return what the record says of one ballot."""
    own_code, own_words = state.conclusion.own.get(ballot.ask_id, (0, 0)) if state.conclusion else (0, 0)
    groups = state.conclusion.groups if state.conclusion else {}
    vectors = state.comparison.vector_sha256 if state.comparison else {}
    passed = state.comparison.examples_passed if state.comparison else {}
    readable = ballot.reading is not None and ballot.ask_id in groups
    return BallotEntry(
        voter=ballot.seat.voter,
        family=ballot.seat.family,
        lineage=ballot.seat.lineage,
        sample=0,
        outcome=ballot_outcome(state, ballot),
        group=groups.get(ballot.ask_id, NO_GROUP),
        candidate_sha256=ballot.candidate_sha256,
        normal_form_sha256=ballot.reading.sha256 if readable and ballot.reading else "",
        outcome_vector_sha256=vectors.get(ballot.ask_id, "") if readable else "",
        screening=_verdict(ballot),
        weight=decimal_str(ballot.seat.weight_micro),
        latency_ms=ballot.latency_ms,
        replaced=ballot.replaced,
        examples_passed=passed.get(ballot.ask_id, 0) if readable else 0,
        own_code=own_code,
        own_words=own_words,
        received_sha256="" if ballot.candidate_sha256 else _received(ballot),
        hedged=ballot.hedged,
        carried=ballot.carried,
    )


def _received(ballot: Ballot) -> str:
    """Return the digest of the answer of a ballot, whether it counts or not; empty if there is none."""
    return sha256_hex(ballot.candidate.content.encode("utf-8", "surrogatepass")) if ballot.candidate else ""


def _verdict(ballot: Ballot) -> str:
    if ballot.outcome == "screened_out":
        return "reject"
    return ballot.screening.verdict if ballot.screening is not None and ballot.state == "readable" else "none"


def _layer(state: State) -> LayerRef:
    plan = state.plan
    return LayerRef(
        index=plan.index,
        name=plan.layer,
        members=[seat.voter for seat in (*plan.seats, *plan.spares)],
        panel=len(plan.seats),
        quorum=decimal_str(plan.rule.quorum_micro),
        min_lineages=plan.rule.min_lineages,
        min_n_eff=decimal_str(plan.rule.min_n_eff_micro),
        tried=[_tried(layer) for layer in (*state.earlier, state)],
        min_gap=decimal_str(plan.rule.min_gap_micro) if plan.rule.min_gap_micro else "",
    )


def _tried(state: State) -> LayerTried:
    conclusion = state.conclusion
    outcome: LayerOutcome = "unavailable"
    if conclusion is not None and conclusion.outcome != "halted":
        outcome = conclusion.outcome
    return LayerTried(name=state.plan.layer, outcome=outcome, cause=conclusion.cause if conclusion else "")


def _choice(state: State) -> Choice:
    if state.plan.policy == "evidence":
        return "least"
    return "vouched" if state.plan.vouched_only else "own"


def _tally(state: State, conclusion: Conclusion, served_sha256: str) -> TallyEntry:
    counted = conclusion.tally
    winner, voted = counted.winner, {ballot.seat.lineage for ballot in state.ballots}
    was_chosen = served_sha256 or conclusion.cause == UNVOUCHED_CAUSE
    return TallyEntry(
        correlation=decimal_str(state.plan.rule.rho_micro),
        eligible_weight={lineage: decimal_str(weight) for lineage, weight in counted.eligible.items()},
        winner=winner.group if winner else NO_GROUP,
        support=decimal_str(winner.support_micro if winner else 0),
        n_eff=decimal_str(winner.n_eff_micro if winner else 0),
        lineages=winner.lineages if winner else 0,
        served_sha256=served_sha256,
        correlations=[
            PairEntry(a=pair.a, b=pair.b, rho=decimal_str(pair.rho_micro))
            for pair in state.plan.rule.pairs
            if pair.a in voted and pair.b in voted
        ],
        seconded=state.plan.policy == "evidence",
        choice=_choice(state) if was_chosen else "",
    )
