"""What users of other gateways reported of breakers, cancellation and retries, each by its name: here it does not happen."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.budget import RetryBudget
from actors.consensus.breakers.circuits import Circuits
from actors.consensus.breakers.config import BreakerConfig, RetryConfig
from models.errors import CircuitBreakerOpenError, VoterBusy, VoterError, VoterFailed, VoterFull, VoterTimeout
from models.voter import Candidate
from tests.unit.actors.consensus.adapters.guards import REQUEST, TWO, Clock, Guarded, guarded, without_retries

FAILED = VoterFailed("v", "down")
CALLERS = 1000
WIDE = {"bulkhead": {"max_calls": 10_000}}


async def ends(world: Guarded, *kinds: type[BaseException] | None) -> None:
    """Ask once for each kind and see that it ends so; ``None`` is an answer."""
    for kind in kinds:
        if kind is None:
            assert await world.voter.ask(REQUEST) == TWO
        else:
            with pytest.raises(kind):
                await world.voter.ask(REQUEST)


async def half_open(world: Guarded) -> None:
    """Open the voter's breaker with five failures and let its cool-down pass."""
    await ends(world, *[VoterFailed] * 5)
    world.clock.now_s += 60.0


def silent_after(failures: int) -> tuple[Candidate | BaseException | None, ...]:
    """Return ends: so many failures, then silence."""
    return (*[FAILED] * failures, None)


async def begun(ask: Callable[[], Awaitable[Candidate]], number: int) -> list[asyncio.Task[Candidate]]:
    """Begin so many asks at once and let each run until it waits or has ended."""
    tasks = [asyncio.ensure_future(ask()) for _ in range(number)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def cancelled(tasks: list[asyncio.Task[Candidate]]) -> None:
    """Cancel the tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_3_a_second_failure_while_cooling_shortens_the_cool_down() -> None:
    """Two calls were under way when a Retry-After of 300 s opened it; one of 5 s and none at all come later: 300 s it is."""
    world = guarded(None, config=without_retries())
    permits = [world.gate.admit(0.0)[0] for _ in range(3)]
    for permit, now_s, asked_s in zip(permits, (0.0, 10.0, 20.0), (300.0, 5.0, None), strict=True):
        world.gate.settle(permit, "sick", now_s, asked_s)  # type: ignore[arg-type]
    world.clock.now_s = 299.0
    with pytest.raises(CircuitBreakerOpenError) as denied:
        await world.voter.ask(REQUEST)
    assert denied.value.retry_after_s == 1.0


@pytest.mark.parametrize("asked_s", [None, 0.0])
async def test_3_a_cool_down_of_0_is_taken_as_unset(asked_s: float | None) -> None:
    """Configured or asked for, 0 is no time: the next call is a probe, and not denied for some default."""
    failed = VoterFailed("v", "down", asked_s)
    world = guarded(failed, failed, TWO, config=without_retries(window_calls=1, minimum_calls=1, open_s=0))
    await ends(world, VoterFailed, VoterFailed, None)
    assert [after for _, after, _ in world.listener.moves] == ["open", "half_open", "open", "half_open", "closed"]


@pytest.mark.parametrize("failures", [[VoterBusy("v", "429", 60.0)], [FAILED] * 5])
async def test_3_a_single_backend_group_never_cools_or_never_recovers(failures: list[VoterError]) -> None:
    """The only voter there is cools, asked or after failures, although that leaves nobody; and then it recovers."""
    config = without_retries()
    circuits = Circuits(config, [["v"]])
    world = guarded(*failures, TWO, config=config, gate=circuits.of("v"))
    await ends(world, *map(type, failures), CircuitBreakerOpenError)
    world.clock.now_s = 59.9
    await ends(world, CircuitBreakerOpenError)
    world.clock.now_s = 60.0
    await ends(world, None, None)
    assert circuits.views(60.0)["v"].state == "closed"


async def test_4_after_a_spike_errors_go_on_until_restart() -> None:
    """A thousand callers at a voter that takes eight: when it is over, the first call after the cool-down closes the breaker."""
    clock = Clock()
    world = guarded(
        *[VoterBusy("v", "429", 1.0)] * 8, TWO, config=without_retries(bulkhead={"max_calls": 8}), clock=clock
    )
    tasks = await begun(lambda: world.voter.ask(REQUEST), CALLERS)
    assert {type(end) for end in await asyncio.gather(*tasks, return_exceptions=True)} == {VoterBusy, VoterFull}
    assert (world.voter.under_way, world.inner.asked) == (0, 8)
    await ends(world, CircuitBreakerOpenError)
    clock.now_s += 1.0
    await ends(world, *[None] * 100)


async def test_4_probes_that_hang_keep_it_half_open_for_ever() -> None:
    """They have failed after their time; the next cool-down ends as any, and their late ends change nothing."""
    world = guarded(*silent_after(5), config=without_retries(half_open_max_s=100))
    await half_open(world)
    tasks = await begun(lambda: world.voter.ask(REQUEST), 1)
    world.clock.now_s += 100.0
    await ends(world, CircuitBreakerOpenError)
    world.clock.now_s += 60.0
    world.inner.ends = [TWO]
    await ends(world, None)
    await cancelled(tasks)
    await ends(world, None)
    assert [cause for _, _, cause in world.listener.moves][-3:] == ["probes_silent", "cooled", "probes_passed"]


@pytest.mark.parametrize("permits", [1, 10])
async def test_5_half_open_lets_every_concurrent_caller_through(permits: int) -> None:
    """Of a thousand concurrent callers exactly the permitted probes pass; the others are denied."""
    world = guarded(*silent_after(5), config=without_retries(half_open_permits=permits, **WIDE))
    await half_open(world)
    tasks = await begun(lambda: world.voter.ask(REQUEST), CALLERS)
    assert world.inner.under_way == permits
    denied = [task for task in tasks if task.done()]
    assert {type(task.exception()) for task in denied} == {CircuitBreakerOpenError}
    assert len(denied) == CALLERS - permits
    await cancelled(tasks)


async def test_5_a_hundred_thousand_cancelled_probes_leak_a_permit() -> None:
    """None is lost and none is won: after each ten that were cancelled, exactly ten pass again."""
    world = guarded(*silent_after(5), config=without_retries(half_open_permits=10, **WIDE))
    await half_open(world)
    for _ in range(10_000):
        tasks = [asyncio.ensure_future(world.voter.ask(REQUEST)) for _ in range(10)]
        await asyncio.sleep(0)
        assert world.inner.under_way == 10
        await cancelled(tasks)
    tasks = await begun(lambda: world.voter.ask(REQUEST), 100)
    assert (world.inner.under_way, world.voter.under_way) == (10, 10)
    await cancelled(tasks)
    assert world.inner.asked == 5 + 100_000 + 10


async def test_6_one_voter_s_time_out_is_retried_and_blows_the_panel_s_deadline() -> None:
    """A time-out is one call."""
    world = guarded(VoterTimeout("v", "no answer within 120 s"), took_s=120.0)
    await ends(world, VoterTimeout)
    assert (world.inner.asked, world.clock.slept, world.clock.now_s) == (1, [], 120.0)


async def test_6_client_disconnects_open_the_breaker() -> None:
    """A hundred callers go away, five failures between them apart: they are no failures, and no successes either."""
    world = guarded(*[None] * 100, *[FAILED] * 4, *[None] * 100, FAILED, config=without_retries(**WIDE))
    for _ in range(2):
        await cancelled(await begun(lambda: world.voter.ask(REQUEST), 100))
        assert world.listener.moves == []
        await ends(world, *[VoterFailed] * (4 if world.inner.asked == 100 else 1))
    assert world.listener.moves == [("v", "open", "failure_rate")]


async def test_7_one_hung_backend_blocks_requests_to_healthy_ones() -> None:
    """It holds as many asks as its bulkhead has room for; the next are turned away at once, and another voter answers."""
    clock = Clock()
    hung = guarded(None, config=without_retries(bulkhead={"max_calls": 4}), clock=clock)
    well = guarded(TWO, clock=clock)
    tasks = await begun(lambda: hung.voter.ask(REQUEST), 50)
    assert hung.inner.under_way == 4
    assert sum(task.done() for task in tasks) == 46
    assert await well.voter.ask(REQUEST) == TWO
    await cancelled(tasks)
    assert hung.voter.under_way == 0


async def test_14_a_cancelled_request_frees_neither_upstream_nor_slot() -> None:
    """Upstream is cancelled, the slot of the bulkhead and the probe's permit are free at once, and each once."""
    world = guarded(*silent_after(5), config=without_retries(bulkhead={"max_calls": 1}))
    await half_open(world)
    for _ in range(20):
        tasks = await begun(lambda: world.voter.ask(REQUEST), 1)
        assert (world.inner.under_way, world.voter.under_way) == (1, 1)
        await cancelled(tasks)
        assert (world.inner.under_way, world.voter.under_way) == (0, 0)
        assert world.gate.view(60.0).permits_left == 1  # type: ignore[attr-defined]


async def test_15_retry_layers_multiply() -> None:
    """A voter that always fails is called three times for one ask: the guard's retries are the only ones."""
    world = guarded(FAILED)
    await ends(world, VoterFailed)
    assert world.inner.asked == 3


async def test_15_retries_of_a_whole_panel_are_uncapped() -> None:
    """Voters that share a budget retry as often as it has tokens for: a thousand failing asks make 35 retries."""
    config = BreakerConfig(window_calls=10_000, minimum_calls=10_000, retries=RetryConfig(within_s=600))
    budget = RetryBudget(config.retries)
    panel = [guarded(FAILED, config=config, budget=budget) for _ in range(5)]
    for world in panel:
        await ends(world, *[VoterFailed] * 200)
    assert sum(world.inner.asked for world in panel) == 1035


def test_5_the_breaker_alone_admits_its_permits_to_a_thousand_callers() -> None:
    """The same without a loop: a thousand asks at one instant after the cool-down."""
    breaker = Breaker(BreakerConfig(half_open_permits=7))
    breaker.open(60.0, "outlier", 0.0)
    admitted = [type(breaker.admit(60.0)[0]).__name__ for _ in range(CALLERS)]
    assert (admitted.count("Permit"), admitted.count("Denied")) == (7, CALLERS - 7)
