"""Spans beside requests."""

import asyncio
from collections.abc import Callable

import pytest

from actors.base.errors import StorageUnavailable
from actors.consensus.breakers.vocabulary import Transition
from actors.consensus.telemetry import breaker_span
from actors.spans.span import Span
from models.voter import VoterInfo
from serve_apps.gateway import emitting
from serve_apps.gateway.emitting import Emitter

OPENED = Transition("closed", "open", "failure_rate", 1.0, 61.0)
SPAN = breaker_span(VoterInfo("a", "fa", "la"), OPENED, b"t" * 16, b"s" * 8, 5)


class Log:
    """A log that takes spans when it is told to."""

    def __init__(self) -> None:
        self.rows: list[Span] = []
        self.goes = asyncio.Event()
        self.error: Exception | None = None

    async def append(self, rows: int, build: Callable[[int], list[Span]]) -> None:
        """Wait, then keep or raise."""
        await self.goes.wait()
        if self.error is not None:
            raise self.error
        spans = build(7)
        assert len(spans) == rows
        self.rows += spans


async def test_a_span_is_written_beside_whoever_put_it() -> None:
    """Putting it does not wait; closing does."""
    log = Log()
    emitter = Emitter(log)
    emitter.put(SPAN)
    assert log.rows == []
    log.goes.set()
    await emitter.close()
    assert log.rows == [SPAN]
    assert (SPAN.voter, SPAN.outcome, SPAN.status) == ("a", "open", "error")


async def test_a_log_that_hangs_or_refuses_costs_spans_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bounded number waits, the others are dropped; what the log refuses is dropped too: all of it is told."""
    monkeypatch.setattr(emitting, "MAX_WAITING", 2)
    log = Log()
    log.error = StorageUnavailable("full")
    emitter = Emitter(log)
    for _ in range(3):
        emitter.put(SPAN)
    log.goes.set()
    await emitter.close()
    assert log.rows == []
    assert caplog.text.count("is not kept") == 3
