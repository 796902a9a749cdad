"""Entries about the spans table itself, signed with the log's key: what was merged, what has expired.

Rules:
- An entry is a row of SpanActor's own, numbered and sealed like any other. Its attributes hold its words, and a signature by
  the log's key over the row's name, all of the words, the log and the second. An own id carries no certificate, and anybody
  can write a row of that name into a log of its own: only who can sign checkpoints can sign this.
- A key counts if root certified it for that second and did not revoke it by then, as for checkpoints.
- The signature covers every attribute there is: what is added to a row, or taken away, spoils it.

Left out: what entries say (``adapters.compaction``, ``adapters.retention``), and that their rows are sealed (``adapters.check``).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle, role_keys
from actors.base.errors import IntegrityError
from actors.base.signing import Signature, SigningKey
from actors.spans.log.checkpoint import log_id

ENTRY_TYPE: Final = "application/vnd.weavergen.table-entry+json"
SIGNED_AT: Final = "weavergen.entry.signed_at"
KEY_ID: Final = "weavergen.entry.key_id"
SIGNATURE: Final = "weavergen.entry.signature"


class _Signed(msgspec.Struct, frozen=True):
    """What is signed."""

    schema: str
    log_id: str
    name: str
    words: dict[str, str]
    signed_at: int


def sign_entry(key: SigningKey, trust: TrustBundle, name: str, words: Mapping[str, str], now_s: int) -> dict[str, str]:
    """Return the attributes of a row of that name; raise ``IntegrityError`` if nobody would believe this key now."""
    signature = key.sign(ENTRY_TYPE, _payload(trust, name, words, now_s))
    row = {**words, SIGNED_AT: str(now_s), KEY_ID: signature.key_id, SIGNATURE: signature.sig}
    read_entry(name, row, trust)
    return row


def read_entry(name: str, attributes: Mapping[str, str], trust: TrustBundle) -> dict[str, str]:
    """Return an entry's words; raise ``IntegrityError`` unless a log key that was good then signed them."""
    words = {key: value for key, value in attributes.items() if key not in {SIGNED_AT, KEY_ID, SIGNATURE}}
    step = f"entry {name}"
    at = attributes.get(SIGNED_AT, "")
    if not (at.isascii() and at.isdecimal() and len(at) <= 12 and str(int(at)) == at):
        raise IntegrityError(f"{step}: it does not say when it was signed", step)
    key = role_keys(trust, "log", int(at)).get(attributes.get(KEY_ID, ""))
    if key is None:
        raise IntegrityError(f"{step}: no trusted log key signed it", step)
    signature = Signature("ed25519", key.key_id, attributes.get(SIGNATURE, ""))
    key.verify(ENTRY_TYPE, _payload(trust, name, words, int(at)), signature, step)
    return words


def _payload(trust: TrustBundle, name: str, words: Mapping[str, str], signed_at: int) -> bytes:
    return canonical_json(_Signed("weavergen.entry/1", log_id(trust), name, dict(words), signed_at))
