"""A budget of candidates is divided by what decisions taught of the voters."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import ConfigurationError
from actors.consensus.behaviour.compare import NotCompared
from actors.learning.counts import VoterSums
from cluster.evals.budget import allocate, learned, one_ballot_each, weights_from, within
from cluster.evals.consensus import deliberate
from cluster.evals.selection import Candidate
from tests.unit.actors.consensus.world import Comparer, Screener
from tests.unit.cluster.evals.test_consensus import ALSO, RIGHT, SALT, TASK, WRONG, behaves, candidates

LINEAGES = {"a": "la", "b": "lb", "c": "lc"}

pools = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 8), min_size=1)


def decided(*codes: str) -> tuple[list[Candidate], object]:
    """Return a strict decision of voters a, b, c on one candidate each."""
    pool = candidates(*zip("abc", codes, strict=False))
    return pool, asyncio.run(deliberate(TASK, pool, "strict", {}, Screener(), Comparer(behaves), SALT))


def test_weights_follow_agreement_with_winners() -> None:
    """The voter that sides with no winner weighs least."""
    sums = learned([decided(RIGHT, ALSO, WRONG), decided(RIGHT, RIGHT, WRONG)])
    assert sums == {"a": VoterSums(2, 2, 0, 0), "b": VoterSums(2, 2, 0, 0), "c": VoterSums(2, 0, 0, 0)}
    weights = weights_from(LINEAGES, sums)
    assert weights["a"] == weights["b"] > 500_000 > weights["c"]
    assert weights_from(LINEAGES, {}) == dict.fromkeys(LINEAGES, 500_000)


def test_without_a_winner_the_examples_teach() -> None:
    """Who passed them was right; a decision that ran nothing teaches nothing."""
    assert learned([decided(RIGHT, WRONG)]) == {"a": VoterSums(1, 1, 0, 0), "b": VoterSums(1, 0, 0, 0)}
    pool = candidates(("a", RIGHT), ("b", WRONG))
    unrun = deliberate(TASK, pool, "strict", {}, Screener(), Comparer(lambda _: NotCompared("deadline")), SALT)
    assert learned([(pool, asyncio.run(unrun))]) == {}


def test_more_goes_to_the_heavier_voter_as_far_as_it_is_recorded() -> None:
    """Nobody is left without a candidate, and what one voter has not, another gives."""
    weights = {"a": 800_000, "b": 300_000, "c": 100_000}
    assert allocate(weights, {"a": 9, "b": 9, "c": 9}, 8) == {"a": 5, "b": 2, "c": 1}
    assert allocate(weights, {"a": 2, "b": 9, "c": 1}, 8) == {"a": 2, "b": 5, "c": 1}


def test_a_budget_too_small_for_every_voter_is_refused() -> None:
    """Two candidates cannot come from three voters."""
    with pytest.raises(ConfigurationError, match="2 leaves one of 3"):
        allocate(dict.fromkeys("abc", 1), dict.fromkeys("abc", 4), 2)


@given(pools, st.integers(0, 40), st.data())
def test_the_whole_budget_is_spent_and_more_of_it_takes_from_nobody(
    recorded: dict[str, int], more: int, data: st.DataObject
) -> None:
    """Unless nothing is left to be given; a greater budget gives every voter at least as much."""
    weights = {voter: data.draw(st.integers(1, 1_000_000)) for voter in recorded}
    total = len(recorded) + more
    given = allocate(weights, recorded, total)
    assert sum(given.values()) == min(total, sum(recorded.values()))
    assert all(1 <= given[voter] <= recorded[voter] for voter in recorded)
    larger = allocate(weights, recorded, total + 1)
    assert all(larger[voter] >= given[voter] for voter in recorded)


def test_samples_are_taken_before_the_greedy_answer() -> None:
    """Which stays the yardstick until the budget takes everything."""
    pool = [Candidate(0, "a", "la", "greedy", greedy=True), Candidate(1, "a", "la", "s0", greedy=False),
            Candidate(2, "b", "lb", "only", greedy=True), Candidate(3, "a", "la", "s1", greedy=False)]  # fmt: skip
    assert [one.content for one in within({"a": 2, "b": 1}, pool)] == ["s0", "only", "s1"]
    assert [one.content for one in within({"a": 3}, pool)] == ["greedy", "s0", "s1"]
    assert {one.content for one in one_ballot_each(pool)} == {"s0", "only"}
