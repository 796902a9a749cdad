"""Whether a decision record is consistent with itself: its form, its ballots, its tally, its choice, its result. Pure.

Rules:
- Every check takes the record alone and raises ``IntegrityError`` with the name of the step it belongs to.
- Only what this version can decide is believed: a method, outcome or part that it never writes is refused, not ignored.
- The tally is counted again by the very code that counted it (``tally``), from what the record says of ballots and rule.

Left out: who signed the record and when (``verification``); whether the policy named was in force.
"""

import re

from actors.base.canonical import MICRO, decimal_str, micro
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.base.ids import is_ulid
from actors.consensus.causes import HALTED_CAUSE, UNPROVEN, UNVOUCHED_CAUSE
from actors.consensus.choosing import Contender, rank
from actors.consensus.counting import DISSENT, Cast, Counted, barred_groups, count
from actors.consensus.grouping import Answer, group_answers
from actors.consensus.independence import MAX_NAMED, Pair
from actors.consensus.layers import deciding
from actors.consensus.own import ALONE, COMMON
from actors.consensus.records import DEGRADED_METHODS
from actors.consensus.tally import LEAST_LINEAGES, NO_GROUP, Rule, Vote
from actors.consensus.vocabulary import RUNNABLE
from actors.spans.record import BallotEntry, DecisionRecord, LayerOutcome, LayerRef, Method, Result

MAX_SKEW_MS = 300_000
"""How far ahead of the verifier's clock a record may have been issued."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIE_SALT = re.compile(r"[0-9a-f]{32}", re.ASCII)
_METHODS: dict[str, Method] = {"code": "syntax", "json": "canonical", "value": "value", "text": "similarity"}
"""Kind of answer (up to its colon) → how answers of that kind are compared where nothing is run."""

NO_SCREENING = "none"
"""Screening version of records from before code was screened: their ballots were not, and say so."""
_CONSENSUS = ("strict", "evidence")
_COUNTED = ("agreed", "dissented")
_NOT_ASKED_AGAIN = (*_COUNTED, "cancelled", "late")
"""Outcomes of ballots in whose place nobody is asked."""
_MAY_HAVE_COME = ("invalid", "late", "screened_out", "isolated", "timeout", "cancelled")
"""Outcomes of ballots that do not count, and whose answer may have come all the same."""
_LAYER_ENDS: dict[Result, LayerOutcome] = {
    "answered": "agreed", "withheld": "agreed", "no_consensus": "disagreed",
    "screened_out": "screened_out", "unavailable": "unavailable",
    "deadline": "deadline", "halted": "unavailable",
}  # fmt: skip


def check_form(record: DecisionRecord, now_s: int) -> None:
    """Check ids, digests, times, decimals, the policy with its floors, and that nothing is there which is never written."""
    layer, said = record.layer, record.tally
    _record(is_ulid(record.id), "the id is no ULID")
    _record(0 < record.issued_at <= now_s * 1000 + MAX_SKEW_MS, "issued ahead of this machine's clock")
    digests = (record.config_sha256, record.policy.sha256)
    _record(all(_SHA256.fullmatch(digest) for digest in digests), "a digest is no SHA-256")
    _record(bool(_TIE_SALT.fullmatch(record.tie_salt)), "the tie salt is not 16 bytes in hex")
    _record(record.policy.version >= 1 and record.writer.seq >= 0, "a version or row is out of bounds")
    _record(record.examples >= 0 and (record.examples == 0 or _may_run(record)), "examples of what is never run")
    schema = record.schema_sha256
    _record(not schema or record.answer_kind == "json", "a schema for what is no JSON")
    _record(not schema or bool(_SHA256.fullmatch(schema)), "the schema's digest is no SHA-256")
    _record(not record.similarity or record.answer_kind == "text", "a likeness of what is not grouped by it")
    _record(not record.similarity or 0 <= _decimal(record.similarity) <= MICRO, "a likeness out of bounds")
    _record(record.cache is None and len(layer.tried) == 1 + len(record.earlier), "a layer is not told of, or a cache")
    _record(layer.index >= len(record.earlier), "more layers than there can have been")
    quorum, n_eff, rho = _decimal(layer.quorum), _decimal(layer.min_n_eff), _share(said.correlation)
    _record(0 < quorum <= MICRO and n_eff >= 0, "quorum or n_eff is out of bounds")
    gap, named = _gap(layer), _check_correlations(record)
    _record(not layer.min_gap or 0 < gap <= MICRO, "a gap that is none, or more than all")
    _record(not said.seconded or record.policy.name == "evidence", "a rule of evidence under another policy")
    for text in (said.support, said.n_eff, *said.eligible_weight.values()):
        _decimal(text)
    if record.policy.name == "direct":
        rule = (quorum, layer.min_lineages, n_eff, rho, gap, layer.panel, len(layer.members), len(record.ballots))
        _record(rule == (MICRO, 1, MICRO, 0, 0, 1, 1, 1), "direct is one voter that must answer")
        _record(not named and not record.policy.calibrated_error, "direct counts nothing and is calibrated for nothing")
    else:
        _record(record.policy.name in _CONSENSUS, f"policy {record.policy.name!r} is unknown")
        _record(layer.min_lineages >= LEAST_LINEAGES, f"policy {record.policy.name} takes {LEAST_LINEAGES} lineages")


def _check_correlations(record: DecisionRecord) -> list[tuple[str, str]]:
    """Check and return the pairs of lineages that were counted otherwise than others."""
    said, voted = record.tally, {ballot.lineage for ballot in record.ballots}
    named = [(pair.a, pair.b) for pair in said.correlations]
    _record(named == sorted(set(named)) and all(a < b for a, b in named), "a pair twice, or not in order")
    lineages = {lineage for pair in named for lineage in pair}
    _record(lineages <= voted and len(lineages) <= MAX_NAMED, "correlations of who has no ballot, or of too many")
    for pair in said.correlations:
        _record(_share(pair.rho) != micro(said.correlation), "a pair that correlates as all others do")
    if record.policy.calibrated_error:
        _share(record.policy.calibrated_error)
    return named


def check_ballots(record: DecisionRecord) -> None:
    """Check who voted and that each ballot's outcome, group, digests and weight fit each other and the winner."""
    _check_panel(record)
    for ballot in record.ballots:
        _check_ballot(ballot, record)
    counted = [ballot for ballot in record.ballots if ballot.group != NO_GROUP]
    forms = {(ballot.normal_form_sha256, ballot.group) for ballot in counted}
    _ballots(len({form for form, _ in forms}) == len(forms), "equal normal forms are in different groups")
    if record.method != "similarity":
        _ballots(_grouped(counted) == [b.group for b in counted], "groups are not those of equal forms and behaviour")
    numbered = [group for _, group in sorted(forms)]
    _ballots(
        list(dict.fromkeys(numbered)) == sorted(set(numbered)), "groups are not in the order of their normal forms"
    )
    _ballots(not numbered or max(numbered) == len(set(numbered)) - 1, "a group's number is left out")


def _grouped(counted: list[BallotEntry]) -> list[int]:
    answers = [
        Answer(place, "", ballot.normal_form_sha256, "syntax", 0, ballot.outcome_vector_sha256)
        for place, ballot in enumerate(counted)
    ]
    groups = group_answers(answers, 0)
    return [groups[place] for place in range(len(counted))]


def _may_run(record: DecisionRecord) -> bool:
    """Tell whether the record is of answers whose behaviour can be compared."""
    return record.answer_kind == RUNNABLE and record.policy.name in _CONSENSUS


def _check_panel(record: DecisionRecord) -> None:
    members, panel = record.layer.members, record.layer.panel
    voters = [ballot.voter for ballot in record.ballots]
    _ballots(
        len(set(members)) == len(members) and 1 <= panel <= len(members), "the layer's members are no panel, each once"
    )
    _ballots(voters[:panel] == members[:panel], "the ballots are not those of the panel")
    standing_by = iter(members[panel:])  # asked in rank order; one that was isolated meanwhile is passed over
    _ballots(all(voter in standing_by for voter in voters[panel:]), "a substitute did not stand by")
    replaced = sum(ballot.replaced or ballot.hedged for ballot in record.ballots)
    _ballots(replaced == len(voters[panel:]), f"{replaced} were replaced by {len(voters[panel:])} substitutes")
    twice = [ballot.voter for ballot in record.ballots if ballot.hedged and (ballot.replaced or ballot.carried)]
    _ballots(not twice, f"{twice} had two substitutes, or one for an answer that was there")


def _check_ballot(ballot: BallotEntry, record: DecisionRecord) -> None:
    who, counted = ballot.voter, ballot.group != NO_GROUP
    _ballots(counted == (ballot.outcome in _COUNTED), f"{who} is {ballot.outcome} and in group {ballot.group}")
    agreed = counted and ballot.group == record.tally.winner
    _ballots((ballot.outcome == "agreed") == agreed, f"{who} {ballot.outcome}, which the winner contradicts")
    for digest in (ballot.candidate_sha256, ballot.normal_form_sha256):
        _ballots(
            bool(_SHA256.fullmatch(digest)) if counted else not digest, f"{who}: a digest where none belongs, or none"
        )
    received = ballot.received_sha256
    _ballots(not received or ballot.outcome in _MAY_HAVE_COME, f"{who}: the digest of an answer that cannot have come")
    _ballots(not received or bool(_SHA256.fullmatch(received)), f"{who}: a digest of an answer that is none")
    _ballots(not (ballot.replaced and ballot.outcome in _NOT_ASKED_AGAIN), f"{who} was replaced and {ballot.outcome}")
    _ballots(0 < _decimal(ballot.weight) <= MICRO and ballot.latency_ms >= 0, f"{who}: weight or latency out of bounds")
    _ballots(ballot.sample == 0, f"{who}: a sample, which this version never writes")
    _ballots(ballot.screening in _screenings(ballot, record), f"{who}: {ballot.outcome}, screening {ballot.screening}")
    vector, passed = ballot.outcome_vector_sha256, ballot.examples_passed
    _ballots(not vector or (counted and _may_run(record)), f"{who}: behaviour of what did not run")
    _ballots(not vector or bool(_SHA256.fullmatch(vector)), f"{who}: a digest of behaviour that is none")
    _ballots(0 <= passed <= (record.examples if counted else 0), f"{who}: passed examples that were not run")
    chosen = record.tally.choice or not record.tally.served_sha256  # records from before say nothing of it
    most = ALONE if counted and chosen and _may_run(record) and record.tally.winner != NO_GROUP else COMMON
    _ballots(
        min(ballot.own_code, ballot.own_words) >= COMMON and max(ballot.own_code, ballot.own_words) <= most,
        f"{who}: something of its own where nothing was chosen",
    )


def _screenings(ballot: BallotEntry, record: DecisionRecord) -> tuple[str, ...]:
    """Return the verdicts that a ballot's screening may have had."""
    if ballot.outcome == "screened_out":
        return ("reject",)
    if record.screening_version == NO_SCREENING or ballot.outcome not in _COUNTED:
        return ("none",)
    return (
        ("pass", "flag") if record.answer_kind.startswith("code:") else ("none", "pass", "flag")
    )  # prose may hold code


def _method(record: DecisionRecord, counted: Counted) -> Method | None:
    if all(ballot.group == NO_GROUP for ballot in record.ballots):
        return "none"
    if record.policy.name == "direct":
        return "single"
    if counted.by_examples:
        return "examples"
    forms = {b.normal_form_sha256 for b in record.ballots if b.outcome == "agreed"}
    if record.answer_kind.startswith("code:") and len(forms) > 1:
        return "behaviour"
    return _METHODS.get(record.answer_kind.partition(":")[0])


def replay_tally(record: DecisionRecord) -> Counted:
    """Count the recorded ballots again and compare with what the record says."""
    said = record.tally
    counted = count(casts_in(record), rule_of(record), record.policy.name, record.examples, seconded=said.seconded)
    end, winner = counted.tally, counted.tally.winner
    if {lineage: micro(weight) for lineage, weight in said.eligible_weight.items()} != end.eligible:
        raise IntegrityError("tally: the eligible weights are not those of the seats", "tally")
    replayed = (
        (winner.group, winner.support_micro, winner.n_eff_micro, winner.lineages) if winner else (NO_GROUP, 0, 0, 0)
    )
    if replayed != (said.winner, micro(said.support), micro(said.n_eff), said.lineages):
        raise IntegrityError(f"tally: replayed to {replayed}, the record says otherwise", "tally")
    return counted


def rule_of(record: DecisionRecord) -> Rule:
    """Return the rule that the record says its ballots were counted by."""
    layer, said = record.layer, record.tally
    return Rule(
        micro(layer.quorum), layer.min_lineages, micro(layer.min_n_eff), micro(said.correlation), _gap(layer),
        tuple(Pair(pair.a, pair.b, micro(pair.rho)) for pair in said.correlations),
    )  # fmt: skip


def casts_in(record: DecisionRecord) -> list[Cast]:
    """Return the recorded ballots as they count."""
    panel = record.layer.panel
    return [
        Cast(
            Vote(b.lineage, micro(b.weight), b.group, isolated=b.outcome in DISSENT, substitute=number >= panel),
            b.examples_passed,
        )
        for number, b in enumerate(record.ballots)
    ]


def check_choice(record: DecisionRecord) -> None:
    """Check that the served candidate, if there is one, is the one that is chosen by the rule that the record names."""
    served, choice = record.tally.served_sha256, record.tally.choice
    members = [ballot for ballot in record.ballots if ballot.outcome == "agreed"]
    if (served or choice == "vouched") and served != _first_ranked(members, record):
        raise IntegrityError("choice: the record's rule picks another candidate", "choice")


def _first_ranked(members: list[BallotEntry], record: DecisionRecord) -> str:
    """Return the digest of the candidate that the record's rule picks; empty if there is none."""
    if not record.tally.choice:
        return _first_by_candidate(members, record.tie_salt) if members else ""
    group = [
        Contender(
            b.lineage,
            b.normal_form_sha256,
            b.candidate_sha256,
            b.screening == "flag",
            micro(b.weight),
            b.own_code,
            b.own_words,
        )
        for b in members
    ]
    lineages = [b.lineage for b in record.ballots]
    order = rank(group, lineages, record.tie_salt, majority_last=record.tally.choice != "least")
    served = (members[place] for place in order if record.tally.choice != "vouched" or _is_common(members[place]))
    return next((ballot.candidate_sha256 for ballot in served), "")


def _is_common(ballot: BallotEntry) -> bool:
    return (ballot.own_code, ballot.own_words) == (COMMON, COMMON)


def _first_by_candidate(members: list[BallotEntry], tie_salt: str) -> str:
    """Return what was served while every candidate had a lot of its own."""

    def order(ballot: BallotEntry) -> tuple[bool, int, int, str]:
        authors = {m.lineage for m in members if m.normal_form_sha256 == ballot.normal_form_sha256}
        lot = sha256_hex(f"{tie_salt}{ballot.candidate_sha256}".encode())
        return ballot.screening == "flag", -len(authors), -micro(ballot.weight), lot

    return min(members, key=order).candidate_sha256


def check_result(record: DecisionRecord, counted: Counted) -> None:
    """Check that result, method, tally, the layer's end, the answer's digest and ``degraded`` say the same."""
    tried, winner = record.layer.tried[-1], counted.tally.winner
    end, decided = tried.outcome, deciding(record.layer.tried)
    uncompared, unvouched = tried.cause in UNPROVEN, tried.cause == UNVOUCHED_CAUSE
    named = _LAYER_ENDS.get(record.result)  # older records name the end of the last layer whatever came before it
    _result(tried.name == record.layer.name and named in (end, decided.outcome), f"{record.result} is not how it ended")
    _result((tried.outcome == "agreed") == (not tried.cause), "a cause where none belongs, or none")
    if uncompared:
        ran = record.examples or any(ballot.outcome_vector_sha256 for ballot in record.ballots)
        _result(
            tried.outcome == UNPROVEN[tried.cause] and _may_run(record) and not ran, "the cause tells of another end"
        )
    if unvouched:
        chosen = winner is not None and end == "disagreed" and record.tally.choice == "vouched"
        _result(chosen, "the cause tells of another end")
    elif record.result != "halted":
        _result(
            uncompared or (winner is not None) == (end == "agreed"), f"{record.result}, which the tally contradicts"
        )
        _result(
            uncompared or end in _ends(record, counted), f"{record.result}, but the ballots {counted.tally.outcome}"
        )
    _result((record.result == "halted") == (tried.cause == HALTED_CAUSE), "the cause tells of another end")
    if end == "deadline":
        out_of_time = any(ballot.outcome in ("timeout", "late") for ballot in record.ballots)
        _result(out_of_time or uncompared, "the deadline passed and nobody was out of time")
    _result(record.method == _method(record, counted), f"these answers do not agree by {record.method}")
    served = record.tally.served_sha256
    _result(bool(served) == (record.result == "answered"), f"{record.result}, and a served candidate or none")
    _result(bool(served) or unvouched or not record.tally.choice, "a rule of choice, and nothing that it chose")
    vouched = record.policy.name == "strict" and record.answer_kind == RUNNABLE
    least = record.tally.choice != "least" or record.policy.name == "evidence"
    _result((record.tally.choice != "vouched" or vouched) and least, "a rule of choice that was not in force")
    _result(record.answer_sha256 == served, "another answer than the one chosen")
    lesser = record.policy.name == "direct" or record.layer.index > 0
    _result(
        record.degraded == (lesser or record.method in DEGRADED_METHODS),
        "degraded does not follow from policy, layer and method",
    )


def _ends(record: DecisionRecord, counted: Counted) -> tuple[str, ...]:
    """Return how a layer may have ended that counted so."""
    ends: tuple[str, ...] = ("agreed", "deadline", counted.tally.outcome)
    if any(ballot.outcome == "screened_out" for ballot in record.ballots):
        ends += ("screened_out", "disagreed")
    return (*ends, "disagreed") if barred_groups(casts_in(record), record.examples) else ends


def _decimal(text: str) -> int:
    value = micro(text)
    if decimal_str(value) != text:
        raise IntegrityError(f"{text!r} is no decimal with exactly six places", "decimal")
    return value


def _gap(layer: LayerRef) -> int:
    return _decimal(layer.min_gap) if layer.min_gap else 0


def _share(text: str) -> int:
    value = _decimal(text)
    _record(0 <= value <= MICRO, f"{text} does not lie between 0 and 1")
    return value


def _record(holds: bool, otherwise: str) -> None:
    _require(holds, "record", otherwise)


def _ballots(holds: bool, otherwise: str) -> None:
    _require(holds, "ballots", otherwise)


def _result(holds: bool, otherwise: str) -> None:
    _require(holds, "result", otherwise)


def _require(holds: bool, step: str, otherwise: str) -> None:
    if not holds:
        raise IntegrityError(f"{step}: {otherwise}", step)
