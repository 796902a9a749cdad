"""What a storage may hold, told from what it said and from commits that were begun."""

import pytest

from actors.base.errors import IntegrityError
from actors.spans.columns import Rows
from actors.spans.remembered import NOTHING, Attempt, Transactions, begun, beyond
from tests.unit.actors.spans.telemetry import spans_from

KNOWN = Transactions(7, {"log": 4, "W": 20})


def attempt(first: int, count: int = 1, seq: int = 21) -> Attempt:
    """Return an attempt to commit so many batches of a row each."""
    batches = [Rows("W", seq + at, 1, spans_from(seq + at, 1), first + at) for at in range(count)]
    return Attempt(batches, {"log": first + count - 1, "W": seq + count - 1})


def may_hold(*attempts: Attempt) -> tuple[list[int | None], dict[str, int]]:
    """Return the numbers of what may be there, and what was reached."""
    open_ended: tuple[Attempt, ...] = ()
    for each in attempts:
        open_ended = begun(open_ended, each)
    batches, numbers = beyond(KNOWN, 4, open_ended)
    return [batch.log_index for batch in batches], numbers


def test_without_an_attempt_it_is_what_is_known() -> None:
    """Nothing was begun, or only what changes no batch."""
    assert may_hold() == ([], {"log": 4, "W": 20})
    assert may_hold(Attempt([], {"W": 25})) == ([], {"log": 4, "W": 20})
    assert beyond(NOTHING, -1, ()) == ([], {})


def test_what_was_begun_last_may_be_there() -> None:
    """With its numbers: writing the same elsewhere is right whether it took effect or not."""
    assert may_hold(attempt(5, 2)) == ([5, 6], {"log": 6, "W": 22})


def test_an_attempt_with_the_same_numbers_shows_that_the_one_before_did_nothing() -> None:
    """It was numbered by what the storage held: the longer one counts alone."""
    assert may_hold(attempt(5), attempt(5, 3)) == ([5, 6, 7], {"log": 7, "W": 23})


def test_an_attempt_behind_another_shows_that_that_took_effect() -> None:
    """Both are there then, or may be."""
    assert may_hold(attempt(5, 2), attempt(7, 1, seq=23)) == ([5, 6, 7], {"log": 7, "W": 23})


def test_what_was_confirmed_since_is_not_there_twice() -> None:
    """An attempt that is no further than what is known adds nothing."""
    assert may_hold(attempt(4)) == ([], {"log": 4, "W": 20})


def test_a_gap_is_no_guess() -> None:
    """Somebody committed between what is known and what was begun: nobody here can tell what."""
    with pytest.raises(IntegrityError, match="5 to 6"):
        may_hold(attempt(7))
