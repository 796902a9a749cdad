"""Spans that belong to no request: written beside the requests, a bounded number at a time, and told when one is lost."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from actors.base.errors import WeaverGenError
from actors.spans.span import Span

_log = logging.getLogger("weavergen.gateway")
MAX_WAITING = 256
"""Spans on their way to the log; it hangs if there are more, and then they are dropped with a warning."""


class SpanLog(Protocol):
    """The write-ahead log."""

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Write spans; return once they are durable."""


class Emitter:
    """Writes single spans. Used from one event loop."""

    def __init__(self, log: SpanLog) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, span: Span) -> None:
        """Write a span; never blocks, never raises."""
        if len(self._tasks) >= MAX_WAITING:
            _log.warning("a span of %s is not kept: the log takes none", span.name)
            return
        task = asyncio.create_task(self._write(span))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks)

    async def _write(self, span: Span) -> None:
        try:
            await self._log.append(1, lambda _: [span])
        except WeaverGenError as error:
            _log.warning("a span of %s is not kept: %s", span.name, error)
