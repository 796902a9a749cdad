"""A voter inside a day's cap: what it pays, however a call ends."""

import asyncio

import pytest

from models.errors import SpendCapReached, VoterError, VoterFailed, VoterTimeout
from models.providers.answer import Usage
from models.providers.capped import CappedVoter, Purse
from models.providers.cloud import Bill
from models.providers.prices import Price, bound_micro
from models.providers.spend import DAY_S, SpendLedger
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

INFO = VoterInfo("v", "f", "l")
PRICE = Price(1_000_000, 2_000_000)
REQUEST = VoterRequest("r", (Message("user", "hello"),), Sampling(max_tokens=10))
BOUND = bound_micro(PRICE, REQUEST)
ANSWER = Candidate("yes", "stop", 5, 3)


class Scripted:
    """A billed voter that does what it is told, when it is let."""

    def __init__(self, outcome: Candidate | VoterError, bill: Bill) -> None:
        self.info = INFO
        self.asked = 0
        self.arrived = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self._outcome = outcome
        self._bill = bill

    async def ask_billed(self, request: VoterRequest, bill: Bill) -> Candidate:
        """Write the bill, wait, answer."""
        self.asked += 1
        self.arrived.release()
        bill.asked, bill.usage = self._bill.asked, None
        await self.go.wait()
        bill.usage = self._bill.usage
        if isinstance(self._outcome, VoterError):
            raise self._outcome
        return self._outcome


async def spent_on(outcome: Candidate | VoterError, bill: Bill) -> int:
    """Return what one call costs the purse."""
    purse = Purse(SpendLedger(10 * BOUND))
    inner = Scripted(outcome, bill)
    inner.go.set()
    try:
        assert await CappedVoter(inner, PRICE, purse, lambda: 0.0).ask(REQUEST) is outcome
    except VoterError as error:
        if error is not outcome:
            raise
    assert purse.ledger.reserved_micro == 0
    return purse.ledger.spent_micro


@pytest.mark.parametrize(
    ("outcome", "bill", "cost"),
    [
        (ANSWER, Bill(asked=True, usage=Usage(5, 3)), 11),
        (ANSWER, Bill(asked=True), BOUND),
        (ANSWER, Bill(asked=True, usage=Usage(5, None)), BOUND),
        (VoterFailed("v", "no"), Bill(asked=False), 0),
        (VoterTimeout("v", "silent"), Bill(asked=True), BOUND),
        (VoterFailed("v", "a refused answer that was counted"), Bill(asked=True, usage=Usage(5, 3)), 11),
    ],
)
async def test_a_call_costs_what_it_may_have_cost(outcome: Candidate | VoterError, bill: Bill, cost: int) -> None:
    """What was counted; all that was reserved where something was asked and not counted; nothing where nothing was."""
    assert await spent_on(outcome, bill) == cost


async def test_14_the_usage_of_a_cancelled_request_is_lost() -> None:
    """A provider may charge for what nobody waited for: the reservation is spent, and nothing stays reserved."""
    purse = Purse(SpendLedger(10 * BOUND))
    inner = Scripted(ANSWER, Bill(asked=True, usage=Usage(5, 3)))
    task = asyncio.create_task(CappedVoter(inner, PRICE, purse, lambda: 0.0).ask(REQUEST))
    await inner.arrived.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (purse.ledger.spent_micro, purse.ledger.reserved_micro) == (BOUND, 0)


async def test_concurrent_calls_never_reserve_more_than_the_cap() -> None:
    """Of a hundred callers at once as many ask as the cap holds; the others fail and their voter is not asked."""
    purse = Purse(SpendLedger(7 * BOUND + BOUND - 1))
    inner = Scripted(ANSWER, Bill(asked=True, usage=Usage(5, 3)))
    capped = CappedVoter(inner, PRICE, purse, lambda: 0.0)
    tasks = [asyncio.create_task(capped.ask(REQUEST)) for _ in range(100)]
    for _ in range(7):
        await inner.arrived.acquire()
    inner.go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert inner.asked == 7
    refused = [outcome for outcome in outcomes if isinstance(outcome, SpendCapReached)]
    assert (len(refused), {error.retry_after_s for error in refused}) == (93, {None})  # calls that end may make room
    assert (purse.ledger.spent_micro, purse.ledger.reserved_micro) == (77, 0)


async def test_at_the_cap_a_voter_is_silent_until_there_is_money() -> None:
    """Failed and not refused, and nothing is said of its health; the next day, of which it tells, it asks again."""
    now_s = DAY_S - 30.0
    inner = Scripted(ANSWER, Bill(asked=True, usage=Usage(5, 3)))
    inner.go.set()
    capped = CappedVoter(inner, PRICE, Purse(SpendLedger(BOUND)), lambda: now_s)
    assert await capped.ask(REQUEST) is ANSWER
    with pytest.raises(SpendCapReached) as caught:
        await capped.ask(REQUEST)
    assert (caught.value.outcome, caught.value.cause, caught.value.retry_after_s) == ("failed", "busy", 30.0)
    now_s = float(DAY_S)
    assert await capped.ask(REQUEST) is ANSWER
    assert capped.info is INFO
