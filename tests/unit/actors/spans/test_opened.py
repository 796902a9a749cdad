"""Envelopes opened: the same bytes as ever, the same words of refusal, in less time."""

import base64
import string

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError
from actors.spans import opened as module
from actors.spans.opened import Opened, open_envelope, opened
from actors.spans.proof import InclusionProof
from actors.spans.record import DecisionRecord, read_envelope, read_record
from tests.examples import examples
from tests.unit.actors.spans.checkers.decisions import agreed, failed_over, frame
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import writer_id

ENVELOPE = signed_row(writer_id(1), 7).record
_LETTERS = (string.ascii_letters + string.digits + "+/").encode()


def long_way(data: bytes) -> tuple[bytes, bytes, list[bytes], bytes] | str:
    """Return what an envelope holds as it is read piece by piece, or why nothing."""
    try:
        envelope = read_envelope(data)
        record = read_record(envelope.payload_bytes)
    except IntegrityError as error:
        return str(error)
    certificates = [canonical_json(one) for one in envelope.certificates]
    return envelope.payload_bytes, canonical_json(record), certificates, canonical_json(envelope.signature)


def short_way(data: bytes) -> tuple[bytes, bytes, list[bytes], bytes] | str:
    """Return the same as it is opened."""
    found = opened(data)
    if isinstance(found, str):
        return found
    certificates = [canonical_json(one) for one in found.certificates]
    return found.payload, canonical_json(found.record), certificates, canonical_json(found.signature)


@pytest.mark.parametrize("data", [ENVELOPE, frame(agreed()).spans[0].record, frame(failed_over()).spans[0].record])
def test_an_envelope_opens_to_what_it_holds(data: bytes) -> None:
    """Record, certificate and signature, as they are read piece by piece; and in the short way."""
    assert module._usual(data) is not None
    assert short_way(data) == long_way(data) != ""
    assert isinstance(opened(data), Opened)


@settings(max_examples=examples(2000), deadline=None)
@given(st.integers(0, len(ENVELOPE)), st.integers(0, 255))
def test_a_byte_more_less_or_another_is_refused_as_ever(at: int, byte: int) -> None:
    """Wherever it is, and in the same words."""
    one = bytes([byte])
    for changed in (
        ENVELOPE[:at] + one + ENVELOPE[at:], ENVELOPE[:at] + ENVELOPE[at + 1 :], ENVELOPE[:at] + one + ENVELOPE[at + 1 :]
    ):  # fmt: skip
        assert short_way(changed) == long_way(changed)


def test_every_byte_of_it_counts() -> None:
    """Another letter in each place: what still reads is another record, certificate or signature, never the same one."""
    whole = short_way(ENVELOPE)
    for at, byte in enumerate(ENVELOPE):
        changed = ENVELOPE[:at] + bytes([_LETTERS[(_LETTERS.find(byte) + 1) % 64]]) + ENVELOPE[at + 1 :]
        assert short_way(changed) == long_way(changed) != whole


@pytest.mark.parametrize("cut", range(4))
def test_base64_has_one_spelling(cut: int) -> None:
    """Bits that say nothing are zero, an escape of JSON is none of its letters, and there is no more of it."""
    envelope = read_envelope(ENVELOPE)
    payload = envelope.payload_bytes[: -cut or None]
    text = base64.b64encode(payload).decode()
    last = text.rstrip("=")[-1].encode()
    loose = chr(_LETTERS[_LETTERS.find(last) ^ 1])
    spellings = [
        text.rstrip("=")[:-1] + loose + "=" * text.count("="), f"\\u{ord(text[0]):04x}{text[1:]}", text + "=", text + "AAAA",
        text.rstrip("=") + "\\n" + "=" * text.count("="), text.rstrip("="), " " + text,
    ]  # fmt: skip
    for spelling in spellings:
        data = ENVELOPE.replace(f'"{envelope.payload}"'.encode(), f'"{spelling}"'.encode())
        assert short_way(data) == long_way(data)


def test_the_library_takes_no_letter_that_base64_has_not() -> None:
    """Each of four places, each byte; what is opened without being written again rests on that."""
    for place in range(4):
        for byte in range(256):
            text = bytearray(b"QUJDREVGR0hJ")
            text[4 + place] = byte
            try:
                taken = module._base64(b'"%b"' % text) is not None
            except (msgspec.DecodeError, UnicodeDecodeError):
                taken = False
            assert taken == (byte in _LETTERS), (place, byte)


def test_certificates_are_believed_by_their_exact_bytes() -> None:
    """What was read once is no reason to take what looks like it."""
    open_envelope(ENVELOPE)
    head = ENVELOPE[: ENVELOPE.find(b'],"payload"')]
    for changed in (head + b" ", head.replace(b"certificates", b"certificate_"), head[:-1], head + b',{"a":1}'):
        data = ENVELOPE.replace(head, changed)
        assert short_way(data) == long_way(data)
        assert isinstance(short_way(data), str)


@pytest.mark.parametrize(
    "change", [("ed25519", "ed448"), ("ed25519", "Ed25519"), ('"sig"', '"Sig"'), ('"proof":null', '"proof":0')]
)
def test_a_signature_is_read_as_it_stands(change: tuple[str, str]) -> None:
    """Whatever it says of itself that is not what the usual one says is for others to read."""
    head, _, tail = ENVELOPE.rpartition(b'","proof"')
    data = head + b'","proof"' + tail.replace(*(part.encode() for part in change))
    data = data if change[1] != '"proof":0' else ENVELOPE.replace(b'"proof":null', b'"proof":0')
    assert data != ENVELOPE
    assert short_way(data) == long_way(data) != short_way(ENVELOPE)


def test_an_envelope_of_another_form_goes_the_long_way() -> None:
    """One with a proof, or without a certificate, is whole as well; what holds no record is not."""
    envelope = read_envelope(ENVELOPE)
    proven = msgspec.structs.replace(envelope, proof=InclusionProof("00" * 32, [], "", ""))
    bare = msgspec.structs.replace(envelope, certificates=[])
    for one in (proven, bare):
        assert short_way(canonical_json(one)) == long_way(canonical_json(one))
        assert isinstance(opened(canonical_json(one)), Opened)
    for nothing in (b"", b"{}", ENVELOPE[1:], canonical_json(msgspec.structs.replace(envelope, payload="e30="))):
        assert short_way(nothing) == long_way(nothing)
        assert isinstance(short_way(nothing), str)


def test_a_record_that_is_not_ascii_is_read_as_well() -> None:
    """A tenant may be called anything; a key may not."""

    def renamed(record: DecisionRecord) -> DecisionRecord:
        return msgspec.structs.replace(record, tenant="Zoë")

    data = frame(agreed(), change=renamed).spans[0].record
    assert short_way(data) == long_way(data)
    assert open_envelope(data).record.tenant == "Zoë"
