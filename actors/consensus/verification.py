"""Offline verification of a decision: from the envelope's bytes and a trust bundle, nothing else.

Steps, in order; the first that fails raises ``IntegrityError`` whose ``param`` names it:
 1. envelope      the bytes are the canonical form of an envelope
 2. certificate   the writer's key is certified by the issuer, the issuer by root, at the time of issue
 3. writer        the record names that writer
 4. signature     the writer signed exactly these record bytes
 5. record        the bytes are the canonical form of a decision record
 6. ballots       outcomes, groups and digests of the ballots fit each other
 7. tally         replayed from the ballots, it comes to the recorded winner, support, n_eff and lineages
 8. choice        the served candidate is the one the tie-break picks inside the winning group
 9. result        answered exactly if a group won; the answer's digest is the served candidate's
10. inclusion     a proof, if there is one, must hold; a promise past due without a proof is said

Left out: whether the policy snapshot named was in force (its digest is in the record; compare it with the policy log).
"""

from dataclasses import dataclass
from typing import Literal

from actors.base.canonical import micro
from actors.base.certificates import Certificate, TrustBundle, writer_key
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey
from actors.consensus.tally import NO_GROUP, Rule, Tally, Vote, tally
from actors.spans.record import RECORD_TYPE, BallotEntry, DecisionRecord, Envelope, read_envelope

Inclusion = Literal["included", "promised", "no proof in this file", "none"]
_COUNTED = ("agreed", "dissented")


@dataclass(frozen=True, slots=True)
class Step:
    """One step that passed, in words."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was checked; ``inclusion`` says how far the log vouches for the record."""

    record: DecisionRecord
    steps: tuple[Step, ...]
    inclusion: Inclusion


def verify_envelope(data: bytes, trust: TrustBundle, now_s: int) -> Verification:
    """Verify a decision's envelope; raise ``IntegrityError`` at the first step that fails."""
    envelope = read_envelope(data)
    record = envelope.read()
    steps = [Step("envelope", "canonical JSON (RFC 8785), nothing besides")]
    certificate, key = _certificate(envelope, record, trust)
    steps.append(
        Step("certificate", f"writer {certificate.subject} ← issuer {certificate.issued_by} ← root {trust.root[:16]}")
    )
    if record.writer.id != certificate.subject:
        raise IntegrityError(
            f"writer: the record names {record.writer.id}, the certificate {certificate.subject}", "writer"
        )
    steps.append(Step("writer", f"{record.writer.id}, row {record.writer.seq}"))
    key.verify(RECORD_TYPE, envelope.payload_bytes, envelope.signature, "signature")
    steps.append(Step("signature", f"Ed25519 by key {key.key_id}"))
    steps.append(Step("record", f"decision {record.id}, policy {record.policy.name} version {record.policy.version}"))
    _check_ballots(record)
    steps.append(Step("ballots", f"{len(record.ballots)} ballots fit each other"))
    counted = replay_tally(record)
    steps.append(Step("tally", _tally_words(record, counted)))
    _check_choice(record)
    steps.append(Step("choice", f"served candidate {record.tally.served_sha256[:16] or 'none'}"))
    _check_result(record, counted)
    steps.append(Step("result", record.result))
    inclusion = _inclusion(envelope, record, now_s)
    steps.append(Step("inclusion", inclusion))
    return Verification(record, tuple(steps), inclusion)


def replay_tally(record: DecisionRecord) -> Tally:
    """Count the recorded ballots again and compare with what the record says."""
    rule = Rule(
        micro(record.layer.quorum),
        record.layer.min_lineages,
        micro(record.layer.min_n_eff),
        micro(record.tally.correlation),
    )
    seated = [ballot for ballot in record.ballots if not ballot.replaced]
    counted = tally([Vote(b.lineage, micro(b.weight), b.group) for b in seated], rule)
    said = record.tally
    if {k: micro(v) for k, v in said.eligible_weight.items()} != counted.eligible:
        raise IntegrityError("tally: the eligible weights are not those of the seats", "tally")
    winner = counted.winner
    replayed = (
        (winner.group, winner.support_micro, winner.n_eff_micro, winner.lineages) if winner else (NO_GROUP, 0, 0, 0)
    )
    if replayed != (said.winner, micro(said.support), micro(said.n_eff), said.lineages):
        raise IntegrityError(f"tally: replayed to {replayed}, the record says otherwise", "tally")
    return counted


def _certificate(envelope: Envelope, record: DecisionRecord, trust: TrustBundle) -> tuple[Certificate, PublicKey]:
    if len(envelope.certificates) != 1:
        raise IntegrityError("certificate: exactly one writer certificate is expected", "certificate")
    try:
        return writer_key(trust, envelope.certificates[0], record.issued_at // 1000)
    except IntegrityError as error:
        raise IntegrityError(f"certificate: {error}", "certificate") from error


def _check_ballots(record: DecisionRecord) -> None:
    for ballot in record.ballots:
        counted = ballot.group != NO_GROUP
        if counted != (ballot.outcome in _COUNTED) and record.result != "halted":
            raise IntegrityError(f"ballots: {ballot.voter} is {ballot.outcome} and in group {ballot.group}", "ballots")
        if counted and not (ballot.candidate_sha256 and ballot.normal_form_sha256):
            raise IntegrityError(f"ballots: {ballot.voter} counts without an answer's digest", "ballots")
        if counted and ballot.replaced:
            raise IntegrityError(f"ballots: {ballot.voter} was replaced and counts", "ballots")
        if (ballot.outcome == "agreed") != (counted and ballot.group == record.tally.winner):
            raise IntegrityError(f"ballots: {ballot.voter} {ballot.outcome}, which the winner contradicts", "ballots")
    if record.method not in ("similarity", "behaviour", "examples"):
        forms = {(b.normal_form_sha256, b.group) for b in record.ballots if b.group != NO_GROUP}
        if len({form for form, _ in forms}) != len(forms) or len({group for _, group in forms}) != len(forms):
            raise IntegrityError("ballots: groups are not those of equal normal forms", "ballots")


def _check_choice(record: DecisionRecord) -> None:
    members = [b for b in record.ballots if b.outcome == "agreed"]
    expected = _first_ranked(members, record.tie_salt) if members else ""
    if record.tally.served_sha256 not in ("", expected):
        raise IntegrityError("choice: the tie-break picks another candidate", "choice")
    if record.result == "answered" and not record.tally.served_sha256:
        raise IntegrityError("choice: answered without a served candidate", "choice")


def _first_ranked(members: list[BallotEntry], tie_salt: str) -> str:
    def shared(ballot: BallotEntry) -> int:
        return len({m.lineage for m in members if m.normal_form_sha256 == ballot.normal_form_sha256})

    def rank(ballot: BallotEntry) -> tuple[int, int, str]:
        return (-shared(ballot), -micro(ballot.weight), sha256_hex(f"{tie_salt}{ballot.candidate_sha256}".encode()))

    return min(members, key=rank).candidate_sha256


def _check_result(record: DecisionRecord, counted: Tally) -> None:
    if record.result == "answered" and (counted.winner is None or record.answer_sha256 != record.tally.served_sha256):
        raise IntegrityError(
            "result: an answer without a winning group, or another answer than the one chosen", "result"
        )
    if record.result not in ("answered", "withheld") and record.answer_sha256:
        raise IntegrityError("result: a refusal names an answer", "result")


def _inclusion(envelope: Envelope, record: DecisionRecord, now_s: int) -> Inclusion:
    if envelope.proof is not None:
        raise IntegrityError("inclusion: this version knows no log that could have issued the proof", "inclusion")
    if record.promise is None:
        return "none"
    return "promised" if now_s <= record.promise.merge_by else "no proof in this file"


def _tally_words(record: DecisionRecord, counted: Tally) -> str:
    if counted.winner is None:
        return f"no group won ({counted.outcome}), as recorded"
    return (
        f"group {counted.winner.group} won: support {record.tally.support} ≥ quorum {record.layer.quorum}, "
        f"{counted.winner.lineages} lineages, n_eff {record.tally.n_eff}"
    )
