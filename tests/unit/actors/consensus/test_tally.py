"""The tally and its early end."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.base.canonical import MICRO
from actors.consensus.independence import Pair
from actors.consensus.tally import NO_GROUP, Rule, Vote, settled, tally
from tests.examples import examples

RULE = Rule(quorum_micro=600_000, min_lineages=2, min_n_eff_micro=1_300_000, rho_micro=500_000)


def vote(lineage: str, group: int, weight: int = 500_000, *, outstanding: bool = False) -> Vote:
    """Build a vote."""
    return Vote(lineage, weight, group, outstanding)


def test_two_of_three_lineages_win() -> None:
    """Two thirds of equal weight from two lineages pass a quorum of 0.6."""
    result = tally([vote("a", 0), vote("b", 0), vote("c", 1)], RULE)
    assert result.outcome == "agreed"
    assert result.winner is not None
    assert (result.winner.group, result.winner.support_micro, result.winner.lineages) == (0, 666_666, 2)


def test_a_lineage_counts_once() -> None:
    """Three voters of one lineage are one opinion: no quorum however many they are."""
    result = tally([vote("a", 0), vote("a", 0), vote("a", 0), vote("b", 1)], RULE)
    assert result.outcome == "disagreed"
    assert result.eligible == {"a": 500_000, "b": 500_000}


def test_one_lineage_never_wins_by_weight_alone() -> None:
    """Whatever it weighs and however little independence a rule asks for: the least number of lineages holds by itself."""
    lone = Rule(quorum_micro=600_000, min_lineages=2, min_n_eff_micro=1_000_000, rho_micro=0)
    votes = [vote("a", 0, 900_000), vote("a", 0, 900_000), vote("b", NO_GROUP, 100_000)]
    assert tally(votes, lone).winner is None
    assert tally(votes, replace(lone, min_lineages=1)).winner is not None


def test_a_divided_lineage_gives_each_group_its_share() -> None:
    """A lineage whose voters contradict each other splits its one weight."""
    result = tally([vote("a", 0), vote("a", 1), vote("b", 0)], Rule(700_000, 2, 0, 0))
    assert result.winner is not None
    assert result.winner.support_micro == 750_000


def test_failed_seats_count_against() -> None:
    """One answer out of three seats is no quorum, and the cause is unavailability."""
    result = tally([vote("a", 0), vote("b", NO_GROUP), vote("c", NO_GROUP)], RULE)
    assert result.outcome == "unavailable"


def test_a_substitute_adds_no_weight_to_agree_against() -> None:
    """A substitute's agreement makes up for a failed seat; its dissent takes nothing from those that agree."""
    failed, spare = vote("a", NO_GROUP), replace(vote("d", 1), substitute=True)
    joined = tally([failed, vote("b", 0), vote("c", 1), spare], RULE)
    assert joined.winner is not None
    assert (joined.winner.group, joined.winner.support_micro, sum(joined.eligible.values())) == (1, 666_666, 1_500_000)
    apart = tally([failed, vote("b", 0), vote("c", 0), spare], RULE)
    assert apart.winner is not None
    assert apart.winner.support_micro == 666_666


def test_a_failed_heavy_seat_never_makes_a_minority_a_quorum() -> None:
    """The weight of a seat stays what agreement is measured by, whoever is asked instead of its voter."""
    light = replace(vote("d", 1, 100_000), substitute=True)
    assert tally([vote("a", NO_GROUP, 900_000), vote("b", 0), vote("c", 0), light], RULE).winner is None


def test_substitutes_that_outweigh_the_seats_count_against_each_other() -> None:
    """Where more weight has voted than was seated, support is a share of what voted: never above the whole."""
    votes = [vote("a", 0), vote("a", NO_GROUP), vote("b", 1), replace(vote("d", 0), substitute=True)]
    result = tally(votes, RULE)
    assert result.eligible == {"a": 500_000, "b": 500_000, "d": 500_000}
    assert sum(standing.support_micro for standing in result.standings) <= MICRO


def test_answers_that_differ_are_disagreement() -> None:
    """When everybody answered and nobody agrees, the layer disagreed; it was not unavailable."""
    assert tally([vote("a", 0), vote("b", 1), vote("c", 2)], RULE).outcome == "disagreed"


def test_an_empty_panel_is_unavailable() -> None:
    """Nobody seated, nobody wins: an empty composite fails closed."""
    assert tally([], RULE).outcome == "unavailable"


def test_correlated_votes_do_not_reach_n_eff() -> None:
    """Two wholly correlated lineages are one vote and fall short of the least n_eff."""
    rule = Rule(600_000, 2, 1_300_000, MICRO)
    assert tally([vote("a", 0), vote("b", 0)], rule).winner is None


def test_a_correlated_pair_falls_short_where_the_default_did_not() -> None:
    """Independence is the pair's own: with 0.9 between them two lineages abstain, others on the same panel do not."""
    rule = replace(RULE, pairs=(Pair("a", "b", 900_000),))
    assert tally([vote("a", 0), vote("b", 0), vote("c", 1)], RULE).winner is not None
    alike = tally([vote("a", 0), vote("b", 0), vote("c", 1)], rule)
    assert (alike.outcome, alike.winner, alike.standings[0].n_eff_micro) == ("disagreed", None, 1_052_631)
    assert tally([vote("a", 0), vote("b", 1), vote("c", 0)], rule).winner is not None


def test_an_independent_pair_suffices_where_the_default_did_not() -> None:
    """Two lineages that err apart are enough votes for a rule that two of mean correlation fall short of."""
    wide = replace(RULE, min_n_eff_micro=1_600_000)
    votes = [vote("a", 0), vote("b", 0), vote("c", 1)]
    assert tally(votes, wide).winner is None
    winner = tally(votes, replace(wide, pairs=(Pair("a", "b", 100_000),))).winner
    assert winner is not None
    assert winner.n_eff_micro == 1_818_181


def test_a_close_runner_up_is_no_winner() -> None:
    """A lead of exactly the least gap wins, one unit less does not; without a gap any lead does."""
    votes = [vote("a", 0, 600_000), vote("b", 0, 1), vote("c", 1, 400_000)]
    near = replace(RULE, quorum_micro=510_000, min_n_eff_micro=0)
    lead = 2 * 600_000 - MICRO
    assert [standing.support_micro for standing in tally(votes, near).standings] == [600_000, 399_999]
    for gap, wins in ((0, True), (lead, True), (lead + 1, True), (lead + 2, False)):
        assert (tally(votes, replace(near, min_gap_micro=gap)).winner is not None) == wins


def test_isolated_voters_side_with_the_runner_up() -> None:
    """The lead is measured against what a rival would have with every isolated voter on its side."""
    votes = [vote("a", 0), vote("b", 0), vote("c", 0), vote("d", 1), replace(vote("e", NO_GROUP), isolated=True)]
    assert tally(votes, replace(RULE, min_gap_micro=190_000)).winner is not None
    assert tally(votes, replace(RULE, min_gap_micro=210_000)).winner is None


def test_nothing_settles_while_the_lead_may_yet_shrink() -> None:
    """A winner whose lead only an outstanding voter could close is not certain; one that keeps it is."""
    votes = [vote("a", 0), vote("b", 0), vote("c", 0), vote("d", NO_GROUP, outstanding=True)]
    assert settled(votes, replace(RULE, min_gap_micro=400_000)) is not None
    assert settled(votes, replace(RULE, min_gap_micro=600_000)) is None
    failed = [*votes[:3], vote("d", NO_GROUP)]
    assert tally(failed, replace(RULE, min_gap_micro=600_000)).winner is not None


def completions(votes: list[Vote]) -> list[list[Vote]]:
    """Every way the outstanding ballots can end: fail, join a group, found a new one."""
    places = [i for i, v in enumerate(votes) if v.outstanding]
    groups = [*sorted({v.group for v in votes if v.group != NO_GROUP}), NO_GROUP, 90, 91, 92]
    result = []
    for ends in itertools.product(groups, repeat=len(places)):
        closed = list(votes)
        for place, group in zip(places, ends, strict=True):
            closed[place] = replace(votes[place], group=group, outstanding=False)
        result.append(closed)
    return result


@st.composite
def panels(draw: st.DrawFn) -> list[Vote]:
    """Small panels with shared lineages, failures, isolated voters, substitutes and outstanding ballots."""
    size = draw(st.integers(1, 5))
    seats = draw(st.integers(1, size))
    votes = []
    for number in range(size):
        outstanding = draw(st.booleans())
        isolated = not outstanding and draw(st.integers(0, 4)) == 0
        group = NO_GROUP if outstanding or isolated else draw(st.sampled_from([NO_GROUP, 0, 1, 2]))
        weight = draw(st.sampled_from([1, 300_000, 500_000, 900_000]))
        votes.append(Vote(draw(st.sampled_from("abcd")), weight, group, outstanding, isolated, number >= seats))
    return votes


PAIRS = st.dictionaries(
    st.sampled_from([*itertools.combinations("abcde", 2)]), st.sampled_from([0, 300_000, 900_000, MICRO]), max_size=4
).map(lambda known: tuple(Pair(a, b, rho) for (a, b), rho in sorted(known.items())))
RULES = st.builds(
    Rule, st.sampled_from([300_000, 510_000, 600_000, 800_000, MICRO]), st.integers(1, 3),
    st.sampled_from([MICRO, 1_100_000, 1_300_000, 1_600_000]), st.sampled_from([0, 500_000]),
    st.sampled_from([0, 0, 1, 100_000, 333_333, 600_000]), PAIRS,
)  # fmt: skip


@settings(max_examples=examples(300))
@given(panels(), RULES)
def test_no_completion_changes_a_settled_end(votes: list[Vote], rule: Rule) -> None:
    """Once settled, whatever the outstanding ballots bring, the outcome and the winning group stay."""
    end = settled(votes, rule)
    if end is None:
        return
    for closed in completions(votes):
        final = tally(closed, rule)
        assert final.outcome == end.outcome
        assert (final.winner.group if final.winner else None) == (end.winner.group if end.winner else None)


@settings(max_examples=examples(200))
@given(
    panels(), RULES, st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from([1, 500_000, 900_000])), max_size=2)
)
def test_no_substitute_changes_a_settled_end(votes: list[Vote], rule: Rule, spares: list[tuple[str, int]]) -> None:
    """An end settled with spares at hand, with a winner or without, stays however many of them are asked for voters that fail."""
    bench = [Vote(lineage, weight, NO_GROUP, outstanding=True, substitute=True) for lineage, weight in spares]
    end = settled(votes, rule, bench)
    if end is None:
        return
    places = [i for i, v in enumerate(votes) if v.outstanding]
    for count in range(min(len(places), len(bench)) + 1):
        for failing in itertools.combinations(places, count):
            asked = [replace(v, outstanding=False) if i in failing else v for i, v in enumerate(votes)]
            for closed in completions([*asked, *bench[:count]]):
                final = tally(closed, rule)
                assert final.outcome == end.outcome
                assert (final.winner.group if final.winner else None) == (end.winner.group if end.winner else None)


@settings(max_examples=examples(200))
@given(panels(), RULES)
def test_no_isolation_of_an_outstanding_voter_changes_a_settled_winner(votes: list[Vote], rule: Rule) -> None:
    """Whichever of those that are waited for policy isolates meanwhile, and whatever the others bring."""
    end = settled(votes, rule)
    if end is None or end.winner is None:
        return
    places = [i for i, v in enumerate(votes) if v.outstanding]
    for count in range(1, len(places) + 1):
        for apart in itertools.combinations(places, count):
            kept = [replace(v, outstanding=False, isolated=True) if i in apart else v for i, v in enumerate(votes)]
            winners = [tally(closed, rule).winner for closed in completions(kept)]
            assert all(winner is not None and winner.group == end.winner.group for winner in winners)


@settings(max_examples=examples(150))
@given(panels(), RULES)
def test_what_wins_with_voters_isolated_wins_whatever_they_had_answered(votes: list[Vote], rule: Rule) -> None:
    """An isolated ballot is the worst dissent: no answer of the isolated voters could have made another end."""
    closed = [replace(v, outstanding=False) for v in votes]
    end = tally(closed, rule)
    places = [i for i, v in enumerate(closed) if v.isolated]
    if end.winner is None:
        return
    for groups in itertools.product([NO_GROUP, 0, 1, 2, 3], repeat=len(places)):
        answered = list(closed)
        for place, group in zip(places, groups, strict=True):
            answered[place] = replace(closed[place], group=group, isolated=False)
        winner = tally(answered, rule).winner
        assert winner is not None
        assert winner.group == end.winner.group


@given(panels(), RULES, st.randoms(use_true_random=False))
def test_order_does_not_matter(votes: list[Vote], rule: Rule, random: object) -> None:
    """The same ballots give the same end in whatever order they are counted."""
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert tally(votes, rule) == tally(shuffled, rule)


@pytest.mark.parametrize("third", [vote("c", 0), vote("c", 1), vote("c", NO_GROUP)])
def test_two_agreeing_of_three_settle_at_once(third: Vote) -> None:
    """The usual case: the third voter need not be waited for, whatever it would say."""
    early = settled([vote("a", 0), vote("b", 0), vote("c", NO_GROUP, outstanding=True)], RULE)
    assert early is not None
    assert early.winner is not None
    assert tally([vote("a", 0), vote("b", 0), third], RULE).winner is not None


def test_a_heavy_spare_that_is_never_asked_settles_nothing() -> None:
    """The end must hold for every number of spares asked: one that would make the winner safer may not be needed."""
    votes = [*[vote("a", 0, 100_000)] * 5, vote("b", 0, 100_000), vote("c", NO_GROUP, 100_000)]
    votes.append(vote("a", NO_GROUP, 100_000, outstanding=True))
    rule = Rule(640_000, 2, MICRO, 0)
    assert tally(votes, rule).winner is not None
    assert settled(votes, rule, [replace(vote("a", NO_GROUP, 900_000, outstanding=True), substitute=True)]) is None


def test_spares_that_could_bring_no_quorum_are_not_waited_for() -> None:
    """The only other lineage has failed: with spares of the first it is over; one of another is hope, wherever it stands."""
    votes = [vote("a", NO_GROUP, outstanding=True), vote("b", NO_GROUP)]
    spares = [replace(vote(lineage, NO_GROUP, outstanding=True), substitute=True) for lineage in "aac"]
    end = settled(votes, RULE, spares[:2])
    assert end is not None
    assert end.outcome == "unavailable"
    assert settled(votes, RULE, spares) is None
    assert settled(votes, RULE, [spares[2], spares[0]]) is None


def test_hope_of_few_spares_is_hope_though_all_of_them_would_be_none() -> None:
    """A heavy one of an isolated lineage halves its own support: those who agree win only if it is never asked."""
    kept_out = replace(vote("a", NO_GROUP, 100_000), isolated=True)
    waited_for = vote("b", NO_GROUP, 900_000, outstanding=True)
    one, heavy = (replace(vote(name, NO_GROUP, 900_000, outstanding=True), substitute=True) for name in "da")
    rule = Rule(900_000, 2, MICRO, 0)
    # Hope lies in the first spare alone.
    votes = [kept_out, vote("b", 0, 900_000), vote("c", NO_GROUP, 900_000), waited_for]
    assert settled(votes, rule) is not None
    assert settled(votes, rule, [one]) is None
    assert settled(votes, rule, [one, heavy]) is None
    # They disagree; asked for whoever fails, the spare would make them too few to have agreed.
    votes = [kept_out, vote("b", 0, 900_000), vote("c", 1, 900_000), waited_for]
    assert settled(votes, rule) is not None
    assert settled(votes, rule, [heavy]) is None


def test_a_disagreement_that_nobody_can_end_is_settled() -> None:
    """Three of four said different things: with the fourth none of them has more than half."""
    end = settled([vote("a", 0), vote("b", 1), vote("c", 2), vote("d", NO_GROUP, outstanding=True)], RULE)
    assert end is not None
    assert end.outcome == "disagreed"


def test_one_answer_settles_nothing() -> None:
    """While the others could still agree, nothing is concluded."""
    others = [vote("b", NO_GROUP, outstanding=True), vote("c", NO_GROUP, outstanding=True)]
    assert settled([vote("a", 0), *others], RULE) is None
