"""Voters behind their breakers, under a virtual clock."""

import asyncio

import pytest

from actors.consensus.adapters.guarded import OUT_OF_TIME, AIServiceCircuitBreaker, publish, verdict_of
from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.budget import RetryBudget
from actors.consensus.breakers.circuits import Circuits
from actors.consensus.breakers.config import BreakerConfig, OutlierConfig, RetryConfig
from models.errors import (
    CircuitBreakerBusyError,
    CircuitBreakerOpenError,
    SpendCapReached,
    VoterBusy,
    VoterEmpty,
    VoterError,
    VoterFailed,
    VoterFull,
    VoterInvalid,
    VoterRefused,
    VoterTimeout,
    VoterTooLong,
)
from models.voter import Candidate
from tests.unit.actors.consensus.adapters.guards import REQUEST, TWO, Clock, Listener, guarded, without_retries
from tests.unit.actors.consensus.world import until

FAILED = VoterFailed("v", "answered with status 500")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (VoterFailed("v", ""), "sick"),
        (VoterTimeout("v", ""), "sick"),
        (VoterInvalid("v", ""), "sick"),
        (RuntimeError(), "sick"),
        (VoterRefused("v", ""), "healthy"),
        (VoterBusy("v", ""), "says_nothing"),
        (VoterTooLong("v", ""), "says_nothing"),
        (VoterEmpty("v", ""), "says_nothing"),
        (SpendCapReached("v", "", 300.0), "says_nothing"),
        (CircuitBreakerOpenError("v", ""), "says_nothing"),
    ],
)
async def test_what_an_end_says_of_the_voter(error: Exception, verdict: str) -> None:
    """Faults of the voter are counted; what the caller or the load brought about opens no breaker, however often."""
    assert verdict_of(error) == verdict
    world = guarded(error, config=without_retries())
    for _ in range(5):
        with pytest.raises(type(error)):
            await world.voter.ask(REQUEST)
    assert world.gate.view(0.0).state == ("open" if verdict == "sick" else "closed")  # type: ignore[attr-defined]


async def test_an_open_breaker_denies_at_once() -> None:
    """The ballot says ``breaker_open`` and when to come back; the voter is not asked."""
    world = guarded(FAILED, config=without_retries())
    for _ in range(5):
        with pytest.raises(VoterFailed):
            await world.voter.ask(REQUEST)
    world.clock.now_s = 20.0
    with pytest.raises(CircuitBreakerOpenError, match="its circuit breaker is open") as denied:
        await world.voter.ask(REQUEST)
    assert (denied.value.outcome, denied.value.voter, denied.value.retry_after_s) == ("breaker_open", "v", 40.0)
    assert world.inner.asked == 5


async def test_opening_raises_an_alert() -> None:
    """``circuit_breaker_opened`` with service, cause and duration, once an opening; every transition is heard."""
    world = guarded(*[FAILED] * 6, TWO, config=without_retries())
    for _ in range(9):
        with pytest.raises(VoterError):
            await world.voter.ask(REQUEST)
    evidence = {"service": "v", "cause": "failure_rate", "before": "closed", "open_s": "60"}
    assert world.listener.alerts == [("circuit_breaker_opened", "v", evidence)]
    world.clock.now_s = 60.0
    with pytest.raises(VoterFailed):
        await world.voter.ask(REQUEST)
    assert [told["cause"] for _, _, told in world.listener.alerts] == ["failure_rate", "probes_failed"]
    world.clock.now_s = 120.0
    assert await world.voter.ask(REQUEST) == TWO
    assert world.listener.moves == [
        ("v", "open", "failure_rate"), ("v", "half_open", "cooled"), ("v", "open", "probes_failed"),
        ("v", "half_open", "cooled"), ("v", "closed", "probes_passed"),
    ]  # fmt: skip


async def test_retry_after_reaches_the_breaker() -> None:
    """A busy voter's wish opens its breaker for that time."""
    world = guarded(VoterBusy("v", "429", 30.0), config=without_retries())
    with pytest.raises(VoterBusy):
        await world.voter.ask(REQUEST)
    world.clock.now_s = 29.0
    with pytest.raises(CircuitBreakerOpenError) as denied:
        await world.voter.ask(REQUEST)
    assert denied.value.retry_after_s == 1.0


@pytest.mark.parametrize("error", [FAILED, VoterBusy("v", "429")])
async def test_a_passing_failure_is_asked_again(error: VoterError) -> None:
    """After a drawn wait; the answer gives back what its retry took."""
    world = guarded(error, TWO)
    assert await world.voter.ask(REQUEST) == TWO
    assert (world.inner.asked, len(world.clock.slept), world.budget.tokens) == (2, 1, 500)


async def test_retry_after_is_waited_for() -> None:
    """The voter asked for 3 s; the retry comes then, as the probe of its breaker."""
    world = guarded(VoterBusy("v", "429", 3.0), TWO, drawn=0.0)
    assert await world.voter.ask(REQUEST) == TWO
    assert (world.clock.slept, world.inner.asked) == ([3.0], 2)
    assert [after for _, after, _ in world.listener.moves] == ["open", "half_open", "closed"]


@pytest.mark.parametrize(
    "error",
    [VoterTimeout("v", ""), VoterRefused("v", ""), VoterTooLong("v", ""), VoterInvalid("v", ""), VoterEmpty("v", "")],
)
async def test_what_does_not_pass_is_not_asked_again(error: VoterError) -> None:
    """A time-out has used its time up; the others would end the same way."""
    world = guarded(error, TWO)
    with pytest.raises(type(error)):
        await world.voter.ask(REQUEST)
    assert (world.inner.asked, world.budget.tokens) == (1, 500)


async def test_the_last_failure_is_raised() -> None:
    """Three tries, two of them paid for; the caller gets the voter's own error."""
    world = guarded(FAILED)
    with pytest.raises(VoterFailed, match="status 500"):
        await world.voter.ask(REQUEST)
    assert (world.inner.asked, world.budget.tokens) == (3, 472)


async def test_an_empty_budget_retries_nothing() -> None:
    """Then a failure costs one call, and no wait."""
    world = guarded(FAILED, TWO, budget=RetryBudget(RetryConfig(tokens=13)))
    with pytest.raises(VoterFailed):
        await world.voter.ask(REQUEST)
    assert (world.inner.asked, world.clock.slept) == (1, [])


async def test_no_retry_begins_after_its_time() -> None:
    """The failing call took 10 s: what is left belongs to other voters."""
    world = guarded(FAILED, TWO, took_s=10.0)
    with pytest.raises(VoterFailed):
        await world.voter.ask(REQUEST)
    assert world.inner.asked == 1


async def test_a_retry_that_is_denied_leaves_the_failure_standing() -> None:
    """The fifth failure in a row opened the breaker: the ballot tells of the failure, and the denied retry costs nothing."""
    world = guarded(FAILED, config=BreakerConfig(window_calls=1, minimum_calls=1))
    with pytest.raises(VoterFailed, match="status 500") as raised:
        await world.voter.ask(REQUEST)
    assert isinstance(raised.value.__cause__, CircuitBreakerOpenError)
    assert (world.inner.asked, world.budget.tokens) == (1, 500)


@pytest.mark.parametrize(
    "denied", [SpendCapReached("v", "no money", 30_000.0), VoterFull("v", "its queue is full", 1.0)]
)
async def test_a_retry_that_does_not_go_out_leaves_the_failure_standing(denied: VoterError) -> None:
    """No money, our own queue full: the voter was asked and failed, so what it read counts; the retry costs nothing."""
    world = guarded(FAILED, denied)
    with pytest.raises(VoterFailed, match="status 500") as raised:
        await world.voter.ask(REQUEST)
    assert raised.value.was_sent
    assert raised.value.__cause__ is denied
    assert (world.inner.asked, world.budget.tokens) == (2, 500)
    with pytest.raises(type(denied)):
        await world.voter.ask(REQUEST)


async def test_a_wait_that_is_cancelled_costs_nothing() -> None:
    """Tokens and slot come back."""
    world = guarded(FAILED)
    task = asyncio.create_task(world.voter.ask(REQUEST))
    await until(lambda: bool(world.clock.slept))
    assert (world.budget.tokens, world.voter.under_way) == (486, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (world.budget.tokens, world.voter.under_way, world.inner.asked) == (500, 0, 1)


async def test_a_full_bulkhead_turns_away_at_once() -> None:
    """As many as may be are under way: one more is busy, costs the breaker nothing, and gets in when one has ended."""
    world = guarded(None, config=BreakerConfig.model_validate({"bulkhead": {"max_calls": 3}}))
    tasks = [asyncio.create_task(world.voter.ask(REQUEST)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(VoterBusy, match="3 asks of it are under way here"):
        await world.voter.ask(REQUEST)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    tasks.append(asyncio.create_task(world.voter.ask(REQUEST)))
    await asyncio.sleep(0)
    assert (world.inner.asked, world.inner.under_way, world.voter.under_way) == (4, 3, 3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert world.voter.under_way == 0


async def test_it_is_the_voter_it_guards() -> None:
    """Same identity, same answer."""
    world = guarded(TWO)
    assert world.voter.info == world.inner.info
    assert await world.voter.ask(REQUEST) is TWO


async def test_its_answers_say_when_a_hedge_is_due() -> None:
    """Twenty answers of 2 s; failures say nothing about how long an answer takes."""
    world = guarded(*[TWO] * 20, FAILED, took_s=2.0, config=without_retries())
    for _ in range(20):
        assert world.voter.hedge_due_s(60.0) is None
        await world.voter.ask(REQUEST)
    assert world.voter.hedge_due_s(60.0) == 2.0
    world.inner.took_s = 50.0
    with pytest.raises(VoterFailed):
        await world.voter.ask(REQUEST)
    assert world.voter.hedge_due_s(60.0) == 2.0


async def test_it_shares_its_breaker_with_the_others_circuits() -> None:
    """Among others, ejection opens the same breaker, and the alert says so."""
    config = without_retries(window_calls=100, minimum_calls=100, outliers=OutlierConfig(panic_below=0))
    circuits = Circuits(config, [["v", "w", "x"]])
    world = guarded(FAILED, config=config, gate=circuits.of("v"))
    for _ in range(5):
        with pytest.raises(VoterFailed):
            await world.voter.ask(REQUEST)
    with pytest.raises(CircuitBreakerOpenError, match="outlier"):
        await world.voter.ask(REQUEST)
    assert [told["cause"] for _, _, told in world.listener.alerts] == ["outlier"]


async def well(value: int, *, plus: int = 0) -> int:
    """Be a service that answers."""
    return value + plus


async def broken() -> None:
    """Be a service that fails."""
    raise VoterFailed("s", "down")


async def test_the_seed_s_breaker_opens_after_five_failures_for_a_minute() -> None:
    """``call_ai_service`` passes answers and errors through, opens at the fifth failure, and one success closes it."""
    clock, listener = Clock(), Listener()
    breaker = AIServiceCircuitBreaker(service="s", clock=clock, listener=listener)
    assert await breaker.call_ai_service(well, 2, plus=3) == 5
    for _ in range(5):
        with pytest.raises(VoterFailed):
            await breaker.call_ai_service(broken)
    clock.now_s = 59.9
    with pytest.raises(CircuitBreakerOpenError):
        await breaker.call_ai_service(well, 1)
    clock.now_s = 60.0
    assert await breaker.call_ai_service(well, 1) == 1
    assert [kind for kind, _, _ in listener.alerts] == ["circuit_breaker_opened"]
    assert [after for _, after, _ in listener.moves] == ["open", "half_open", "closed"]


async def test_the_seed_s_numbers_can_be_chosen() -> None:
    """Two failures, ten seconds."""
    clock = Clock()
    breaker = AIServiceCircuitBreaker(2, 10, service="s", clock=clock, listener=Listener())
    for _ in range(2):
        with pytest.raises(VoterFailed):
            await breaker.call_ai_service(broken)
    with pytest.raises(CircuitBreakerOpenError) as denied:
        await breaker.call_ai_service(well, 1)
    assert denied.value.retry_after_s == 10.0


async def test_forced_open_alerts_and_says_until_when() -> None:
    """An operator's word is an opening, too; no time ends it."""
    breaker, listener = Breaker(BreakerConfig()), Listener()
    service = AIServiceCircuitBreaker(service="s", clock=Clock(), listener=listener, gate=breaker)
    publish("s", breaker.force("open", 0.0), listener)
    assert listener.alerts[0][2]["open_s"] == "until let go"
    with pytest.raises(CircuitBreakerOpenError, match="forced_open") as denied:
        await service.call_ai_service(well, 1)
    assert denied.value.retry_after_s is None


@pytest.mark.parametrize(
    ("message", "waited_s", "longest_s", "state"),
    [
        (OUT_OF_TIME, 30.0, 0.0, "open"),
        (OUT_OF_TIME, 29.0, 0.0, "closed"),
        (OUT_OF_TIME, 40.0, 50.0, "closed"),
        ("", 300.0, 0.0, "closed"),
    ],
)
async def test_a_voter_that_hangs_through_a_long_deadline_is_sick(
    message: str, waited_s: float, longest_s: float, state: str
) -> None:
    """A short deadline, one shorter than its slowest answer lately, and a client that leaves say nothing of it."""
    config = without_retries(window_calls=5, minimum_calls=5)
    ends = [TWO, None] if longest_s else [None]
    world = guarded(*ends, config=config, took_s=longest_s)
    if longest_s:
        await world.voter.ask(REQUEST)
    for _ in range(5):
        task = asyncio.create_task(world.voter.ask(REQUEST))
        asked = world.inner.asked
        await until(lambda asked=asked: world.inner.under_way == 1 and world.inner.asked >= asked)
        world.clock.now_s += waited_s
        task.cancel(message)
        with pytest.raises(asyncio.CancelledError):
            await task
    assert world.gate.view(world.clock.now_s).state == state  # type: ignore[attr-defined]


async def test_who_said_when_to_come_back_is_busy_until_then() -> None:
    """The caller hears that there is no room, not that the voter is broken."""
    world = guarded(VoterBusy("v", "full", 5.0), config=without_retries())
    with pytest.raises(VoterBusy):
        await world.voter.ask(REQUEST)
    with pytest.raises(CircuitBreakerBusyError) as denied:
        await world.voter.ask(REQUEST)
    assert (denied.value.cause, denied.value.outcome) == ("busy", "breaker_open")


async def test_our_own_full_queue_is_neither_asked_again_nor_held_against_the_voter() -> None:
    """The caller hears at once that there is no room, and the next ask goes to the voter as if nothing had been."""
    world = guarded(VoterFull("v", "its queue is full", 1.0), TWO)
    with pytest.raises(VoterFull):
        await world.voter.ask(REQUEST)
    assert (world.inner.asked, world.clock.slept, world.listener.moves) == (1, [], [])
    assert await world.voter.ask(REQUEST) == TWO


class Learnt:
    """A limit that hears of first tokens."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.heard: list[tuple[float, int]] = []

    def observe(self, first_token_ms: float, under_way: int) -> None:
        """Hear of one."""
        self.heard.append((first_token_ms, under_way))


async def test_how_many_it_takes_is_learnt_from_first_tokens_alone() -> None:
    """Below the bulkhead's bound; an answer that tells of none, or a failure, teaches nothing."""
    learnt = Learnt(1)
    told = Candidate("2", "stop", 3, 1, first_token_ms=70)
    world = guarded(TWO, FAILED, told, None, config=without_retries(), took_s=9.0, limiter=learnt)
    assert await world.voter.ask(REQUEST) is TWO
    with pytest.raises(VoterFailed):
        await world.voter.ask(REQUEST)
    assert await world.voter.ask(REQUEST) is told
    assert learnt.heard == [(70, 1)]
    asking = asyncio.create_task(world.voter.ask(REQUEST))
    await until(lambda: world.voter.under_way == 1)
    with pytest.raises(VoterFull):
        await world.voter.ask(REQUEST)
    asking.cancel()
    learnt.limit = 10_000
    assert world.voter.limit == BreakerConfig().bulkhead.max_calls


async def test_a_first_token_is_told_with_what_was_under_way_when_it_was_asked_for() -> None:
    """What has ended by then made it wait as well."""
    learnt = Learnt(10)
    told = Candidate("2", "stop", 3, 1, first_token_ms=70)
    world = guarded(None, None, told, config=without_retries(), limiter=learnt)
    others = [asyncio.create_task(world.voter.ask(REQUEST)) for _ in range(2)]
    await until(lambda: world.inner.asked == 2)
    last = asyncio.create_task(world.voter.ask(REQUEST))
    for each in others:  # they end after the last has begun, and before it has ended
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last
    assert learnt.heard == [(70, 3)]
