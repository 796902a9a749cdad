"""Decisions into the write-ahead log: record signed by the writer, spans beside it, one frame, durable on return."""

from collections.abc import Callable, Sequence

import msgspec

from actors.base.canonical import canonical_json
from actors.consensus.ports import Committed
from actors.spans.adapters.wal import WalWriter, WriterIdentity
from actors.spans.record import DecisionRecord, WriterRef, seal
from actors.spans.span import Span


class WalDecisionLog:
    """The coordinator's ``DecisionLog`` on a ``WalWriter``."""

    def __init__(self, wal: WalWriter, identity: WriterIdentity) -> None:
        self._wal = wal
        self.identity = identity
        """Key and certificate that seal records; replaced by a renewed certificate for the same writer and key."""

    async def commit(self, rows: int, build: Callable[[WriterRef], tuple[DecisionRecord, Sequence[Span]]]) -> Committed:
        """Build, sign and append one decision; raise ``StorageUnavailable`` if it cannot be made durable."""
        made: list[Committed] = []

        def frame(first_seq: int) -> list[Span]:
            record, spans = build(WriterRef(id=self.identity.id, seq=first_seq))
            envelope = seal(record, self.identity.key, self.identity.certificate)
            data = canonical_json(envelope)
            made.append(Committed(record, envelope, data))
            return [msgspec.structs.replace(spans[0], record=data), *spans[1:]]

        await self._wal.append(rows, frame)
        return made[0]
