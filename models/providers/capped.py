"""A voter that asks only while the day's money lasts.

Rules:
- The most a call can cost is reserved before it and settled after it, whether it ends in a candidate, an error or a
  cancellation: what the provider counted; nothing where nothing was asked or the provider said no; else all that was
  reserved, because a provider may charge for what nobody received.
- Between looking and reserving nothing is awaited, so concurrent calls cannot spend the same money.
- At the cap the voter is silent, it did not refuse: that says nothing about the question nor about the voter's health, and
  the next layer has to step in. It says when there is money again, if that is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from models.errors import SpendCapReached
from models.providers.cloud import Bill
from models.providers.prices import Price, bound_micro, cost_micro
from models.providers.spend import SpendLedger
from models.voter import Candidate, VoterInfo, VoterRequest


class BilledVoter(Protocol):
    """A voter that says what a call may have cost."""

    @property
    def info(self) -> VoterInfo:
        """Who this is."""

    async def ask_billed(self, request: VoterRequest, bill: Bill) -> Candidate:
        """Return one complete candidate or raise ``VoterError``; ``bill`` holds whatever happens."""


class HoldsLedger(Protocol):
    """Where the ledger lies that several voters of one process spend from."""

    ledger: SpendLedger

    def refused(self, micro: int, now_s: float) -> float | None:
        """Hear that there was no room for ``micro``; return how long until there is, ``None`` if nobody knows."""


@dataclass(slots=True)
class Purse:
    """A ledger with a cap of its own."""

    ledger: SpendLedger

    def refused(self, micro: int, now_s: float) -> float | None:
        """Return how long until ``micro`` can be spent."""
        return self.ledger.back_s(micro, now_s)


class CappedVoter:
    """A voter with a price, and a purse that it pays from."""

    def __init__(self, voter: BilledVoter, price: Price, purse: HoldsLedger, now_s: Callable[[], float]) -> None:
        self._voter = voter
        self._price = price
        self._purse = purse
        self._now_s = now_s

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._voter.info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask once, inside the cap; raises ``VoterError``."""
        purse, now_s, most_micro = self._purse, self._now_s(), bound_micro(self._price, request)
        purse.ledger, reservation = purse.ledger.reserve(most_micro, now_s)
        if reservation is None:
            back_s = purse.refused(most_micro, now_s)
            raise SpendCapReached(self.info.id, "the day's spend cap has no room for another call", back_s)
        bill = Bill()
        try:
            return await self._voter.ask_billed(request, bill)
        finally:
            purse.ledger = purse.ledger.reconcile(reservation, self._cost(bill, reservation.micro), self._now_s())

    def _cost(self, bill: Bill, reserved_micro: int) -> int:
        if not bill.asked:
            return 0
        counted = None if bill.usage is None else cost_micro(self._price, bill.usage)
        return reserved_micro if counted is None else counted
