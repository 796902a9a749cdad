"""Counting ballots under a policy."""

from msgspec.structs import replace

from actors.consensus.counting import Cast, Counted, barred_groups, count
from actors.consensus.independence import Pair
from actors.consensus.tally import NO_GROUP, Rule, Vote

RULE = Rule(600_000, 2, 1_000_000, 500_000)


def cast(lineage: str, group: int, passed: int = 0, *, isolated: bool = False) -> Cast:
    """Build a ballot of weight one half."""
    return Cast(Vote(lineage, 500_000, group, isolated=isolated), passed)


def winner(counted: Counted) -> int | None:
    """Return the winning group."""
    return counted.tally.winner.group if counted.tally.winner else None


def test_a_group_is_barred_by_its_worst_member() -> None:
    """One that fails an example bars all that are said to mean the same; ballots without an answer bar nobody."""
    assert barred_groups([cast("a", 0, 2), cast("b", 0, 1), cast("c", 1, 2), cast("d", NO_GROUP)], 2) == {0}


def test_strict_never_counts_by_examples() -> None:
    """One lineage alone is no consensus, whatever it passes."""
    casts = [cast("a", 0, 2), cast("b", 1, 0), cast("c", 2, 0)]
    assert winner(count(casts, RULE, "strict", 2)) is None
    by_examples = count(casts, RULE, "evidence", 2)
    assert (winner(by_examples), by_examples.by_examples) == (0, True)


def test_an_isolated_voter_may_have_been_a_rival() -> None:
    """Isolating whoever passed the examples with another answer does not make the rest evident."""
    casts = [cast("a", 0, 2), cast("b", NO_GROUP, isolated=True)]
    assert winner(count(casts, RULE, "evidence", 2)) is None


def test_the_layers_own_rule_comes_first() -> None:
    """Agreement of two lineages is not called evidence."""
    counted = count([cast("a", 0, 2), cast("b", 0, 2), cast("c", 1, 0)], RULE, "evidence", 2)
    assert (winner(counted), counted.by_examples) == (0, False)


def test_examples_replace_independence_and_not_the_lead() -> None:
    """Among those that passed, lineages may correlate as they like; a runner-up that passed too is as close as ever."""
    alike = replace(RULE, min_n_eff_micro=1_300_000, pairs=(Pair("a", "b", 900_000),))
    casts = [cast("a", 0, 2), cast("b", 0, 2), cast("c", 1, 2)]
    assert winner(count(casts, alike, "strict", 2)) is None
    counted = count(casts, alike, "evidence", 2)
    assert (winner(counted), counted.by_examples) == (0, True)
    assert counted.tally.winner is not None
    assert counted.tally.winner.n_eff_micro == 1_052_631
    for gap, wins in ((300_000, 0), (400_000, None)):
        assert winner(count(casts, replace(alike, min_gap_micro=gap), "evidence", 2)) == wins


def test_one_answer_of_a_lineage_that_was_asked_several_times_is_a_guess_and_no_evidence() -> None:
    """Two that agree are evidence, and so is the answer of a lineage asked once; who failed, or was isolated, was asked."""
    guesses = [cast("a", 1, 0), cast("a", 2, 1)]
    assert winner(count([cast("a", 0, 2), *guesses], RULE, "evidence", 2)) is None
    assert winner(count([cast("a", 0, 2), *guesses], RULE, "evidence", 2, seconded=False)) == 0
    assert winner(count([cast("a", 0, 2), cast("a", 0, 2), *guesses], RULE, "evidence", 2)) == 0
    assert winner(count([cast("a", 0, 2), cast("b", 1, 0), cast("b", 2, 0)], RULE, "evidence", 2)) == 0
    lenient = replace(RULE, quorum_micro=500_000)
    assert winner(count([cast("a", 0, 2), cast("a", NO_GROUP, isolated=True)], lenient, "evidence", 2)) is None
    for failed, wins in (("a", None), ("b", 0)):
        assert winner(count([cast("a", 0, 2), cast(failed, NO_GROUP)], RULE, "evidence", 2)) == wins
        assert winner(count([cast("a", 0, 2), cast(failed, NO_GROUP)], RULE, "evidence", 2, seconded=False)) == 0
