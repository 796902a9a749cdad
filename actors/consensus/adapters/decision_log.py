"""Decisions into the write-ahead log: record signed by the writer, spans beside it, one frame, durable on return.

Rules:
- A record is signed only while its certificate is good for it, by the same checks as offline verification: what a
  verifier would refuse is refused here, before it is written and before anything leaves.

Left out: waiting no longer than the request may (the coordinator), renewing certificates (the replica).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle, revoked_since, writer_key
from actors.base.errors import IntegrityError, NotReady
from actors.base.signing import PublicKey
from actors.consensus.ports import Committed
from actors.policy.adapters.trust_file import TrustSource
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.record import DecisionRecord, WriterRef, seal
from actors.spans.span import Span


class Appender(Protocol):
    """Makes rows durable: a ``WalWriter``."""

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write what ``build`` returns, given the first sequence number; return once it is durable."""


class WalDecisionLog:
    """The coordinator's ``DecisionLog`` on a ``WalWriter``."""

    def __init__(self, wal: Appender, identity: WriterIdentity, trust: TrustSource) -> None:
        self._wal = wal
        self._trust = trust
        self.identity = identity

    @property
    def identity(self) -> WriterIdentity:
        """Key and certificate that seal records; replaced by a renewed certificate for the same writer and key."""
        return self._identity

    @identity.setter
    def identity(self, identity: WriterIdentity) -> None:
        self._identity = identity
        self._judged = self._trust()
        self._windows = good_for(self._judged, identity)

    def seconds_left(self, now_s: float) -> float:
        """Return how long records can still be signed; 0 if they cannot be now."""
        return max((window.stop - now_s for window in self._current() if int(now_s) in window), default=0.0)

    async def commit(self, rows: int, build: Callable[[WriterRef], tuple[DecisionRecord, Sequence[Span]]]) -> Committed:
        """Build, sign and append one decision.

        Raises ``StorageUnavailable`` if it cannot be made durable, ``NotReady`` if the writer's certificate does not
        cover the record's time.
        """
        made: list[Committed] = []

        def frame(first_seq: int) -> list[Span]:
            record, spans = build(WriterRef(id=self._identity.id, seq=first_seq))
            if not any(record.issued_at // 1000 in window for window in self._current()):
                raise NotReady("nothing can be signed: the writer's certificate is not good at this time; see /readyz")
            envelope = seal(record, self._identity.key, self._identity.certificate)
            data = canonical_json(envelope)
            made.append(Committed(record, envelope, data))
            return [msgspec.structs.replace(spans[0], record=data), *spans[1:]]

        await self._wal.append(rows, frame)
        return made[0]

    def _current(self) -> tuple[range, ...]:
        """Return when records may be signed, by the bundle in force: a key may have been replaced since."""
        if self._trust() is not self._judged:
            self.identity = self._identity
        return self._windows


def good_for(trust: TrustBundle, identity: WriterIdentity) -> tuple[range, ...]:
    """Return the spans of Unix seconds in which a verifier believes what the writer signs; none if never."""
    certificate, revoked = identity.certificate.read(), revoked_since(trust)
    if (certificate.subject, certificate.public_key) != (identity.id, identity.key.public.hex):
        return ()
    issuers = [signed.read() for signed in trust.certificates]
    windows = [
        range(
            max(certificate.not_before, issuer.not_before),
            min(
                certificate.not_after,
                issuer.not_after,
                revoked.get(certificate.issued_by, certificate.not_after),
                revoked.get(identity.key.public.key_id, certificate.not_after),
            ),
        )
        for issuer in issuers
        if issuer.role == "issuer" and PublicKey(issuer.public_key).key_id == certificate.issued_by
    ]
    return tuple(window for window in windows if window and _believed(trust, identity, window.start))


def _believed(trust: TrustBundle, identity: WriterIdentity, at_s: int) -> bool:
    try:
        writer_key(trust, identity.certificate, at_s)
    except IntegrityError:
        return False
    return True
