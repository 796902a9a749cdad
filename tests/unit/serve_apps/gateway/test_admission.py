"""Who is let in to deliberate, and that whatever was held is given back however it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from actors.admission.config import AdmissionConfig, LineConfig, QuotaConfig, TierConfig
from actors.admission.quotas import Amount
from actors.base.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NoConsensus,
    NotReady,
    Overloaded,
    RateLimited,
    StorageUnavailable,
)
from actors.consensus.deliberation import begin
from actors.consensus.request import GenerationRequest
from actors.consensus.vocabulary import Seat, State
from actors.store.auth import Principal
from models.voter import Message, Sampling
from serve_apps.gateway.admission import WAITS, Admission
from serve_apps.gateway.problems import status_of
from tests.unit.actors.consensus.world import plan, until
from tests.unit.serve_apps.gateway.admitting import AWAY, MAX_LIMIT, UNKNOWN, Clocks, Memory, admission

REQUEST = GenerationRequest("consensus", (Message("user", "Hi"),), Sampling(max_tokens=10), 60_000)
RESERVED = 3 * (2 + 16 + 64 + 10)
LIMITED = AdmissionConfig(tiers={1: TierConfig(requests_per_minute=20, tokens_per_minute=20_000)})
KEY, FREE = (Principal(name, "acme", "client", frozenset(), tier) for name, tier in (("key", 1), ("free", 0)))
EMPTY = State(plan([Seat("a", "f", "l", 1)]), (), ())
SENT = replace(begin(plan([Seat("a", "f", "l", 1)]))[0], sent=frozenset({0}))
"""One voter was asked, and never answered."""
PROMPT = 2 + 16 + 64

Ended = Callable[[State], None]
Work = Callable[[GenerationRequest, Ended], Awaitable[Any]]


async def answer(_: GenerationRequest, __: Ended) -> Any:
    """Answer with nothing used."""
    return SimpleNamespace(state=EMPTY)


def failing(error: BaseException, state: State | None = None) -> Work:
    """Return work that fails, after voters were asked if there is a state."""

    async def fail(_: GenerationRequest, ended: Ended) -> Any:
        if state is not None:
            ended(state)
        raise error

    return fail


class Held:
    """Work that is held until it is let go."""

    def __init__(self) -> None:
        self.begun: list[GenerationRequest] = []
        self._go = asyncio.Event()

    async def __call__(self, request: GenerationRequest, _: Ended) -> Any:
        """Wait."""
        self.begun.append(request)
        await self._go.wait()
        return SimpleNamespace(state=EMPTY)

    def go(self) -> None:
        """Let everybody go."""
        self._go.set()


async def limited(store: Memory | None = None, clocks: Clocks | None = None) -> Admission:
    """Return an admission with a limited tier, which has joined the minute."""
    made = admission(LIMITED, clocks, store)
    await made.lease()
    return made


def left(of: Admission, key: Principal = KEY) -> Amount:
    """Return what a key has in hand."""
    account = of._book._accounts.get(key.key_id)
    return Amount(10, 10_000) if account is None else Amount(account.left, account.tokens_left)


def through(of: Admission, work: Work, key: Principal = FREE, priority: Any = "interactive") -> "asyncio.Task[Any]":
    """Send a request."""
    return asyncio.create_task(of.through(REQUEST, key, priority, work))


async def turn() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_answer_uses_one_request_and_what_it_used() -> None:
    """Tokens that nobody used come back."""
    of = await limited()
    await of.through(REQUEST, KEY, "interactive", answer)
    assert left(of) == Amount(9, 10_000)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NotReady("no policy"), None),
        (NotReady("nobody was asked, and nothing is on record"), EMPTY),
        (Overloaded("no room", details={"decision_id": "d"}), SENT),
        (asyncio.CancelledError(), SENT),
    ],
)
async def test_what_was_rejected_or_cancelled_used_nothing(error: BaseException, state: State | None) -> None:
    """Whoever rejected it, and although a voter was asked."""
    of = await limited()
    with pytest.raises(type(error)):
        await of.through(REQUEST, KEY, "interactive", failing(error, state))
    assert (left(of), of.door.under_way) == (Amount(10, 10_000), 0)


@pytest.mark.parametrize(
    ("error", "state", "tokens"),
    [
        (DeadlineExceeded("x", details={"decision_id": "d"}), SENT, PROMPT),
        (NoConsensus("x", details={"decision_id": "d", "result": "withheld"}), SENT, PROMPT),
        (StorageUnavailable("the log cannot be written"), SENT, PROMPT),
        (RuntimeError("a defect"), SENT, PROMPT),
        (NoConsensus("x", details={"decision_id": "d"}), EMPTY, 0),
    ],
)
async def test_what_voters_were_asked_is_used_whatever_came_of_it(
    error: Exception, state: State, tokens: int
) -> None:  # fmt: skip
    """A refusal that is on record, one that withholds, and none at all: the prompt was read."""
    of = await limited()
    with pytest.raises(type(error)):
        await of.through(REQUEST, KEY, "interactive", failing(error, state))
    assert left(of) == Amount(9, 10_000 - tokens)


async def test_an_answer_and_a_refusal_use_the_same() -> None:
    """What voters were asked says how much, and nothing else."""
    of = await limited()

    async def answered(_: GenerationRequest, __: Ended) -> Any:
        return SimpleNamespace(state=SENT)

    await of.through(REQUEST, KEY, "interactive", answered)
    assert left(of) == Amount(9, 10_000 - PROMPT)


@pytest.mark.parametrize(
    ("error", "ends", "teaches"),
    [
        (NoConsensus("x", details={"decision_id": "d"}), 1, True),
        (DeadlineExceeded("x", details={"decision_id": "d"}), 1, False),
        (Overloaded("x", details={"decision_id": "d"}), 1, False),
        (NotReady("no policy"), 0, False),
    ],
)
async def test_a_recorded_refusal_is_an_end(error: Exception, ends: int, teaches: bool) -> None:
    """Answers are few where voters do not agree: what tells how fast requests end is every decision."""
    clocks = Clocks()
    of = admission(clocks=clocks)

    async def refuse(_: GenerationRequest, __: Ended) -> Any:
        clocks.now_s += 0.3
        raise error

    with pytest.raises(type(error)):
        await of.through(REQUEST, FREE, "interactive", refuse)
    assert (of.door._ended, of.door.load.usual_s) == (ends, pytest.approx(0.3 if teaches else 0.0))


async def test_whom_a_key_that_floods_has_left_no_place_is_let_in_before_it() -> None:
    """Whether it is asked before his body is read or when he comes; who made room is told."""
    of = admission(AdmissionConfig(line=LineConfig(max_waiting=2)))
    held = Held()
    tasks = [through(of, held) for _ in range(MAX_LIMIT + 2)]
    await turn()
    with pytest.raises(Overloaded):
        of.require_room(FREE)
    of.require_room(KEY)
    quiet = through(of, Held(), KEY)
    await turn()
    with pytest.raises(Overloaded, match="took its place"):
        await tasks.pop()
    of._wake(of.door.leave("interactive", FREE.key_id, 0.1))
    await turn()
    assert (of.door.line.under_way(KEY.key_id), len(of.door.line)) == (1, 1)
    for task in (quiet, *tasks):
        task.cancel()
    await asyncio.gather(quiet, *tasks, return_exceptions=True)


async def test_a_cancelled_request_used_nothing() -> None:
    """Neither while it deliberates nor while it waits; whoever waits behind it is let in."""
    of = await limited()
    held = Held()
    tasks = [through(of, held, KEY) for _ in range(MAX_LIMIT + 2)]
    await turn()
    assert (len(held.begun), len(of.door.line), left(of)) == (MAX_LIMIT, 2, Amount(4, 10_000 - 6 * RESERVED))
    tasks[MAX_LIMIT].cancel()
    tasks[0].cancel()
    await turn()
    assert (len(held.begun), len(of.door.line)) == (MAX_LIMIT + 1, 0)
    held.go()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (left(of), of.door.under_way) == (Amount(6, 10_000), 0)


async def test_who_is_let_in_and_cancelled_in_one_turn_lets_the_next_one_in() -> None:
    """No place is lost."""
    of = admission()
    assert all(of.door.enter("interactive", FREE.key_id, 0.0) for _ in range(MAX_LIMIT))
    work = Held()
    first, second = through(of, work), through(of, work)
    await turn()
    of._wake(of.door.leave("interactive", FREE.key_id, None))
    first.cancel()
    await turn()
    assert (first.cancelled(), len(work.begun), of.door.under_way) == (True, 1, MAX_LIMIT)
    work.go()
    await second
    assert of.door.under_way == MAX_LIMIT - 1


async def test_what_was_waited_is_off_the_deadline() -> None:
    """And the voters have what is left."""
    clocks = Clocks()
    of = admission(clocks=clocks)
    held, later = Held(), Held()
    tasks = [through(of, held) for _ in range(MAX_LIMIT)]
    waiting = through(of, later)
    await turn()
    clocks.now_s += 1.5
    held.go()
    await turn()
    assert later.begun[0].deadline_ms == 58_500
    later.go()
    await asyncio.gather(*tasks, waiting)


async def test_who_waits_too_long_or_has_to_go_for_a_person_is_refused() -> None:
    """With Retry-After."""
    clocks = Clocks()
    of = admission(AdmissionConfig(line=LineConfig(max_waiting=1)), clocks)
    held = Held()
    inside = [through(of, held) for _ in range(MAX_LIMIT)]
    await turn()
    batch = through(of, held, priority="batch")
    await turn()
    person = through(of, held)
    await turn()
    with pytest.raises(Overloaded, match="took its place") as told:
        await batch
    assert told.value.retry_after_s == 1
    with pytest.raises(Overloaded):
        of.require_room(FREE)
    clocks.now_s += 1
    of._look()
    with pytest.raises(Overloaded, match="as long as it may"):
        await person
    held.go()
    await asyncio.gather(*inside)
    of.require_room(FREE)
    of.close()


async def test_a_key_that_has_used_its_minute_is_told_until_when() -> None:
    """429 with the seconds that are left of it; other keys go on."""
    of = await limited(clocks=Clocks(wall_s=1_800_000_015.0))
    for _ in range(20):
        await of.through(REQUEST, KEY, "interactive", answer)
        await of.lease()
    with pytest.raises(RateLimited, match="20 requests") as told:
        await of.through(REQUEST, KEY, "interactive", answer)
    assert told.value.retry_after_s == 45
    other = Principal("other", "acme", "client", frozenset(), 1)
    await of.through(REQUEST, other, "interactive", answer)
    await of.through(REQUEST, FREE, "interactive", answer)
    assert of.shown().rate_limited == 1


async def test_a_request_beyond_the_whole_limit_is_told_what_to_lower() -> None:
    """Waiting would not help."""
    of = await limited()
    huge = GenerationRequest("consensus", (Message("user", "Hi"),), Sampling(max_tokens=8000), 60_000)
    with pytest.raises(InvalidRequest, match="its key 20000 a minute: shorten the prompt or lower max_tokens") as told:
        await of.through(huge, KEY, "interactive", answer)
    assert (told.value.param, status_of(told.value), of.shown().rate_limited) == ("max_tokens", 400, 0)


async def test_a_request_beyond_what_one_replica_can_have_is_told_how_much_that_is() -> None:
    """Two others keep a sixth each of the 20000."""
    of = await limited(Memory(slots=3))
    of._book._others = 2
    big = GenerationRequest("consensus", (Message("user", "Hi"),), Sampling(max_tokens=5000), 60_000)
    with pytest.raises(InvalidRequest, match="one replica can have 13334 beside the others"):
        await of.through(big, KEY, "interactive", answer)
    assert of._book.to_ask(1_800_000_000.0, 20) is None


async def test_a_refusal_says_why() -> None:
    """Nobody is told that he used what this replica has not fetched yet, or cannot."""
    store = Memory(slots=20)
    of = await limited(store)
    for why in ("gets more", "gets more", "shared with nobody"):
        with pytest.raises(RateLimited, match=f"20 requests.*{why}"):
            await of.through(REQUEST, KEY, "interactive", answer)
        store.away = AWAY
        await of.lease()


async def test_who_finds_no_room_is_counted() -> None:
    """He is told when to come again, as the door works it out."""
    of = admission()
    refused = of.crowded("too many requests are under way")
    assert (str(refused).startswith("more comes than"), refused.retry_after_s, of.shown().shed) == (True, 1, 1)


async def test_clients_are_told_their_limits_as_openai_tells_them() -> None:
    """Only keys that have any."""
    of = await limited()
    await of.through(REQUEST, KEY, "interactive", answer)
    told = {name.decode(): value.decode() for name, value in of.headers(KEY)}
    assert told["x-ratelimit-limit-requests"] == "20"
    assert told["x-ratelimit-remaining-requests"] == "9"
    assert told["x-ratelimit-remaining-tokens"] == "10000"
    assert told["x-ratelimit-reset-tokens"] == "60s"
    assert of.headers(FREE) == []


@pytest.mark.parametrize(
    ("away", "is_mute", "standing"), [(AWAY, False, "alone"), (AWAY, True, ""), (UNKNOWN, False, "leases")]
)
async def test_serving_goes_on_without_the_store(
    away: Exception, standing: str, caplog: pytest.LogCaptureFixture, *, is_mute: bool
) -> None:
    """On the replica's share, if word of it is left; on nothing without it, and where nobody knows what the store did."""
    clocks, store = Clocks(), Memory(is_mute=is_mute)
    of = await limited(store, clocks)
    clocks.wall_s += 45
    store.away = away
    await of.lease()
    clocks.wall_s += 20
    await of.through(REQUEST, FREE, "interactive", answer)
    if standing == "alone":
        for _ in range(20):
            await of.through(REQUEST, KEY, "interactive", answer)
    with pytest.raises(RateLimited):
        await of.through(REQUEST, KEY, "interactive", answer)
    assert of.shown().leasing == standing
    assert "share alone" in caplog.text


@pytest.mark.parametrize(("is_mute", "standing"), [(True, "leases"), (False, "alone")])
async def test_no_error_of_the_store_ends_a_replica(
    standing: str, caplog: pytest.LogCaptureFixture, *, is_mute: bool
) -> None:
    """A defect is logged whole; the replica has its share, if that is in hand still, else nothing but leases."""
    clocks = Clocks()
    store = Memory(away=UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), is_mute=is_mute)
    of = admission(LIMITED, clocks, store)
    await of.start()
    assert of.shown().leasing == standing
    assert "invalid start byte" in caplog.text
    assert "Traceback" in caplog.text
    following = asyncio.create_task(of.follow())
    await asyncio.sleep(0)
    assert not following.done()
    store.away = None
    clocks.wall_s += 60
    following.cancel()
    await of.lease()
    assert of.shown().leasing == "kept"
    of.close()


async def test_a_clock_that_goes_back_by_hours_locks_nobody_out() -> None:
    """The replica goes on as another one, with nothing of minutes that it had; what was held is settled where it was held."""
    clocks, store = Clocks(), Memory()
    of = await limited(store, clocks)
    clocks.wall_s += 5 * 3600
    await of.lease()
    held = of.reserve(REQUEST, KEY)
    assert held is not None
    clocks.wall_s -= 5 * 3600 - 60
    store.is_waiting = True
    with pytest.raises(RateLimited):
        of.reserve(REQUEST, KEY)
    await of.lease()
    assert (of.shown().leasing, store.begun, of.degraded()) == ("kept", 1, (WAITS,))
    left = held.account.left
    of.refund(held)
    assert held.account.left == left + 1
    assert of.reserve(REQUEST, KEY) is not None
    store.is_waiting = False
    await of.lease()
    assert (store.begun, of.degraded()) == (1, ())
    of.close()


async def test_what_a_store_says_to_a_book_that_was_left_behind_is_nobodys() -> None:
    """It comes late, of a minute that the clock said too early."""
    clocks, store = Clocks(), Memory()
    of = await limited(store, clocks)
    clocks.wall_s += 5 * 3600
    leasing = asyncio.create_task(of.lease())
    await asyncio.sleep(0)
    clocks.wall_s -= 5 * 3600 - 60
    with pytest.raises(RateLimited):
        of.reserve(REQUEST, KEY)
    await leasing
    assert of.shown().leasing == ""
    of.close()


async def test_a_store_that_fails_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """However many requests are refused meanwhile; pauses double up to a bound, and end with the first answer."""
    quotas = QuotaConfig(look_s=1, max_backoff_s=10)
    store = Memory(away=AWAY, is_mute=True)
    of = admission(LIMITED.model_copy(update={"quotas": quotas}), store=store)
    following = asyncio.create_task(of.follow())
    await until(lambda: store.asked == 1)
    for _ in range(300):
        with pytest.raises(RateLimited):
            await of.through(REQUEST, KEY, "interactive", answer)
        await asyncio.sleep(0)
    assert (store.asked, caplog.text.count("share alone")) == (1, 1)
    following.cancel()
    pauses = [of._pause_s()]
    for _ in range(5):
        await of.lease()
        pauses.append(of._pause_s())
    assert pauses == [1, 2, 4, 8, 10, 10]
    assert caplog.text.count("share alone") == 1
    store.away = None
    await of.lease()
    assert of._failures == 0


async def test_a_tier_of_batches_goes_behind() -> None:
    """Whatever its requests say."""
    of = admission(AdmissionConfig(tiers={1: TierConfig(priority="batch")}))
    held = Held()
    tasks = [through(of, held, KEY) for _ in range(MAX_LIMIT)]
    await turn()
    assert (len(held.begun), of.door.line.waiting("batch")) == (3, 1)
    tasks.append(through(of, held))
    await turn()
    assert len(held.begun) == MAX_LIMIT
    held.go()
    await asyncio.gather(*tasks)


def panel(count: int = 9) -> Any:
    """Return a plan of so many."""
    return plan([Seat(f"v{n}", "f", f"l{n}", 1_000_000) for n in range(count)])


async def test_what_is_saved_is_told_in_the_plan() -> None:
    """Nothing in calm, hedges first, then voters where that can be; what could be saved is known in calm."""
    of, few = admission(), panel(3)
    stands_by = replace(few, spares=(Seat("s", "f", "ls", 1_000_000),))
    assert of.saved(panel()) == panel()
    assert [of.shown(each).can_cut for each in (panel(), stands_by, few, None)] == [
        ["hedges", "voters"], ["hedges"], [], None,
    ]  # fmt: skip
    of.brownout.look(0.06)
    assert of.saved(stands_by).saved == ("hedges",)
    assert (of.saved(panel()).saved, of.saved(few).saved) == ((), ())
    of.brownout.look(0.5)
    assert of.saved(panel()).saved == ("hedges", "voters")
    assert of.saved(stands_by).saved == ("hedges",)
    assert of.saved(few) == few


async def test_a_voters_limit_learns_only_while_the_loop_is_on_time() -> None:
    """What takes long because this replica is late is not the voter's doing."""
    of = admission()
    limit = of.voter_limit(100)
    assert limit is not None
    for _ in range(50):
        limit.observe(10.0, 100)
    of.door.load.is_calm = False
    for _ in range(50):
        limit.observe(10_000.0, 100)
    assert limit.limit == 100
    of.door.load.is_calm = True
    for _ in range(50):
        limit.observe(10_000.0, 100)
    assert limit.limit < 50
