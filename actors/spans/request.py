"""What an operator asks of quarantine: to set rows apart, to let rows go, to have a batch sealed. Signed, and done once.

Rules:
- Letting rows go lets them teach again, so an operator's key signs it; setting apart is signed as well, for whoever could set
  apart what honest writers wrote would choose what is learned.
- A request counts for ``MAX_AGE_S``: one that was kept is worth nothing later. Its id is an application id of the commit that
  carries it out, so it happens once.
- *seal* answers for a batch that is not what its commit said (``adapters.vouched``): it names what lies there, to the bit, so
  that nothing else is sealed by that word.
- The entry that says so carries it as it was signed: who let rows go can be held to it, and nobody else can say it for them.

Left out: where requests lie and who carries them out (``adapters.requests``).
"""

from typing import Literal

import msgspec

from actors.base.canonical import b64, canonical_json, decode, unb64
from actors.base.certificates import TrustBundle, role_keys
from actors.base.errors import IntegrityError
from actors.base.ids import is_ulid
from actors.base.signing import Signature, SigningKey
from actors.spans.merkle import HASH_BYTES
from actors.spans.sequence import FIRST_SEQ

REQUEST_TYPE = "application/vnd.weavergen.quarantine-request+json"
MAX_AGE_S = 86_400
SKEW_S = 300
MAX_REASON = 512
NO_BATCH = -1


Action = Literal["quarantine", "release", "seal"]


class QuarantineRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request."""

    schema: Literal["weavergen.quarantine-request/1"]
    id: str
    action: Action
    writer_id: str
    first_seq: int
    last_seq: int
    reason: str
    by: str
    at_ms: int
    batch: int = NO_BATCH
    """Of *seal*: which batch."""
    found: str = ""
    """Of *seal*: the leaf hash (hex) of what lies there."""


class SignedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's canonical bytes (strict base64) and an operator's signature."""

    payload: str
    signature: Signature


def sign_request(request: QuarantineRequest, key: SigningKey) -> SignedRequest:
    """Sign a request as an operator."""
    payload = canonical_json(request)
    return SignedRequest(b64(payload), key.sign(REQUEST_TYPE, payload))


def accepted(signed: SignedRequest, trust: TrustBundle, now_s: int) -> QuarantineRequest:
    """Return a request that counts now; raise ``IntegrityError`` saying why it does not."""
    request = _checked(signed, trust, now_s)
    if not -SKEW_S <= now_s - request.at_ms / 1000 <= MAX_AGE_S:
        raise IntegrityError(f"it was signed {now_s - request.at_ms // 1000} s ago: sign it anew", "time")
    if not FIRST_SEQ <= request.first_seq <= request.last_seq or not is_ulid(request.id):
        raise IntegrityError("it names no rows", "rows")
    if (request.action == "seal") != (request.batch > NO_BATCH and len(request.found) == 2 * HASH_BYTES):
        raise IntegrityError("it names no batch, or one that it has no use for", "batch")
    return request


def as_entered(signed: SignedRequest) -> str:
    """Return a request as the entry carries it."""
    return canonical_json(signed).decode()


def confirmed(entered: str, trust: TrustBundle) -> QuarantineRequest:
    """Return the request that an entry carries; raise ``IntegrityError`` unless an operator of its time signed it."""
    signed = decode(entered.encode(), SignedRequest, "request")
    at_ms = decode(unb64(signed.payload, "request"), QuarantineRequest, "request").at_ms
    return _checked(signed, trust, at_ms // 1000)


def _checked(signed: SignedRequest, trust: TrustBundle, at_s: int) -> QuarantineRequest:
    key = role_keys(trust, "operator", at_s).get(signed.signature.key_id)
    if key is None:
        raise IntegrityError("no operator of trust.json signed it", "signature")
    payload = unb64(signed.payload, "request")
    key.verify(REQUEST_TYPE, payload, signed.signature, "signature")
    return decode(payload, QuarantineRequest, "request")
