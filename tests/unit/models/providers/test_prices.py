"""Costs in whole micro-dollars, and bounds that hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.providers.answer import Usage
from models.providers.prices import Price, bound_micro, cost_micro
from models.voter import Message, Sampling, VoterRequest

PRICE = Price(3_000_000, 15_000_000, 300_000, 3_750_000)
AMOUNTS = st.integers(0, 10**8)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1000, 100), 3000 + 1500),
        (Usage(1000, 100, cached_tokens=1000), 300 + 1500),
        (Usage(1000, 100, cached_tokens=400, written_tokens=200), 1200 + 120 + 750 + 1500),
        (Usage(0, 0), 0),
        (Usage(1, 0, cached_tokens=1), 1),
        (Usage(1, 0, cached_tokens=5), 2),
        (Usage(None, 100), None),
        (Usage(1000, None), None),
    ],
)
def test_tokens_cost_what_they_are(usage: Usage, cost: int | None) -> None:
    """Cached and written input at their prices, rounded up; what was not counted has no cost that is known."""
    assert cost_micro(PRICE, usage) == cost


def test_without_prices_of_their_own_cached_and_written_tokens_cost_the_same() -> None:
    """An unknown discount is none."""
    assert cost_micro(Price(3_000_000, 0), Usage(10, 0, 4, 3)) == 30


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, st.text(max_size=40), st.integers(1, 500), st.data())
def test_no_call_costs_more_than_its_bound(
    fresh: int, made: int, cached: int, written: int, prompt: str, max_tokens: int, data: st.DataObject
) -> None:
    """Whatever tokens a prompt is cut into and however they are cached, the bound before the call is enough."""
    price = Price(fresh, made, cached, written)
    request = VoterRequest("r", (Message("user", prompt),), Sampling(max_tokens))
    tokens = data.draw(st.integers(0, len(prompt.encode("utf-8", "surrogatepass"))))
    hit = data.draw(st.integers(0, tokens))
    stored = data.draw(st.integers(0, tokens - hit))
    usage = Usage(tokens, data.draw(st.integers(0, max_tokens)), hit, stored)
    cost = cost_micro(price, usage)
    assert cost is not None
    assert cost <= bound_micro(price, request)


def test_a_letter_of_several_bytes_may_be_several_tokens() -> None:
    """Tokenizers fall back to bytes: a bound in letters would be too low."""
    request = VoterRequest("r", (Message("user", "€" * 1000),), Sampling(1))
    cost = cost_micro(Price(10**6, 10**6), Usage(3000, 1))
    assert cost is not None
    assert cost <= bound_micro(Price(10**6, 10**6), request)


def test_input_that_is_written_may_be_the_dearest() -> None:
    """A bound at the price of other input would be too low where writing into the cache costs more."""
    price = Price(0, 0, written_micro=4_000_000)
    request = VoterRequest("r", (Message("user", "a" * 1000),), Sampling(1))
    cost = cost_micro(price, Usage(1000, 0, written_tokens=1000))
    assert cost is not None
    assert cost <= bound_micro(price, request)


def test_a_negative_price_is_refused() -> None:
    """Nobody pays us."""
    with pytest.raises(ValueError, match="below 0"):
        Price(1, -1)
