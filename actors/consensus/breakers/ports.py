"""What a breaker's shell needs from its surroundings, and what it holds."""

from collections.abc import Mapping
from typing import Protocol

from actors.consensus.breakers.vocabulary import Admission, Moves, Permit, Transition, Verdict


class BreakerListener(Protocol):
    """Hears what breakers do. Never raises, never blocks."""

    def moved(self, service: str, transition: Transition) -> None:
        """Hear that a breaker went from one state to another."""

    def alert(self, kind: str, service: str, evidence: Mapping[str, str]) -> None:
        """Hear something that a person should know: ``circuit_breaker_opened``."""


class Limiter(Protocol):
    """Learns how many asks a voter takes at a time."""

    @property
    def limit(self) -> int:
        """Return how many it takes now."""

    def observe(self, first_token_ms: float, under_way: int) -> None:
        """Take the time to a first token, so many asks being under way when it was asked for, this one among them."""


class Gate(Protocol):
    """A breaker as its shell uses it: alone (``Breaker``) or among others (``Circuit``)."""

    def admit(self, now_s: float) -> Admission:
        """Let a call in or not."""

    def settle(self, permit: Permit, verdict: Verdict, now_s: float, retry_after_s: float | None = None) -> Moves:
        """Take a call's end."""
