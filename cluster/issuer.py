"""The issuer: gives each writer incarnation a certificate of at most 24 h.

A writer puts ``<writer_id>.csr`` (JSON: ``writer_id``, ``public_key``) into ``home/run/certs``; the answer is
``<writer_id>.crt`` beside it, the canonical JSON of a ``SignedCertificate``. The key never leaves the writer.

Rules (``decide`` is pure):
- The file must be a regular one, ours, closed to others, small; its name is the writer's ULID; the key is well formed.
- A writer keeps its key: asking again with the same key renews, with another key is refused.
- At most ``max_writers`` certificates are in force at once.

Left out: revoking (root's business).
"""

import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from actors.base.canonical import canonical_json, decode
from actors.base.certificates import WRITER_MAX_S, Certificate, SignedCertificate, certify
from actors.base.errors import IntegrityError
from actors.base.ids import is_ulid
from actors.base.signing import PublicKey, SigningKey
from cluster.home import write_atomic

MAX_REQUEST_BYTES = 1024
KEY_BYTES = 32
SKEW_S = 60
"""A certificate is good from this long before its issue, for clocks that lag."""

_log = logging.getLogger("weavergen.supervisor")


class CertificateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a writer asks."""

    writer_id: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request file as it lies there."""

    name: str
    """File name without its suffix."""
    mode: int
    uid: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request gets no certificate."""

    why: str


def decide(
    asked: Asked, held: Mapping[str, Certificate], uid: int, max_writers: int, now_s: int
) -> CertificateRequest | Refused:
    """Return the request if it may be granted; ``held`` are the certificates issued so far by writer id."""
    try:
        request = _readable(asked, uid)
    except IntegrityError as error:
        return Refused(error.message)
    mine = held.get(request.writer_id)
    if mine is not None and mine.public_key != request.public_key:
        return Refused("this writer holds a certificate for another key")
    in_force = sum(item.not_after > now_s for item in held.values())
    if mine is None and in_force >= max_writers:
        return Refused(f"{in_force} writers hold certificates, the bound is {max_writers}")
    return request


def _readable(asked: Asked, uid: int) -> CertificateRequest:
    if not stat.S_ISREG(asked.mode) or asked.uid != uid or stat.S_IMODE(asked.mode) & 0o077:
        raise IntegrityError("the file is not a regular one of ours, closed to others")
    if len(asked.data) > MAX_REQUEST_BYTES:
        raise IntegrityError("the file is too large")
    try:
        request = msgspec.json.decode(asked.data, type=CertificateRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"it cannot be read: {error}") from error
    if not is_ulid(request.writer_id) or request.writer_id != asked.name:
        raise IntegrityError("the writer's id is no ULID or not the file's name")
    if len(PublicKey(request.public_key).raw) != KEY_BYTES:
        raise IntegrityError("the public key is no Ed25519 key")
    return request


def grant(request: CertificateRequest, issuer: SigningKey, now_s: int) -> SignedCertificate:
    """Certify a writer's key."""
    begins = now_s - SKEW_S
    return certify(
        issuer,
        Certificate(
            role="writer",
            subject=request.writer_id,
            public_key=request.public_key,
            issued_by=issuer.public.key_id,
            not_before=begins,
            not_after=begins + WRITER_MAX_S,
        ),
    )


class Issuer:
    """Answers requests in one directory."""

    def __init__(self, directory: Path, key: SigningKey, max_writers: int) -> None:
        self._directory = directory
        self._key = key
        self._max_writers = max_writers
        self._seen: dict[str, tuple[int, int]] = {}

    def tick(self, now_s: int) -> int:
        """Answer what is new; return how many certificates were issued."""
        new = [path for path in sorted(self._directory.glob("*.csr")) if self._is_new(path)]
        if not new:
            return 0
        held = self._held(now_s)
        return sum(self._answer(path, held, now_s) for path in new[: self._max_writers])

    def _is_new(self, path: Path) -> bool:
        try:
            status = path.lstat()
        except OSError:
            return False
        stamp = (status.st_ino, status.st_mtime_ns)
        known = self._seen.get(path.name) == stamp
        self._seen[path.name] = stamp
        return not known

    def _held(self, now_s: int) -> dict[str, Certificate]:
        held: dict[str, Certificate] = {}
        for path in self._directory.glob("*.crt"):
            certificate = decode(path.read_bytes(), SignedCertificate, path.name).read()
            if certificate.not_after > now_s:
                held[path.stem] = certificate
            else:
                path.unlink(missing_ok=True)
                path.with_suffix(".csr").unlink(missing_ok=True)
                self._seen.pop(f"{path.stem}.csr", None)
        return held

    def _answer(self, path: Path, held: dict[str, Certificate], now_s: int) -> bool:
        try:
            verdict = decide(_read(path), held, os.getuid(), self._max_writers, now_s)
        except OSError as error:
            verdict = Refused(f"it cannot be opened: {error.strerror}")
        if isinstance(verdict, Refused):
            _log.warning("certificate request %s refused: %s", path.name, verdict.why)
            return False
        signed = grant(verdict, self._key, now_s)
        write_atomic(path.with_suffix(".crt"), canonical_json(signed))
        held[verdict.writer_id] = signed.read()
        return True


def _read(path: Path) -> Asked:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        return Asked(path.stem, status.st_mode, status.st_uid, file.read(MAX_REQUEST_BYTES + 1))
