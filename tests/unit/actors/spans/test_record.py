"""Decision records and their envelopes: exactly these bytes, by exactly this writer."""

import pytest

from actors.base.canonical import canonical_json, decode, unb64
from actors.base.errors import IntegrityError
from actors.spans.record import (
    RECORD_TYPE,
    BallotEntry,
    DecisionRecord,
    LayerRef,
    LayerTried,
    PolicyRef,
    TallyEntry,
    WriterRef,
    policy_named,
    read_envelope,
    seal,
)
from tests.unit.actors.spans.telemetry import decision, flipped, identity

WRITER = identity()
RECORD = DecisionRecord(
    schema="weavergen.decision/1",
    id=decision(1),
    issued_at=1_790_000_000_000,
    tenant="t-1",
    prompt_commitment="ab" * 32,
    answer_kind="value",
    answer_sha256="cd" * 32,
    result="answered",
    degraded=False,
    method="value",
    policy=PolicyRef("strict", 1, "00" * 32),
    config_sha256="11" * 32,
    layer=LayerRef(0, "primary", ["a"], 1, "0.600000", 2, "1.000000", [LayerTried("primary", "agreed", "")]),
    ballots=[
        BallotEntry("a", "llama", "a", 0, "agreed", 0, "22" * 32, "33" * 32, "", "pass", "0.500000", 12, replaced=False)
    ],
    tie_salt="44" * 16,
    tally=TallyEntry("0.500000", {"a": "0.500000"}, 0, "1.000000", "1.000000", 1, "22" * 32),
    screening_version="1",
    cache=None,
    writer=WriterRef(WRITER.id, 1),
    promise=None,
)


def test_an_envelope_comes_back_as_it_was_sealed() -> None:
    """The exact bytes give back the record, its signature and the writer's certificate."""
    envelope = read_envelope(canonical_json(seal(RECORD, WRITER.key, WRITER.certificate)))
    assert envelope.read() == RECORD
    assert envelope.payload_bytes == canonical_json(RECORD)
    assert envelope.certificates == [WRITER.certificate]
    assert (envelope.proof, envelope.read().promise) == (None, None)
    WRITER.key.public.verify(RECORD_TYPE, envelope.payload_bytes, envelope.signature, "signature")


def test_a_changed_record_no_longer_checks() -> None:
    """Every flipped bit of the signed bytes breaks the signature."""
    envelope = seal(RECORD, WRITER.key, WRITER.certificate)
    payload = unb64(envelope.payload, "payload")
    for bit in range(0, len(payload) * 8, 7):
        with pytest.raises(IntegrityError):
            WRITER.key.public.verify(RECORD_TYPE, flipped(payload, bit), envelope.signature, "signature")


@pytest.mark.parametrize("change", [b" ", b"\n"])
def test_bytes_that_mean_the_same_are_refused(change: bytes) -> None:
    """A reader takes the canonical bytes and no other spelling of them."""
    data = canonical_json(seal(RECORD, WRITER.key, WRITER.certificate))
    with pytest.raises(IntegrityError):
        read_envelope(data + change)
    with pytest.raises(IntegrityError):
        read_envelope(data.replace(b":", b":" + change, 1))


def test_the_policy_that_a_record_names_is_read_alone() -> None:
    """Without believing the rest; bytes that hold no record say so."""
    data = canonical_json(seal(RECORD, WRITER.key, WRITER.certificate))
    assert policy_named(data) == "00" * 32
    for damaged in (b"", b"{}", b'{"payload":"e30="}', b'{"payload":"?"}', b"\xff"):
        with pytest.raises(IntegrityError):
            policy_named(damaged)


def test_a_record_without_what_came_later_keeps_its_bytes() -> None:
    """What was added to records is left out where it says nothing, so that older ones are still the canonical bytes."""
    data = canonical_json(RECORD)
    assert [name in data for name in (b"received_sha256", b"similarity", b"examples")] == [False, False, False]
    assert decode(data, DecisionRecord, "record") == RECORD
