"""The coordinator and its log: clocks that step, disks that hang, and what leaves then."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from actors.base.errors import DeadlineExceeded, NoConsensus
from actors.consensus.config import ConsensusConfig
from actors.consensus.ports import Committed, DecisionLog
from actors.spans.frames import encode_spans
from actors.spans.record import DecisionRecord, WriterRef
from actors.spans.span import Span
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, hangs, request, says, voter

MakeWorld = Callable[..., World]


@dataclass
class SlowLog:
    """A log whose disk answers when ``done`` is set."""

    log: DecisionLog
    done: asyncio.Event

    async def commit(self, rows: int, build: Callable[[WriterRef], tuple[DecisionRecord, Sequence[Span]]]) -> Committed:
        """Take the record at once, be durable later."""
        committed = await self.log.commit(rows, build)
        await self.done.wait()
        return committed


def slow(world: World) -> asyncio.Event:
    """Put a slow disk under a world's coordinator; return what makes it answer."""
    done = asyncio.Event()
    world.coordinator._log = SlowLog(world.log, done)
    return done


@pytest.mark.parametrize("step_ns", [-500_000_000, -3600 * 10**9, 10**15])
async def test_a_wall_clock_that_steps_during_a_request_changes_no_duration(
    make_world: MakeWorld, step_ns: int
) -> None:
    """Durations come from the monotonic clock: the record is written, and no span ends before it began."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says("Rome")))
    times = [NOW_S * 10**9]
    world.clock.time_ns = lambda: times.pop() if times else NOW_S * 10**9 + step_ns  # type: ignore[method-assign]
    await world.coordinator.generate(request(), CALLER)
    encode_spans(world.log.spans)  # what no table could take raises
    assert {span.start_unix_nano for span in world.log.spans} == {NOW_S * 10**9}
    assert all(0 <= span.end_unix_nano - span.start_unix_nano < 10**9 for span in world.log.spans)
    assert 0 <= world.log.spans[0].latency_ms < 1000


async def test_an_answer_waits_for_its_record_no_longer_than_its_deadline(make_world: MakeWorld) -> None:
    """The disk hangs: the caller gets its error in time and nothing else; the record proves only what was decided."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    slow(world)
    async with asyncio.timeout(30):
        with pytest.raises(DeadlineExceeded, match="could not be recorded in time") as caught:
            await world.coordinator.generate(request(deadline_ms=50), CALLER)
    (committed,) = world.log.committed
    assert caught.value.details == {"decision_id": committed.record.id}
    assert world.coordinator.recent(committed.record.id) is None
    assert (world.coordinator.under_way, world.meter.decisions, world.meter.votes) == (0, ["deadline"], [])


async def test_a_refusal_at_the_deadline_is_still_recorded(make_world: MakeWorld) -> None:
    """Its record may take a little longer than the request had: the error says what was voted."""
    world = make_world(voter("a", hangs), voter("b", hangs), config=ConsensusConfig(record_grace_ms=60_000))
    world.clock.step_s, done = 0.03, slow(world)
    asking = asyncio.ensure_future(world.coordinator.generate(request(deadline_ms=50), CALLER))
    async with asyncio.timeout(30):
        while not world.log.committed:  # noqa: ASYNC110 - the log in memory signals nothing
            await asyncio.sleep(0)
        done.set()
        with pytest.raises(DeadlineExceeded) as caught:
            await asking
    assert len(caught.value.details["votes"]) == 2


async def test_a_refusal_waits_for_its_record_no_longer_than_its_grace(make_world: MakeWorld) -> None:
    """A disk that hangs holds no request for ever, whatever the voters said."""
    world = make_world(voter("a", hangs), voter("b", hangs), config=ConsensusConfig(record_grace_ms=1))
    world.clock.step_s = 0.03
    slow(world)
    async with asyncio.timeout(30):
        with pytest.raises(DeadlineExceeded, match="could not be recorded"):
            await world.coordinator.generate(request(deadline_ms=50), CALLER)


async def test_a_disk_that_answers_in_time_changes_nothing(make_world: MakeWorld) -> None:
    """Waiting for the record is part of the request's time."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Rome")))
    slow(world).set()
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(), CALLER)
