"""What is saved while too much comes, and that nothing falls below its policy."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.admission.brownout import Brownout, savable, thrifty, without
from actors.admission.config import BrownoutConfig
from actors.consensus.reading.examples import Example
from actors.consensus.tally import NO_GROUP, Rule, Vote, tally
from actors.consensus.vocabulary import Plan, Seat
from tests.unit.actors.consensus.world import plan

RULE = Rule(550_000, 2, 1_000_000, 300_000)


def panel(size: int, weights: list[int] | None = None, **changes: object) -> Plan:
    """Return the plan of a panel of so many lineages."""
    given = weights or [1_000_000] * size
    seats = [Seat(f"v{n}", "f", f"l{n}", weight) for n, weight in enumerate(sorted(given, reverse=True))]
    return plan(seats, **({"rule": RULE} | changes))


def test_levels_rise_and_fall_with_pressure_and_do_not_flicker() -> None:
    """Each begins at its pressure and ends below half of it."""
    brownout = Brownout(BrownoutConfig())
    levels = []
    for pressure in (0.0, 0.04, 0.05, 0.03, 0.02, 0.5, 0.11, 0.09, 0.0):
        brownout.look(pressure)
        levels.append(brownout.level)
    assert levels == [0, 0, 1, 1, 0, 2, 2, 1, 0]
    assert brownout.cuts == ()
    brownout.look(1.0)
    assert brownout.cuts == ("hedges", "voters")


def test_no_levels_save_nothing() -> None:
    """An empty table is one."""
    brownout = Brownout(BrownoutConfig(levels=()))
    brownout.look(1.0)
    assert brownout.cuts == ()


def test_a_panel_is_cut_to_those_who_can_outvote_a_dissenter() -> None:
    """Of nine, five must agree: six are asked; of three, all are."""
    cut = thrifty(panel(9))
    assert len(cut.seats) == 6
    assert [seat.voter for seat in cut.spares] == ["v6", "v7", "v8"]
    assert cut.rule.quorum_micro == 550_000 * 9 // 6
    assert thrifty(panel(3)) == panel(3)


def test_what_cannot_act_is_not_said_to_be_saved() -> None:
    """Hedges are saved where somebody stands by and may be asked, voters where a panel can be cut."""
    both = ("hedges", "voters")
    spare = (Seat("s", "f", "ls", 1_000_000),)
    assert without(panel(3), both) == panel(3)
    stands_by = panel(3, spares=spare, max_substitutes=1)
    assert without(stands_by, both) == replace(stands_by, saved=("hedges",))
    assert without(panel(3, spares=spare, max_substitutes=0), both).saved == ()
    assert without(panel(9, max_substitutes=2), both).saved == both
    assert without(panel(9, max_substitutes=0), both).saved == ("voters",)
    assert without(panel(9, max_substitutes=2), ("hedges",)) == panel(9, max_substitutes=2)
    assert (savable(stands_by, both), savable(panel(3), both)) == (["hedges"], [])


def test_what_the_highest_level_saves_is_known_in_calm() -> None:
    """Nothing, if there is no level."""
    assert Brownout(BrownoutConfig()).all_cuts == ("hedges", "voters")
    assert Brownout(BrownoutConfig(levels=())).all_cuts == ()


def test_a_small_quorum_is_raised_until_nobody_unasked_could_take_the_lead() -> None:
    """Two of nine would do, and seven others could outvote them: more than half of the whole must agree."""
    rule = replace(RULE, quorum_micro=200_000)
    cut = thrifty(panel(9, rule=rule))
    assert cut.rule.quorum_micro * len(cut.seats) > 9 * 500_000
    apart = thrifty(panel(9, rule=replace(rule, min_gap_micro=300_000)))
    assert apart.rule.quorum_micro * len(apart.seats) > 9 * 650_000


def test_what_rests_on_everybody_stays_whole() -> None:
    """Code under strict or with examples, prose, one voter, a hearing, an isolated voter, a later layer, shared lineages."""
    for changes in (
        {"kind": "code:python"}, {"kind": "text"}, {"policy": "direct"}, {"hear_everyone": True},
        {"isolated": frozenset({"v0"})}, {"index": 1},
    ):  # fmt: skip
        whole = panel(9, **changes)
        assert thrifty(whole) is whole
    assert thrifty(panel(9, kind="code:python", policy="evidence")) != panel(9, kind="code:python", policy="evidence")
    two, one = (Example("f(1)", "2"), Example("f(2)", "3")), (Example("f(1)", "2"),)
    by_examples = panel(9, kind="code:python", policy="evidence", examples=two)
    assert thrifty(by_examples) is by_examples
    assert thrifty(replace(by_examples, examples=one)) != replace(by_examples, examples=one)
    twins = panel(9)
    twins = replace(twins, seats=tuple(replace(seat, lineage=f"l{n % 3}") for n, seat in enumerate(twins.seats)))
    assert thrifty(twins) is twins


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 1_000_000), min_size=4, max_size=9),
    st.integers(200_000, 900_000),
    st.integers(0, 300_000),
    st.data(),
)
def test_whoever_wins_in_a_cut_panel_wins_in_the_whole_one_whatever_the_others_say(
    weights: list[int], quorum: int, gap: int, data: st.DataObject
) -> None:
    """The policy's own rule, on the whole panel, has the same winner."""
    rule = replace(RULE, quorum_micro=quorum, min_gap_micro=gap)
    whole = panel(len(weights), weights, rule=rule)
    cut = thrifty(whole)
    groups = st.sampled_from([0, 0, 0, 0, 1, NO_GROUP])
    asked = [Vote(seat.lineage, seat.weight_micro, data.draw(groups)) for seat in cut.seats]
    others = st.sampled_from([0, 1, 2, NO_GROUP])
    together, says = data.draw(st.booleans()), data.draw(others)
    rest = [Vote(s.lineage, s.weight_micro, says if together else data.draw(others)) for s in cut.spares]
    few = tally(asked, cut.rule)
    if few.winner is not None:
        every = tally([*asked, *rest], rule)
        assert every.winner is not None
        assert every.winner.group == few.winner.group
