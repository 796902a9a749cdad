"""Offline verification of a decision: from the envelope's bytes and a trust bundle, nothing else.

Steps, in order; the first that fails raises ``IntegrityError`` whose ``param`` names it:
 1. envelope      the bytes are the canonical form of an envelope
 2. certificate   the writer's key is certified by the issuer, the issuer by root, at the time of issue
 3. writer        the record names that writer
 4. signature     the writer signed exactly these record bytes
 5. record        canonical bytes of a decision this version can make: ids, digests, times, decimals, policy and its floors
 6. ballots       the panel voted, each once, substitutes for those replaced; outcomes, groups and digests fit each other
 7. tally         replayed from the ballots, it comes to the recorded winner, support, n_eff and lineages
 8. choice        the served candidate is the one that the record's rule picks inside the winning group; the rule is
                  told, for older ones are weaker
 9. result        result, winner, the layer's end and the answer's digest say the same
10. layers        those that were tried before, replayed as refusals; each might follow those before it, asked nobody twice and
                  counted nothing that was rejected before. Told only where there are any
11. inclusion     a proof, if there is one, must lead from the record's row to its batch, and from there to a checkpoint that
                  a trusted log key signed; who of the given witnesses signed it too is told; a promise past due without
                  a proof is said

The record is decoded before step 2, which needs its time of issue; a record that cannot be read fails as ``record``.
A writer can still attest what nothing else in the record contradicts (a latency, a pseudonym, a quorum).

Left out: whether the policy snapshot named was in force (its digest is in the record; compare it with the policy log).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from actors.base.certificates import Certificate, TrustBundle, writer_key
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey
from actors.consensus.counting import Counted
from actors.consensus.replay import check_ballots, check_choice, check_form, check_result, replay_tally
from actors.consensus.replay_layers import check_layers
from actors.spans.log.note import NoteKey
from actors.spans.proof import check_inclusion
from actors.spans.record import RECORD_TYPE, Choice, DecisionRecord, Envelope, read_envelope

Inclusion = Literal["included", "promised", "no proof in this file", "none"]
OVERDUE: Inclusion = "no proof in this file"
"""Without a proof though the promised time is past; the log may hold the record all the same."""
_RULES: dict[Choice, str] = {
    "vouched": "by what is vouched for part by part", "least": "by least of its own",
    "own": "by least of its own, most ballots last", "": "by lots",
}  # fmt: skip
"""Rule of choice that a record names → in words."""


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
    witnesses: tuple[str, ...] = ()
    """Who else signed the proof's checkpoint, of those that were asked for."""


def verify_envelope(
    data: bytes, trust: TrustBundle, now_s: int, witnesses: Sequence[NoteKey] = ()
) -> Verification:  # fmt: skip
    """Verify a decision's envelope; raise ``IntegrityError`` at the first step that fails."""
    steps: list[Step] = []

    def passed(name: str, detail: str) -> None:
        steps.append(Step(name, detail))

    with _step("envelope"):
        envelope = read_envelope(data)
        payload = envelope.payload_bytes
        passed("envelope", "canonical JSON (RFC 8785), nothing besides")
    with _step("record"):
        record = envelope.read()
    with _step("certificate"):
        certificate, key = _certificate(envelope, record, trust)
        chain = f"writer {certificate.subject} ← issuer {certificate.issued_by} ← root {trust.root[:16]}"
        passed("certificate", chain)
    with _step("writer"):
        if record.writer.id != certificate.subject:
            raise IntegrityError(
                f"the record names {record.writer.id}, the certificate {certificate.subject}", "writer"
            )
        passed("writer", f"{record.writer.id}, row {record.writer.seq}")
    with _step("signature"):
        key.verify(RECORD_TYPE, payload, envelope.signature, "signature")
        passed("signature", f"Ed25519 by key {key.key_id}")
    with _step("record"):
        check_form(record, now_s)
        passed("record", f"decision {record.id}, policy {record.policy.name} version {record.policy.version}")
    with _step("ballots"):
        check_ballots(record)
        passed("ballots", f"{len(record.ballots)} ballots fit each other")
    with _step("tally"):
        counted = replay_tally(record)
        passed("tally", _tally_words(record, counted))
    with _step("choice"):
        check_choice(record)
        passed("choice", _choice_words(record))
    with _step("result"):
        check_result(record, counted)
        passed("result", record.result)
    with _step("layers"):
        check_layers(record, now_s)
        if record.earlier:
            passed("layers", ", then ".join(f"{tried.name} {tried.outcome}" for tried in record.layer.tried))
    with _step("inclusion"):
        inclusion, words, signed = _inclusion(envelope, record, trust, now_s, witnesses)
        passed("inclusion", words)
    return Verification(record, tuple(steps), inclusion, signed)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Let an error of this step carry the step's name, whatever part found it."""
    try:
        yield
    except IntegrityError as error:
        text = str(error).removeprefix(f"{name}: ")
        raise IntegrityError(f"{name}: {text}", name) from error


def _certificate(envelope: Envelope, record: DecisionRecord, trust: TrustBundle) -> tuple[Certificate, PublicKey]:
    if len(envelope.certificates) != 1:
        raise IntegrityError("exactly one writer certificate is expected", "certificate")
    return writer_key(trust, envelope.certificates[0], record.issued_at // 1000)


def _inclusion(
    envelope: Envelope, record: DecisionRecord, trust: TrustBundle, now_s: int, witnesses: Sequence[NoteKey]
) -> tuple[Inclusion, str, tuple[str, ...]]:
    if (proof := envelope.proof) is not None:
        writer = record.writer
        manifest, checkpoint = check_inclusion(proof, writer.id, writer.seq, envelope.as_logged, trust, witnesses)
        if record.promise is not None and record.promise.log_id != checkpoint.log_id:
            raise IntegrityError("the proof is of another log than the one promised", "inclusion")
        rows = f"rows {manifest.first_seq} to {manifest.last_seq} of {manifest.writer_id}"
        words = f"batch {proof.entry.index} of {checkpoint.size} ({rows}), root {checkpoint.root[:16]}"
        by = f", signed by {' and '.join(checkpoint.witnesses)} as well" if checkpoint.witnesses else ""
        return "included", words + by, checkpoint.witnesses
    if record.promise is None:
        return "none", "none", ()
    if now_s <= record.promise.merge_by:
        return "promised", "promised", ()
    return OVERDUE, OVERDUE, ()


def _tally_words(record: DecisionRecord, counted: Counted) -> str:
    winner = counted.tally.winner
    if winner is None:
        return f"no group won ({counted.tally.outcome}), as recorded"
    among = " among those that passed its examples" if counted.by_examples else ""
    return (
        f"group {winner.group} won{among}: support {record.tally.support} ≥ quorum {record.layer.quorum}, "
        f"{winner.lineages} lineages, n_eff {record.tally.n_eff}"
    )


def _choice_words(record: DecisionRecord) -> str:
    served, rule = record.tally.served_sha256, record.tally.choice
    return f"served candidate {served[:16] or 'none'}" + (f", {_RULES[rule]}" if served or rule else "")
