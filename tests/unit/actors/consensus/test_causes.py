"""What is said of a layer that ended without a winner."""

import pytest
from msgspec.structs import replace

from actors.consensus.causes import cause_of
from actors.consensus.independence import Pair
from actors.consensus.tally import NO_GROUP, Rule, Vote, tally

RULE = Rule(quorum_micro=500_000, min_lineages=2, min_n_eff_micro=1_300_000, rho_micro=500_000)


def votes(*groups: int) -> list[Vote]:
    """Return equal votes of different lineages for the given groups."""
    return [Vote("abcdef"[place], 500_000, group) for place, group in enumerate(groups)]


@pytest.mark.parametrize(
    ("cast", "rule", "said"),
    [
        (votes(0, 1, 2), RULE, "no group of answers reached the quorum (largest support 0.33)"),
        (votes(NO_GROUP, NO_GROUP), RULE, "no group of answers reached the quorum (largest support 0.00)"),
        (votes(0, 0, 1), replace(RULE, min_lineages=3), "the largest group is of 2 lineages, policy asks for 3"),
        (
            votes(0, 0, 1),
            replace(RULE, pairs=(Pair("a", "b", 900_000),)),
            "the largest group counts as 1.05 independent votes, policy asks for 1.30",
        ),
        (
            votes(0, 0, 0, 1, 1),
            replace(RULE, min_gap_micro=300_000),
            "another group comes too close to the largest (support 0.60, least lead 0.30)",
        ),
        (votes(0, 0, 1, 1), RULE, "another group comes too close to the largest (support 0.50, least lead 0.00)"),
    ],
)
def test_the_first_bar_that_was_missed_is_named(cast: list[Vote], rule: Rule, said: str) -> None:
    """Support, lineages, independence, lead: whichever the largest group falls short of first, with both numbers."""
    counted = tally(cast, rule)
    assert counted.winner is None
    assert cause_of("disagreed", counted, rule) == said


def test_voters_that_were_not_heard_and_answers_that_were_rejected_are_told_apart() -> None:
    """Neither is a disagreement, whatever the tally stands at."""
    counted = tally(votes(0, NO_GROUP), RULE)
    assert "gave a readable answer" in cause_of("unavailable", counted, RULE)
    assert "passed screening" in cause_of("screened_out", counted, RULE)
