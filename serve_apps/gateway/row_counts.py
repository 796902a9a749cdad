"""The log with a count of what goes into it, which the replica writes down every so often and at its end.

Rules:
- Every row of the replica goes through here: what is counted is what was numbered (``spans.counters``).
- A row of counts is written only if anything else was since the last one: a replica that idles writes none.
- If it cannot be written the next one says as much: counts are of everything since the first row.

Left out: comparing them with what came (``CrossReferenceValidator``).
"""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Protocol

from actors.base.errors import WeaverGenError
from actors.base.patience import within
from actors.spans.counters import WriterCounts, counters_span
from actors.spans.span import Span

_log = logging.getLogger("weavergen.gateway")


class SpanLog(Protocol):
    """The write-ahead log."""

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write spans; return once they are durable."""


class CountedLog:
    """A log that counts. Used from one event loop."""

    def __init__(
        self, log: SpanLog, time_ns: Callable[[], int], wait_s: float, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:  # fmt: skip
        """Wait for a row of counts ``wait_s`` at most: a disk that hangs must not hold up the replica's end."""
        self._log, self._time_ns, self._wait_s, self._randomness = log, time_ns, wait_s, randomness
        self._counts = WriterCounts()
        self._untold = False

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write spans; raises what the log does."""

        def counted(first_seq: int) -> list[Span]:
            spans = build(first_seq)
            self._counts.built(first_seq, spans)
            self._untold = True
            return spans

        await self._log.append(rows, counted)

    async def tell(self) -> None:
        """Write down what was counted, if anything was written since the last time."""
        if not self._untold:
            return

        def says(seq: int) -> list[Span]:
            ids = self._randomness(24)
            span = counters_span(self._counts.before(seq), ids[:16], ids[16:], self._time_ns())
            self._counts.built(seq, [span])
            return [span]

        self._untold = False
        try:
            with within(self._wait_s):
                await self._log.append(1, says)
        except asyncio.CancelledError:  # the replica ends: it tells once more, of all
            self._untold = True
            raise
        except (WeaverGenError, TimeoutError) as error:
            self._untold = True
            _log.warning("what was counted is not written down: %s", error)

    async def follow(self, every_s: float) -> None:
        """Tell again and again."""
        while True:
            await asyncio.sleep(every_s)
            await self.tell()
