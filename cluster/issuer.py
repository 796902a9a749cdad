"""The issuer: gives each writer incarnation a certificate of at most 24 h.

A writer puts ``<writer_id>.csr`` (JSON: ``writer_id``, ``public_key``) into ``home/run/certs``; the answer is
``<writer_id>.crt`` beside it, the canonical JSON of a ``SignedCertificate``. The key never leaves the writer.

Rules (``decide`` is pure):
- The file must be a regular one, ours, closed to others, small; its name is the writer's ULID; the key is well formed.
- A writer keeps its key: asking again with the same key renews, with another key is refused.
- At most ``max_writers`` certificates are in force at once. At the bound, those of writers that are gone make room: a
  system that keeps crashing must not lock itself out for a day.
- What cannot be answered now (no space, a damaged file) is tried again and keeps nobody else waiting.
- The issuer's key is read when it is needed, so that a replaced one is used at once.

Left out: revoking (root's business).
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from actors.base.canonical import canonical_json, decode
from actors.base.certificates import WRITER_MAX_S, Certificate, SignedCertificate, certify
from actors.base.errors import IntegrityError, Overloaded, WeaverGenError
from actors.base.files import write_atomic
from actors.base.ids import is_ulid
from actors.base.locks import is_free
from actors.base.signing import PublicKey, SigningKey
from actors.spans.adapters.segments import SEGMENT_SUFFIX

MAX_REQUEST_BYTES = 1024
KEY_BYTES = 32
MAX_COMPLAINTS = 1024
SKEW_S = 60
"""A certificate is good from this long before its issue, for clocks that lag."""
STARTING_S = 120
"""A writer whose certificate is younger may not have opened its log yet, and counts as alive."""
_NEVER_OURS = (errno.ELOOP, errno.ENOENT, errno.EACCES, errno.ENXIO)
"""A link, a file that went away, one that is closed to us: refused rather than tried again."""

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
    for_good: bool = True
    """Whether looking at the same request again is of no use."""


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
        return Refused(f"{in_force} writers hold certificates, the bound is {max_writers}", for_good=False)
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
    """Answers requests in one directory. ``alive`` tells whether a writer's process is still there."""

    def __init__(
        self, directory: Path, key: Callable[[], SigningKey], max_writers: int, alive: Callable[[str], bool]
    ) -> None:
        self._directory = directory
        self._key = key
        self._max_writers = max_writers
        self._alive = alive
        self._answered: dict[str, tuple[int, int]] = {}
        self._complained: set[str] = set()

    def tick(self, now_s: int) -> int:
        """Answer what is new; return how many certificates were issued."""
        present = {path: stamp for path in sorted(self._directory.glob("*.csr")) if (stamp := _stamp(path))}
        names = {path.name for path in present}
        self._answered = {name: stamp for name, stamp in self._answered.items() if name in names}
        new = {path: stamp for path, stamp in present.items() if self._answered.get(path.name) != stamp}
        if not new:
            return 0
        held = self._held(now_s)
        return sum(self._answer(path, stamp, held, now_s) for path, stamp in list(new.items())[: self._max_writers])

    def _answer(self, path: Path, stamp: tuple[int, int], held: dict[str, Certificate], now_s: int) -> bool:
        try:
            issued = self._issue(path, held, now_s)
        except (OSError, WeaverGenError) as error:  # not marked as answered: the next tick tries again
            self._complain(path.name, f"certificate request {path.name} cannot be answered yet: {error}")
            return False
        self._answered[path.name] = stamp
        self._complained.discard(path.name)
        return issued

    def _issue(self, path: Path, held: dict[str, Certificate], now_s: int) -> bool:
        if len(held) >= self._max_writers:
            self._make_room(held, now_s)
        try:
            verdict = decide(_read(path), held, os.getuid(), self._max_writers, now_s)
        except OSError as error:
            if error.errno not in _NEVER_OURS:
                raise
            verdict = Refused(f"it cannot be opened: {error.strerror}")
        if isinstance(verdict, Refused):
            if not verdict.for_good:
                raise Overloaded(verdict.why)
            _log.warning("certificate request %s refused: %s", path.name, verdict.why)
            return False
        signed = grant(verdict, self._key(), now_s)
        write_atomic(path.with_suffix(".crt"), canonical_json(signed))
        held[verdict.writer_id] = signed.read()
        return True

    def _held(self, now_s: int) -> dict[str, Certificate]:
        held: dict[str, Certificate] = {}
        for path in self._directory.glob("*.crt"):
            try:
                certificate = decode(path.read_bytes(), SignedCertificate, path.name).read()
            except (OSError, IntegrityError) as error:
                self._complain(path.name, f"certificate {path.name} is damaged and passed over: {error}")
                continue
            if certificate.not_after > now_s:
                held[path.stem] = certificate
            else:
                self._remove_ended(path)
        return held

    def _remove_ended(self, path: Path) -> None:
        """Remove a certificate that ran out, with the request it answers, but never one put down since: a renewal."""
        request = path.with_suffix(".csr")
        path.unlink(missing_ok=True)
        if self._answered.get(request.name, ()) == _stamp(request):
            request.unlink(missing_ok=True)

    def _make_room(self, held: dict[str, Certificate], now_s: int) -> None:
        for writer, certificate in list(held.items()):
            issued_s = certificate.not_before + SKEW_S
            if now_s - issued_s >= STARTING_S and not self._alive(writer):
                self._remove(writer)
                del held[writer]

    def _remove(self, writer: str) -> None:
        for suffix in (".crt", ".csr"):
            (self._directory / f"{writer}{suffix}").unlink(missing_ok=True)

    def _complain(self, name: str, what: str) -> None:
        """Log once a file until it is well again: a tick comes ten times a second."""
        if name not in self._complained and len(self._complained) < MAX_COMPLAINTS:
            self._complained.add(name)
            _log.warning("%s", what)


def writer_is_alive(wal: Path, writer: str) -> bool:
    """Tell whether a writer's process is there: a live one holds the lock of one of its segments at every instant."""
    return any(_is_locked(segment) for segment in sorted((wal / writer).glob(f"*{SEGMENT_SUFFIX}")))


def _is_locked(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not is_free(handle)
    finally:
        os.close(handle)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _read(path: Path) -> Asked:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        return Asked(path.stem, status.st_mode, status.st_uid, file.read(MAX_REQUEST_BYTES + 1))
