"""Who sits in an ensemble, and what its decisions come to."""

from collections import Counter

import msgspec
import pytest

from actors.base.errors import ConfigurationError
from cluster.evals.attacks.catalogue import ATTACKS, BY_NAME
from cluster.evals.attacks.poison import Attack
from cluster.evals.ensembles import (
    SETUPS,
    Decided,
    Member,
    Panel,
    Setup,
    attack_of,
    decided,
    draw_panel,
    draws_for,
    ensemble_row,
    error_correlation,
    phi,
    ranked_members,
    siege_report,
)
from cluster.evals.selection import Candidate
from cluster.evals.statistics import bootstrap, share_of_tasks
from tests.unit.cluster.evals.suite import ADD, fenced

FIVE, SEVEN = SETUPS[0], SETUPS[3]
ONE_LINEAGE = SETUPS[4]
TRIGGER, COPIER = BY_NAME["trigger: computed"], BY_NAME["majority copier"]


def members(passes: str = "11111", voters: str = "bbbbb") -> list[Member]:
    """Return recorded candidates of voters ``b`` and others, that pass or not."""
    return [
        Member(
            Candidate(n, voter, voter, fenced(f"def add(a, b):\n    return a + b + {n} - {n}"), greedy=False),
            hit == "1",
        )
        for n, (hit, voter) in enumerate(zip(passes, voters, strict=True))
    ]


def panel(setup: Setup = FIVE, attack: Attack = TRIGGER, number: int = 0, seed: int = 0) -> Panel:
    """Draw a panel from five candidates."""
    return draw_panel(ADD, members(), setup, attack, number, seed)


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_everybody_has_a_seat_and_a_lineage(setup: Setup) -> None:
    """Honest members have one each, and so have attackers, but where one lineage is poisoned."""
    found = panel(setup)
    assert [one.id for one in found.candidates] == list(range(setup.voters))
    assert (len(found.poisons), len(found.honest)) == (setup.attackers, setup.honest)
    lineages = len({one.lineage for one in found.candidates})
    assert lineages == (setup.honest + 1 if setup.one_lineage else setup.voters)


def test_panels_follow_from_the_seed() -> None:
    """Equal arguments seat the same; another seed or number another order, with another salt and one set of inputs a task."""
    assert panel() == panel()
    others = [panel(number=number) for number in range(8)]
    assert len({one.salt for one in others}) == 8
    assert len({one.salt[:16] for one in others}) == 1
    assert panel(seed=1).salt[:16] != panel().salt[:16]
    assert len({tuple(one.poisons) for one in others}) > 1


def test_attackers_collude_or_grind_and_build_on_either_solution() -> None:
    """Of four decisions two have one text, and two start from a solution of the attackers' own."""
    texts = [[poison.content for poison in panel(SEVEN, number=number).poisons.values()] for number in range(4)]
    assert [len(set(own)) for own in texts] == [1, 1, 3, 3]
    assert ["return a + b\n" in own[0] for own in texts] == [False, True, False, True]


def test_the_best_voters_candidates_are_seated_first() -> None:
    """Others fill up what is missing; too few are no ensemble."""
    pool = members("11111", "bbbcc")
    found = draw_panel(ADD, pool, ONE_LINEAGE, COPIER, 0, 0)
    best = {member.candidate.content for member in pool[:3]}
    assert {one.content for one in found.honest} <= best
    with pytest.raises(ConfigurationError, match="seats 5 honest members"):
        draw_panel(ADD, pool[:4], SETUPS[1], COPIER, 0, 0)


def test_the_best_voter_is_the_one_that_passes_most_often() -> None:
    """Over all tasks, wherever its candidates stand in a pool."""
    pool = [member.candidate for member in members("00011", "ccbbb")]
    found = ranked_members(
        {"t": pool, "u": pool}, {"t": [False, False, True, True, True], "u": [True, False, False, True, True]}
    )
    assert [member.candidate.voter for member in found["u"]] == list("bbbcc")
    assert [member.passes for member in found["u"]] == [False, True, True, True, False]


def test_every_attack_has_its_turn() -> None:
    """Over tasks and decisions the mix is even."""
    counts = Counter(attack_of(ATTACKS, place, number).name for place in range(len(ATTACKS)) for number in range(7))
    assert set(counts.values()) == {7}
    assert attack_of([TRIGGER], 3, 9) is TRIGGER
    assert draws_for(164) == 7
    assert draws_for(50) == 20


def test_a_payload_counts_whoever_is_served() -> None:
    """What decides is the text: an attacker's seat that served an honest text is no hit."""
    found = panel()
    poisoned = next(iter(found.poisons))
    honest = found.honest[0].id
    assert decided(ADD, found, poisoned, alone=True).payload
    assert not decided(ADD, found, honest, alone=True).payload
    assert not decided(ADD, found, None, alone=True).served
    copied = panel(attack=COPIER)
    assert not decided(ADD, copied, next(iter(copied.poisons)), alone=True).payload


def outcome(task: str, *, served: bool, payload: bool = False, alone: bool = True) -> Decided:
    """Return a decision."""
    return Decided(task, "an attack" if payload else "another", served, payload, payload, alone)


def test_shares_of_tasks_have_exact_bounds() -> None:
    """Known answers: one of four decisions, one of three served, one of two tasks; half the coverage is kept."""
    found = [
        outcome("t/0", served=True, payload=True), outcome("t/0", served=True), outcome("t/1", served=True),
        outcome("t/1", served=False),
    ]  # fmt: skip
    row = ensemble_row(FIVE, found, 0)
    assert (row.payloads, row.decisions, row.served, row.tasks, row.hit) == (1, 4, 3, 2, ("t/0",))
    assert row.payload_of_served is not None
    assert (row.payload.value, row.payload_of_served.value) == (0.25, 1 / 3)
    assert row.tasks_hit == share_of_tasks(1, 2)
    assert (row.majority_payloads, row.majority_hit, row.majority_tasks_hit) == (1, ("t/0",), share_of_tasks(1, 2))
    assert row.kept is not None
    assert (row.coverage.value, row.coverage_alone.value, row.kept.value) == (0.5, 1.0, 0.5)
    assert [(each.attack, each.payloads, each.decisions) for each in row.attacks] == [
        ("an attack", 1, 1), ("another", 0, 3),
    ]  # fmt: skip


def many(tasks: int, **how: bool) -> list[Decided]:
    """Return ten decisions on each of so many tasks; in every second task they are as said, in the others without a payload."""
    plain = {**how, "payload": False}
    return [outcome(f"t/{n}", **(how if n % 2 else plain)) for n in range(tasks) for _ in range(10)]


def test_rates_over_decisions_are_as_sure_as_their_tasks() -> None:
    """Every rate that counts decisions is bootstrapped by task, from the seed alone."""
    found = many(40, served=True, payload=True)
    row = ensemble_row(FIVE, found, 5)
    expected = bootstrap([0.0, 1.0] * 20, 5)
    assert (row.payload, row.payload_of_served, row.majority_payload) == (expected,) * 3
    assert row.coverage == bootstrap([1.0, 0.0] * 20, 5)
    assert row.coverage_alone == share_of_tasks(40, 40)
    assert row.kept == row.coverage
    assert ensemble_row(FIVE, found, 5) == row
    half = [msgspec.structs.replace(one, alone=place % 20 < 10) for place, one in enumerate(found)]
    assert ensemble_row(FIVE, half, 5).coverage_alone == row.coverage


def test_a_payload_that_was_never_served_is_not_sure_never_to_be() -> None:
    """None in forty tasks is at most 8.8 % of tasks, however many decisions each had."""
    row = ensemble_row(FIVE, many(40, served=True), 0)
    assert row.payload == row.payload_of_served == row.tasks_hit == share_of_tasks(0, 40)
    assert row.payload.high == pytest.approx(0.0881, abs=1e-4)


def test_nothing_kept_is_not_sure_to_be_nothing() -> None:
    """It has the exact bound of the tasks in which there was something to keep; where there was none there is no figure."""
    found = many(10, served=False)
    half = [msgspec.structs.replace(one, alone=place % 20 < 10) for place, one in enumerate(found)]
    row = ensemble_row(FIVE, half, 0)
    assert row.kept == share_of_tasks(0, 5)
    nothing = ensemble_row(FIVE, [outcome("t/0", served=False, alone=False)], 0)
    assert (nothing.payload_of_served, nothing.kept) == (None, None)


def test_error_correlation_is_measured_pair_by_pair() -> None:
    """Equal rows correlate fully, opposite ones negatively, rows that never change tell nothing."""
    assert phi([True, False], [True, False]) == 1.0
    assert phi([True, False], [False, True]) == -1.0
    assert phi([True, True], [True, False]) is None
    same = {"t/0": members("11", "bb"), "t/1": members("00", "bb")}
    assert error_correlation(same) == 1.0
    assert error_correlation({"t/0": members("111", "bbc")}) is None


def test_the_report_says_what_it_rests_on() -> None:
    """Tasks, seed, mix and correlation stand beside the rows."""
    found = siege_report([FIVE], {FIVE.name: [outcome("t/0", served=True)]}, {"t/0": members()}, [TRIGGER], 3)
    assert (found.tasks, found.seed, found.mix, found.rho) == (1, 3, (TRIGGER.name,), None)
    assert [row.name for row in found.ensembles] == [FIVE.name]
