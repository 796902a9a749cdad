"""Offline verification: every byte matters, every step can fail."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from actors.base.canonical import b64, canonical_json
from actors.base.errors import IntegrityError, NoConsensus
from actors.base.signing import SigningKey
from actors.consensus.verification import verify_envelope
from actors.consensus.weights import Correlation
from actors.spans.batch import manifest_of, proof_of
from actors.spans.columns import Rows
from actors.spans.log.checkpoint import log_id, origin, sign_checkpoint
from actors.spans.log.note import KeyKind, NoteKey, sign_line
from actors.spans.merkle import leaf_hash
from actors.spans.record import DecisionRecord, PairEntry, Promise, read_envelope, seal
from tests.unit.actors.consensus.world import CALLER, LOG_KEY, NOW_S, World, hangs, request, says, voter
from tests.unit.actors.spans.telemetry import span

STEPS = [
    "envelope",
    "certificate",
    "writer",
    "signature",
    "record",
    "ballots",
    "tally",
    "choice",
    "result",
    "inclusion",
]


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Three voters of which two agree, and one decision made."""
    made = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", hangs))
    asyncio.run(made.coordinator.generate(request(), CALLER))
    return made


def resealed(world: World, change: Callable[[DecisionRecord], DecisionRecord]) -> bytes:
    """Return the decision with a changed record that the writer itself signed again."""
    record = change(world.log.committed[0].record)
    return canonical_json(seal(record, world.log.key, world.log.certificate))  # type: ignore[arg-type]


def test_an_honest_envelope_verifies_step_by_step(world: World) -> None:
    """All ten steps pass and are told."""
    result = verify_envelope(world.log.committed[0].data, world.trust, NOW_S)
    names = [step.name for step in result.steps]
    assert names == STEPS
    assert result.inclusion == "none"


def test_flipping_any_byte_fails(world: World) -> None:
    """Whatever single byte is changed, verification fails and names a step."""
    data = world.log.committed[0].data
    for position in range(len(data)):
        for mask in (0x01, 0x20, 0x80):
            mutant = bytearray(data)
            mutant[position] ^= mask
            with pytest.raises(IntegrityError) as caught:
                verify_envelope(bytes(mutant), world.trust, NOW_S)
            assert caught.value.param in STEPS


def test_truncation_and_trailing_bytes_fail(world: World) -> None:
    """Exactly the canonical bytes are accepted."""
    data = world.log.committed[0].data
    for bad in (data[:-1], data + b"\n", b" " + data, data.replace(b":", b": ", 1), b""):
        with pytest.raises(IntegrityError):
            verify_envelope(bad, world.trust, NOW_S)


def test_a_writer_that_lies_about_the_tally_is_caught(world: World) -> None:
    """Even with a good signature a record must replay: winner, support, weights, ballots, choice, result."""
    replace = msgspec.structs.replace

    def ballots(record: DecisionRecord, **changes: object) -> DecisionRecord:
        return replace(record, ballots=[replace(record.ballots[0], **changes), *record.ballots[1:]])

    lies: dict[str, Callable[[DecisionRecord], DecisionRecord]] = {
        "tally": lambda r: replace(r, tally=replace(r.tally, support="0.900000")),
        "ballots": lambda r: ballots(r, outcome="dissented"),
        "choice": lambda r: replace(r, tally=replace(r.tally, served_sha256="f" * 64), answer_sha256="f" * 64),
        "result": lambda r: replace(r, result="no_consensus"),
        "writer": lambda r: replace(r, writer=replace(r.writer, id="01ARZ3NDEKTSV4RRFFQ69G5FAV")),
        "certificate": lambda r: replace(r, issued_at=r.issued_at + 10**9),
    }
    for step, lie in lies.items():
        with pytest.raises(IntegrityError) as caught:
            verify_envelope(resealed(world, lie), world.trust, NOW_S)
        assert caught.value.param == step, step
        assert str(caught.value).startswith(f"{step}: ")


@pytest.mark.parametrize(
    ("policy", "remarks", "told"),
    [
        ("strict", ("", ""), ", by what is vouched for part by part"),
        ("evidence", ("", ""), ", by least of its own"),
        ("strict", ("  # see gist", "  # presumably"), "served candidate none, by what is vouched for part by part"),
        ("strict", ("", " + 1"), "served candidate none"),
    ],
)
def test_the_rule_that_chose_is_told(
    make_world: Callable[..., World], policy: str, remarks: tuple[str, str], told: str
) -> None:
    """Which of the rules it was no replay shows: an auditor is told, also where by that rule nobody is served."""
    code = [f"def f(x):\n    return x + 1{remark}" for remark in remarks]
    made = make_world(voter("a", says(code[0])), voter("b", says(code[1])))
    asked = request("Write a Python function f(x).", answer_kind="code", policy=policy)
    with contextlib.suppress(NoConsensus):
        asyncio.run(made.coordinator.generate(asked, CALLER))
    assert choice_told(made.log.committed[0].data, made).endswith(told)


def test_an_older_records_rule_is_told(world: World) -> None:
    """One that names no rule drew lots."""
    older = resealed(world, lambda r: msgspec.structs.replace(r, tally=msgspec.structs.replace(r.tally, choice="")))
    assert choice_told(older, world).endswith(", by lots")


def choice_told(data: bytes, world: World) -> str:
    """Return what is said of the choice."""
    return verify_envelope(data, world.trust, NOW_S).steps[STEPS.index("choice")].detail


def test_every_failure_carries_the_name_of_its_step(world: World) -> None:
    """Whatever part finds it, damage to the payload, the record's form or a number fails as a documented step."""
    envelope = read_envelope(world.log.committed[0].data)
    replace = msgspec.structs.replace
    damaged = {
        "envelope": replace(envelope, payload="AAB"),
        "record": replace(envelope, payload=b64(envelope.payload_bytes.replace(b'"cache"', b'"cachf"'))),
        "certificate": replace(envelope, certificates=[replace(envelope.certificates[0], payload="AAB")]),
        "signature": replace(envelope, signature=replace(envelope.signature, sig="AAB")),
    }
    for step, bad in damaged.items():
        with pytest.raises(IntegrityError) as caught:
            verify_envelope(canonical_json(bad), world.trust, NOW_S)
        assert caught.value.param == step
    for number in ("abc", "-1.000000"):
        with pytest.raises(IntegrityError) as caught:
            verify_envelope(
                resealed(world, lambda r, n=number: replace(r, tally=replace(r.tally, correlation=n))),
                world.trust,
                NOW_S,
            )
        assert caught.value.param == "record"


def test_weights_that_are_not_the_seats_are_caught(world: World) -> None:
    """Support is a share of the seats' own weights, not of numbers made up beside them."""

    def lie(record: DecisionRecord) -> DecisionRecord:
        tally = msgspec.structs.replace(record.tally, eligible_weight={"a": "0.500000"})
        return msgspec.structs.replace(record, tally=tally)

    with pytest.raises(IntegrityError, match="eligible"):
        verify_envelope(resealed(world, lie), world.trust, NOW_S)


def test_another_writers_key_is_not_believed(world: World) -> None:
    """A record signed by a key that the certificate does not name fails at the signature."""
    record = world.log.committed[0].record
    forged = canonical_json(seal(record, SigningKey.from_seed(b"\x09" * 32), world.log.certificate))  # type: ignore[arg-type]
    with pytest.raises(IntegrityError) as caught:
        verify_envelope(forged, world.trust, NOW_S)
    assert caught.value.param == "signature"


def test_a_promise_past_due_is_said(world: World) -> None:
    """Before its time a promise is ``promised``; after it, the file holds no proof."""
    from actors.spans.record import Promise

    promised = resealed(world, lambda r: msgspec.structs.replace(r, promise=Promise(log_id="log", merge_by=NOW_S)))
    assert verify_envelope(promised, world.trust, NOW_S).inclusion == "promised"
    assert verify_envelope(promised, world.trust, NOW_S + 1).inclusion == "no proof in this file"


def included(world: World, *, log: str = "", seq_off: int = 0) -> bytes:
    """Return the decision's envelope with a proof from a log that holds its row alone."""
    record = world.log.committed[0].record
    promise = Promise(log_id=log or log_id(world.trust), merge_by=NOW_S + 60)
    envelope = seal(msgspec.structs.replace(record, promise=promise), world.log.key, world.log.certificate)  # type: ignore[arg-type]
    writer = record.writer
    row = span(1, canonical_json(envelope), decision_id=record.id)
    batch = Rows(writer.id, writer.seq + seq_off, 1, [row], 0)
    leaf = canonical_json(manifest_of(batch))
    checkpoint = sign_checkpoint(LOG_KEY, origin(world.trust), 1, leaf_hash(leaf), NOW_S * 1000)
    proof = proof_of(batch, writer.seq + seq_off, leaf, [], checkpoint)
    return canonical_json(msgspec.structs.replace(envelope, proof=proof))


def test_a_proof_shows_that_the_record_is_in_the_log(world: World) -> None:
    """Signed by the log's key, under the same root of trust as the record."""
    result = verify_envelope(included(world), world.trust, NOW_S)
    assert result.inclusion == "included"
    assert "batch 0 of 1" in result.steps[-1].detail


def witnessed(world: World, key: SigningKey, name: str) -> bytes:
    """Return such an envelope whose checkpoint a witness signed as well."""
    envelope = read_envelope(included(world))
    assert envelope.proof is not None
    entry = envelope.proof.entry
    line = sign_line(entry.checkpoint.note.text, name, key, NOW_S)
    text = dataclasses.replace(entry, checkpoint=entry.checkpoint.cosigned([line])).text
    proof = msgspec.structs.replace(envelope.proof, log_proof=text)
    return canonical_json(msgspec.structs.replace(envelope, proof=proof))


def test_witnesses_of_a_proof_are_told_of_those_that_were_asked_for(world: World) -> None:
    """Who they are is the verifier's business; without any named nothing is said of them."""
    key = SigningKey.from_seed(b"w" * 32)
    data = witnessed(world, key, "witness.example/1")
    known = NoteKey("witness.example/1", KeyKind.COSIGNATURE, key.public)
    result = verify_envelope(data, world.trust, NOW_S, [known])
    assert (result.inclusion, result.witnesses) == ("included", ("witness.example/1",))
    assert result.steps[-1].detail.endswith(", signed by witness.example/1 as well")
    assert verify_envelope(data, world.trust, NOW_S).witnesses == ()
    assert verify_envelope(included(world), world.trust, NOW_S, [known]).witnesses == ()


def test_a_proof_that_does_not_hold_fails_at_inclusion(world: World) -> None:
    """Of another row, of another log than the promised one, or with any byte changed."""
    for wrong in (included(world, seq_off=1), included(world, log="ab" * 8)):
        with pytest.raises(IntegrityError) as caught:
            verify_envelope(wrong, world.trust, NOW_S)
        assert caught.value.param == "inclusion"
    data = included(world)
    for position in range(data.index(b'"proof"'), len(data), 7):
        mutant = bytearray(data)
        mutant[position] ^= 1
        with pytest.raises(IntegrityError):
            verify_envelope(bytes(mutant), world.trust, NOW_S)


def test_what_learned_pairs_decided_verifies_offline(make_world: Callable[..., World]) -> None:
    """Two that agree and err alike are too few votes for ``strict``: the refusal is signed, says why, and replays alone."""
    made = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says("Rome")))
    learned = Correlation(pairs={"a|b": "0.900000"}, rho="0.500000", n=100)
    made.weights.value = msgspec.structs.replace(made.weights.value, correlation=learned)
    with pytest.raises(NoConsensus, match=r"counts as 1\.05 independent votes, policy asks for 1\.30"):
        asyncio.run(made.coordinator.generate(request(), CALLER))
    record = verify_envelope(made.log.committed[0].data, made.trust, NOW_S).record
    assert (record.result, record.tally.correlations) == ("no_consensus", [PairEntry(a="a", b="b", rho="0.900000")])
    unlearned = msgspec.structs.replace(record.tally, correlations=[])
    with pytest.raises(IntegrityError) as caught:
        verify_envelope(resealed(made, lambda r: msgspec.structs.replace(r, tally=unlearned)), made.trust, NOW_S)
    assert caught.value.param == "tally"
