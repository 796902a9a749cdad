"""A row's envelope and the record in it, read once for whoever looks at them. Pure.

Rules:
- Exactly the bytes that ``read_envelope`` and ``read_record`` read are read here, and all others refused in their words.
- Nearly every envelope is of one form: certificates that were there before, byte for byte, a payload in base64, no proof, a
  signature. What is of that form is not taken apart and put together again; all else goes the long way.

Left out: whether to believe any of it (``authenticity``).
"""

import binascii
import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from actors.base.canonical_reader import CanonicalReader
from actors.base.certificates import SignedCertificate
from actors.base.errors import IntegrityError
from actors.base.signing import Signature
from actors.spans.record import DecisionRecord, read_envelope, read_record

_PAYLOAD = b'],"payload":"'
_TAIL = re.compile(
    rb'","proof":null,"signature":\{"alg":"ed25519","key_id":"([0-9a-f]{16})","sig":"([A-Za-z0-9+/]{86}==)"\}\}'
)
_NO_TAIL = b'","proof":null,"signature":{"alg":"ed25519","key_id":"%b","sig":"%b=="}}' % (b"0" * 16, b"A" * 86)
_TAIL_BYTES = len(_NO_TAIL)
_RECORDS = CanonicalReader(DecisionRecord, "decision record")
_base64 = msgspec.json.Decoder(bytes).decode
"""A JSON string's bytes: four times as fast as ``binascii``; whether the base64 is canonical is another question."""


class Opened(NamedTuple):
    """What an envelope holds."""

    payload: bytes
    record: DecisionRecord
    """Or what has the same fields (``CanonicalReader``)."""
    certificates: tuple[SignedCertificate, ...]
    signature: Signature


def open_envelope(data: bytes) -> Opened:
    """Read exact bytes of an envelope without a proof, and of its record; raise ``IntegrityError`` if they are anything else."""
    if (usual := _usual(data)) is not None:
        payload, certificates, signature = usual
        return Opened(payload, _RECORDS.read(payload), certificates, signature)
    envelope = read_envelope(data)
    payload = envelope.payload_bytes
    return Opened(payload, read_record(payload), tuple(envelope.certificates), envelope.signature)


def opened(data: bytes) -> Opened | str:
    """Read an envelope; return why if it cannot be read."""
    try:
        return open_envelope(data)
    except IntegrityError as error:
        return str(error)


def _usual(data: bytes) -> tuple[bytes, tuple[SignedCertificate, ...], Signature] | None:
    """Take an envelope of the usual form apart; ``None`` if it is of another, or of none."""
    tail = _TAIL.fullmatch(data, max(0, len(data) - _TAIL_BYTES))
    start = data.find(_PAYLOAD) + len(_PAYLOAD)
    end = len(data) - _TAIL_BYTES
    if tail is None or not len(_PAYLOAD) <= start <= end:
        return None
    try:
        payload = _base64(data[start - 1 : end + 1])
        certificates = _certificates(data[:start])
    except (msgspec.DecodeError, UnicodeDecodeError, IntegrityError):
        return None
    if not _is_base64_of(payload, data, start, end):
        return None
    return payload, certificates, Signature("ed25519", tail[1].decode(), tail[2].decode())


def _is_base64_of(payload: bytes, data: bytes, start: int, end: int) -> bool:
    """Tell whether those bytes are the one base64 of what ``_base64`` read from them.

    It takes the alphabet's letters alone, four for three bytes, and JSON's escapes, which are longer. So where there are as many
    bytes as there must be, only the last letter could be another one, with bits that say nothing.
    """
    last = len(payload) - (len(payload) - 1) % 3 - 1
    is_as_long = end - start == 4 * -(-len(payload) // 3)
    return is_as_long and data.endswith(binascii.b2a_base64(payload[last:], newline=False), start, end)


@lru_cache(maxsize=1024)
def _certificates(head: bytes) -> tuple[SignedCertificate, ...]:
    """Read what an envelope begins with, up to its payload: a writer's envelopes all begin alike."""
    return tuple(read_envelope(head + _NO_TAIL).certificates)
