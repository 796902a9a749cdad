"""The chain of keys: an offline root certifies policy, log, operator, issuer and witness keys; the issuer certifies writers.

Rules:
- A certificate says: this key holds this role from ``not_before`` until ``not_after`` (Unix seconds, half open).
- Only root certifies ``policy``, ``log``, ``operator``, ``issuer``, ``witness``; only an issuer certifies ``writer``, ≤ 24 h.
- A key is good at a time if its certificate covers that time and no revocation signed by root came before it.
- Everything is checked against root's public key in a ``TrustBundle`` (``home/trust.json``); nothing else is believed.

Left out: where private keys lie (``cluster``), and certificates as log entries (with the transparency log).
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from actors.base.canonical import b64, canonical_json, decode, unb64
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey, Signature, SigningKey

CERTIFICATE_TYPE = "application/vnd.weavergen.certificate+json"
REVOCATION_TYPE = "application/vnd.weavergen.revocation+json"
WRITER_MAX_S = 24 * 3600

Role = Literal["root", "policy", "log", "operator", "issuer", "writer", "witness"]
_ISSUED_BY: dict[str, str] = {
    "policy": "root", "log": "root", "operator": "root", "issuer": "root", "writer": "issuer",
    "witness": "root",
}  # fmt: skip


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a certifying key says about another key."""

    role: Role
    subject: str
    """Who holds it: a writer's ULID, an operator's name, a service's name, a witness's name in its signatures."""
    public_key: str
    issued_by: str
    """Key id of the certifying key."""
    not_before: int
    not_after: int


class SignedCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate's canonical bytes (strict base64) and the certifying key's signature."""

    payload: str
    signature: Signature

    def read(self) -> Certificate:
        """Decode the certificate without believing it yet."""
        return decode(unb64(self.payload, "certificate"), Certificate, "certificate")


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root's word that a key is not to be believed from ``since`` (Unix seconds) on."""

    key_id: str
    since: int
    reason: str


class SignedRevocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A revocation's canonical bytes and root's signature."""

    payload: str
    signature: Signature


class TrustBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``home/trust.json``: what a verifier needs. Root's key is believed as it stands; the rest is checked by it."""

    schema: Literal["weavergen.trust/1"]
    root: str
    certificates: list[SignedCertificate]
    revocations: list[SignedRevocation]


class UnknownIssuer(IntegrityError):
    """This bundle names no issuer with that key for that time. That says something of the bundle: a newer one may name it."""


def certify(key: SigningKey, certificate: Certificate) -> SignedCertificate:
    """Sign a certificate with the certifying key."""
    payload = canonical_json(certificate)
    return SignedCertificate(payload=b64(payload), signature=key.sign(CERTIFICATE_TYPE, payload))


def revoke(root: SigningKey, revocation: Revocation) -> SignedRevocation:
    """Sign a revocation with the root key."""
    payload = canonical_json(revocation)
    return SignedRevocation(payload=b64(payload), signature=root.sign(REVOCATION_TYPE, payload))


def revoked_since(trust: TrustBundle) -> dict[str, int]:
    """Return key id → the Unix second from which it is revoked, each revocation checked against root."""
    root = PublicKey(trust.root)
    since: dict[str, int] = {}
    for signed in trust.revocations:
        payload = unb64(signed.payload, "revocation")
        _check_signature(root, REVOCATION_TYPE, payload, signed.signature, "revocation")
        item = decode(payload, Revocation, "revocation")
        since[item.key_id] = min(item.since, since.get(item.key_id, item.since))
    return since


def extends(trust: TrustBundle, before: TrustBundle) -> bool:
    """Tell whether a bundle is ``before`` or that and more at its end: each entry is root's word, their absence nobody's."""
    certificates, revocations = before.certificates, before.revocations
    return (
        trust.root == before.root
        and trust.certificates[: len(certificates)] == certificates
        and trust.revocations[: len(revocations)] == revocations
    )


def no_longer_revoked(trust: TrustBundle, noted: Mapping[str, int]) -> list[str]:
    """Return the keys that were seen revoked (key id → since when) and are not in this bundle, or only from later on."""
    revoked = revoked_since(trust)
    return sorted(key_id for key_id, since in noted.items() if revoked.get(key_id, since + 1) > since)


def check_certificate(signed: SignedCertificate, certifier: PublicKey, certifier_role: str, at_s: int) -> Certificate:
    """Return the certificate if ``certifier`` may issue it, signed it, and it covers ``at_s``."""
    certificate = signed.read()
    step = f"certificate of {certificate.role} {certificate.subject}"
    if _ISSUED_BY.get(certificate.role) != certifier_role or certificate.issued_by != certifier.key_id:
        raise IntegrityError(f"{step}: a {certifier_role} key may not certify it", step)
    _check_signature(certifier, CERTIFICATE_TYPE, unb64(signed.payload, step), signed.signature, step)
    if not certificate.not_before <= at_s < certificate.not_after:
        raise IntegrityError(f"{step}: not valid at {at_s}", step)
    if certificate.role == "writer" and certificate.not_after - certificate.not_before > WRITER_MAX_S:
        raise IntegrityError(f"{step}: a writer's certificate lasts at most 24 h", step)
    return certificate


@lru_cache(maxsize=1024)  # a bundle's few, asked for again with every second that a record was issued in
def _check_signature(key: PublicKey, payload_type: str, payload: bytes, signature: Signature, step: str) -> None:
    key.verify(payload_type, payload, signature, step)


def holders(trust: TrustBundle, role: Role, at_s: int) -> Iterator[tuple[Certificate, PublicKey]]:
    """Yield certificate and key of every root-certified, unrevoked holder of ``role`` at ``at_s``, as they were certified."""
    root, revoked = PublicKey(trust.root), revoked_since(trust)
    for signed in trust.certificates:
        certificate = signed.read()
        if certificate.role != role or not certificate.not_before <= at_s < certificate.not_after:
            continue
        check_certificate(signed, root, "root", at_s)
        key = PublicKey(certificate.public_key)
        if at_s < revoked.get(key.key_id, at_s + 1):
            yield certificate, key


def role_keys(trust: TrustBundle, role: Role, at_s: int) -> dict[str, PublicKey]:
    """Return key id → key of every root-certified, unrevoked holder of ``role`` at ``at_s``."""
    return {key.key_id: key for _, key in holders(trust, role, at_s)}


def newest_key_id(trust: TrustBundle, role: Role, at_s: int) -> str:
    """Return the holder of ``role`` that was certified last (bundles grow at their end), empty if nobody holds it."""
    return next(reversed(role_keys(trust, role, at_s)), "")


def writer_key(trust: TrustBundle, signed: SignedCertificate, at_s: int) -> tuple[Certificate, PublicKey]:
    """Return a writer's certificate and key, believed through its issuer up to root, at ``at_s``.

    Raises ``IntegrityError``; ``UnknownIssuer`` if it may be the bundle's fault.
    """
    issued_by, revoked = signed.read().issued_by, revoked_since(trust)
    issuer = role_keys(trust, "issuer", at_s).get(issued_by)
    if issuer is None and at_s >= revoked.get(issued_by, at_s + 1):
        raise IntegrityError(
            "writer certificate: no trusted issuer signed it: its key is revoked", "writer certificate"
        )
    if issuer is None:
        raise UnknownIssuer("writer certificate: no trusted issuer signed it", "writer certificate")
    certificate = check_certificate(signed, issuer, "issuer", at_s)
    key = PublicKey(certificate.public_key)
    if at_s >= revoked.get(key.key_id, at_s + 1):
        raise IntegrityError("writer certificate: the key is revoked", "writer certificate")
    return certificate, key


def read_trust(data: bytes) -> TrustBundle:
    """Decode ``trust.json`` and check every certificate and revocation in it against its root."""
    trust = decode(data, TrustBundle, "trust.json")
    revoked_since(trust)
    root = PublicKey(trust.root)
    for signed in trust.certificates:
        check_certificate(signed, root, "root", signed.read().not_before)
    return trust
