"""What a call costs, in whole micro-dollars. Pure.

Rules: integers only, rounded up, so that no sum is too low; a bound before the call is never below what it can cost:
a token is at least one byte of the prompt, and the provider adds a few of its own around each message; no more is made than
``max_tokens``, reasoning included. What the provider did not count costs the bound.

Left out: prices themselves (configuration), discounts, charges for anything but tokens.
"""

from dataclasses import dataclass

from models.providers.answer import Usage
from models.voter import VoterRequest

PER = 1_000_000
"""Prices are for this many tokens."""
TOKENS_AROUND_MESSAGE = 16
TOKENS_AROUND_REQUEST = 64


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars for a million tokens: 3 $ are 3,000,000."""

    input_micro: int
    output_micro: int
    cached_micro: int | None = None
    """For input read from the provider's cache; ``None`` is the price of other input."""
    written_micro: int | None = None
    """For input written into the provider's cache; ``None`` is the price of other input."""

    def __post_init__(self) -> None:
        prices = (self.input_micro, self.output_micro, self.cached_micro or 0, self.written_micro or 0)
        if min(prices) < 0:
            raise ValueError("a price must not be below 0")

    @property
    def dearest_input_micro(self) -> int:
        """Return the most that a million tokens of input can cost."""
        return max(self.input_micro, self.cached_micro or 0, self.written_micro or 0)


def bound_micro(price: Price, request: VoterRequest) -> int:
    """Return the most that a request can cost."""
    bytes_in = sum(len(message.content.encode("utf-8", "surrogatepass")) for message in request.messages)
    tokens_in = bytes_in + TOKENS_AROUND_MESSAGE * len(request.messages) + TOKENS_AROUND_REQUEST
    return _rounded_up(tokens_in * price.dearest_input_micro + request.sampling.max_tokens * price.output_micro)


def cost_micro(price: Price, usage: Usage) -> int | None:
    """Return what these tokens cost, ``None`` if the provider did not count them."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached, written = usage.cached_tokens or 0, usage.written_tokens or 0
    fresh = max(0, usage.input_tokens - cached - written)
    return _rounded_up(
        fresh * price.input_micro
        + cached * (price.input_micro if price.cached_micro is None else price.cached_micro)
        + written * (price.input_micro if price.written_micro is None else price.written_micro)
        + usage.output_tokens * price.output_micro
    )


def _rounded_up(micro_per_million: int) -> int:
    return -(-micro_per_million // PER)
