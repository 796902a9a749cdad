"""Keys and certificates of a simulated system: root, issuer, operator, policy, and a writer for each incarnation of a replica."""

from functools import cache

from actors.base.certificates import WRITER_MAX_S, Certificate, Role, SignedCertificate, TrustBundle, certify
from actors.base.digests import sha256_hex
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans.adapters.wal import WriterIdentity

EPOCH_S = 1_800_000_000
"""Unix seconds at which every simulated world begins."""
AGES_S = 200 * 366 * 86_400
_ROOT, _ISSUER, OPERATOR, POLICY = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3, 4))


def _signed(role: Role, subject: str, key: SigningKey, by: SigningKey, since_s: int, lasts_s: int) -> SignedCertificate:
    value = Certificate(
        role=role, subject=subject, public_key=key.public.hex, issued_by=by.public.key_id,
        not_before=since_s, not_after=since_s + lasts_s,
    )  # fmt: skip
    return certify(by, value)


@cache
def trust() -> TrustBundle:
    """Return what a verifier of the simulated system needs."""
    held: tuple[tuple[Role, SigningKey], ...] = (("issuer", _ISSUER), ("operator", OPERATOR), ("policy", POLICY))
    certified = [_signed(role, role, key, _ROOT, EPOCH_S - AGES_S // 10, AGES_S) for role, key in held]
    return TrustBundle(schema="weavergen.trust/1", root=_ROOT.public.hex, certificates=certified, revocations=[])


def writer(replica: int, incarnation: int, now_s: int) -> WriterIdentity:
    """Return the identity of a replica's incarnation, certified from ``now_s`` (Unix seconds) for as long as may be."""
    seed = bytes.fromhex(sha256_hex(f"writer {replica} {incarnation}".encode()))
    key, name = SigningKey.from_seed(seed), ulid(EPOCH_S * 1000 + incarnation, seed[:10])
    return WriterIdentity(name, key, _signed("writer", name, key, _ISSUER, now_s - 60, WRITER_MAX_S))
