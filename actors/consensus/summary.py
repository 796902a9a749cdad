"""The ``weavergen`` object of a response: a decision in a client's words. Pure."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from actors.base.canonical import MICRO, micro, to_builtins
from actors.consensus.choosing import ballot_outcome
from actors.consensus.layers import independence
from actors.consensus.pieces import TooMuch, taken_apart
from actors.consensus.ports import Committed
from actors.consensus.standing import ballots_told, examples_run
from actors.consensus.vocabulary import Ballot, State
from actors.spans.record import Promise


def summary(state: State, committed: Committed, durability: str, *, explain: bool = False) -> dict[str, Any]:
    """Return the response extension of a committed decision; ``explain`` adds what answers may be shown, and as read."""
    record = committed.record
    winner = state.conclusion.tally.winner if state.conclusion else None
    return {
        "decision_id": record.id,
        "policy": record.policy.name,
        "degraded": record.degraded,
        "cache": "miss",
        "saved": list(state.plan.saved),
        "result": record.result,
        "layer": {
            "index": record.layer.index,
            "name": record.layer.name,
            "failover_used": bool(record.earlier),
            "independence": _independence(state),
            "tried": [to_builtins(tried) for tried in record.layer.tried],
        },
        "agreement": {
            "kind": record.answer_kind,
            "method": record.method,
            "support": winner.support_micro / MICRO if winner else 0.0,
            "quorum": state.plan.rule.quorum_micro / MICRO,
            "runner_up": _runner_up(state),
            "independent_votes": round(winner.n_eff_micro / MICRO, 3) if winner else 0.0,
            "lineages": winner.lineages if winner else 0,
            "examples": _examples(state),
            "calibrated_error": micro(stated) / MICRO if (stated := record.policy.calibrated_error) else None,
        },
        "votes": _votes(state, explain=explain),
        "screening": _screening(state, record.screening_version),
        "signature": to_builtins(committed.envelope.signature),
        "log": {**_promised(record.promise), "durability": durability},
    }


def _independence(state: State) -> str:
    """Return how much of the layer that decided is new beside those before it."""
    if not state.earlier:
        return "full"
    earlier = (ballot.seat.lineage for layer in state.earlier for ballot in layer.ballots)
    return independence(earlier, (ballot.seat.lineage for ballot in state.ballots))


def _runner_up(state: State) -> float:
    """Return the most support that a group beside the winning one has; 0 without a winner."""
    tally = state.conclusion.tally if state.conclusion else None
    if tally is None or tally.winner is None:
        return 0.0
    return max((s.support_micro for s in tally.standings if s.group != tally.winner.group), default=0) / MICRO


def _examples(state: State) -> dict[str, int]:
    """Return how many examples the prompt gives, how many were run, and how many of these the winning group passed."""
    conclusion, comparison = state.conclusion, state.comparison
    winner = conclusion.tally.winner if conclusion else None
    members = (
        [ask_id for ask_id, group in conclusion.groups.items() if winner and group == winner.group]
        if conclusion
        else []
    )
    passed = min((comparison.examples_passed.get(ask_id, 0) for ask_id in members), default=0) if comparison else 0
    return {"found": len(state.plan.examples), "run": examples_run(state), "passed": passed}


_WORST = ("none", "pass", "flag")


def _screening(state: State, version: str) -> dict[str, Any]:
    """Return what screening says of the winning group: its worst verdict, and what was found."""
    conclusion = state.conclusion
    winner = conclusion.tally.winner if conclusion else None
    screenings = [
        b.screening
        for b in state.ballots
        if conclusion and winner and b.screening and conclusion.groups.get(b.ask_id) == winner.group
    ]
    verdict = max((s.verdict for s in screenings), key=_WORST.index, default="none")
    found = sorted({finding for s in screenings for finding in s.findings})
    return {"verdict": verdict, "version": version, "findings": [to_builtins(finding) for finding in found]}


def _promised(promise: Promise | None) -> dict[str, str | None]:
    """Return what is promised of the record's way into the log."""
    if promise is None:
        return {"status": "none", "merge_by": None}
    return {"status": "promised", "merge_by": _utc(promise.merge_by)}


@lru_cache(maxsize=16)  # all decisions of a second are promised by the same one
def _utc(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _votes(state: State, *, explain: bool) -> list[dict[str, Any]]:
    """Return the ballots of every layer; an answer is shown once, with the last layer that it counted in."""
    halted = state.conclusion is not None and state.conclusion.outcome == "halted"
    shown = (
        {(layer.plan.index, ballot.ask_id) for layer, ballot in ballots_told(state)} if explain and not halted else ()
    )
    return [
        _vote(layer, ballot, explain=(layer.plan.index, ballot.ask_id) in shown)
        for layer in (*state.earlier, state)
        for ballot in layer.ballots
    ]


def _vote(state: State, ballot: Ballot, *, explain: bool) -> dict[str, Any]:
    vote: dict[str, Any] = {
        "voter": ballot.seat.voter,
        "layer": state.plan.layer,
        "family": ballot.seat.family,
        "lineage": ballot.seat.lineage,
        "outcome": ballot_outcome(state, ballot),
        "weight": ballot.seat.weight_micro / MICRO,
        "latency_ms": ballot.latency_ms,
        "candidate_sha256": ballot.candidate_sha256,
        "group": state.conclusion.groups.get(ballot.ask_id) if state.conclusion else None,
    }
    if ballot.screening is not None:
        vote["screening"] = ballot.screening.verdict if ballot.outcome != "screened_out" else "reject"
    if ballot.note:
        vote["note"] = ballot.note
    if explain and ballot.candidate is not None and _may_be_shown(state, ballot):
        vote["answer"] = to_builtins(ballot.candidate)
        vote["reading"] = ballot.reading.form if ballot.reading else None
    return vote


def _may_be_shown(state: State, ballot: Ballot) -> bool:
    """Tell whether an answer may leave beside the served one: code only once it passed screening."""
    return ballot.state == "readable" or not (state.plan.language or _holds_code(ballot))


def _holds_code(ballot: Ballot) -> bool:
    try:
        return ballot.candidate is not None and taken_apart(ballot.candidate.content, "")[1] != ()
    except TooMuch:
        return True
