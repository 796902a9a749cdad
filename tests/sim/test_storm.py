"""Storms: schedules are drawn by seed, everything is hit, and the code as it is breaks nothing."""

from collections import Counter

from cluster.simulation.admission_judge import SERVED_WITHIN_S
from cluster.simulation.hunt import hunt
from cluster.simulation.limits_judge import RECOVERS_S
from cluster.simulation.storm import (
    _FORGED,
    _KINDS,
    _OF_LOAD,
    _OF_REPEATS,
    LASTS_S,
    REQUESTS,
    SPELL_LASTS_S,
    is_loaded,
    is_of_clocks,
    is_spell,
    play,
    schedule_of,
)
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival


def test_the_code_as_it_is_breaks_nothing() -> None:
    """A few storms, one after the other; the campaign plays a thousand."""
    found = hunt(range(500, 508), workers=1)
    assert found.found == ""
    assert found.seeds == 8
    assert found.looked > 8 * REQUESTS / 2


def test_schedules_hold_everything_that_can_go_wrong() -> None:
    """Over some seeds every kind of fault is drawn, in time, and each request once."""
    schedules = [schedule_of(seed) for seed in range(62) if not (is_spell(seed) or is_of_clocks(seed))]
    kinds = Counter(event.kind for events in schedules for event in events if isinstance(event, Fault))
    assert kinds.keys() == {*_KINDS, *_OF_LOAD, *_OF_REPEATS, *_FORGED}
    for events in schedules:
        assert sorted(event.number for event in events if isinstance(event, Arrival)) == list(range(REQUESTS))
        assert all(0 <= event.at_s <= LASTS_S for event in events)
        assert [event.at_s for event in events] == sorted(event.at_s for event in events)


def test_every_fourth_storm_is_one_of_load() -> None:
    """There, keys with limits ask and bursts come; elsewhere all have one key without."""
    for seed in range(20):
        events = schedule_of(seed)
        keys = {event.key for event in events if isinstance(event, Arrival)}
        assert (len(keys) > 1) == is_loaded(seed) == (seed % 4 == 3 and not is_spell(seed))
        assert is_loaded(seed) or not any(isinstance(event, Fault) and event.kind == "burst" for event in events)


def test_every_thirty_second_storm_is_a_slow_spell() -> None:
    """Steady traffic from end to end, at least one slow voter, and time enough afterwards for limits to come back."""
    assert [seed for seed in range(100) if is_spell(seed)] == [15, 47, 79]
    for seed in (15, 47, 79):
        traffic, *others = (event for event in schedule_of(seed) if isinstance(event, Fault))
        assert (traffic.kind, traffic.ends_s) == ("traffic", SPELL_LASTS_S)
        slow = [event for event in others if event.kind == "slow"]
        assert slow
        assert all(event.ends_s + 2 * RECOVERS_S < SPELL_LASTS_S + RECOVERS_S / 2 for event in slow)


def test_a_key_with_a_limit_outlives_a_clock_that_goes_back_by_hours() -> None:
    """Every sixty-fourth storm: what was ahead goes back, replicas die meanwhile, and at the end all is as before."""
    assert [seed for seed in range(200) if is_of_clocks(seed)] == [31, 95, 159]
    jumps = [event for event in schedule_of(31) if isinstance(event, Fault) and event.kind == "clock_jump"]
    assert sum(jump.value for jump in jumps) == 0
    assert min(jump.value for jump in jumps) < -3000
    world = play(31, schedule_of(31))
    assert [str(breach) for breach in world.judge.breaches] == []
    late = [outcome.result for outcome in world.outcomes if outcome.arrival.at_s > jumps[-1].at_s + SERVED_WITHIN_S]
    assert late.count("limited") < len(late) / 5


def test_a_slow_spell_is_lived_through() -> None:
    """Nothing is broken, and nearly all are answered: what is slow is asked less, and then as before."""
    world = play(47, schedule_of(47))
    assert [str(breach) for breach in world.judge.breaches] == []
    assert sum(outcome.result == "answered" for outcome in world.outcomes) > 0.8 * len(world.outcomes)


def test_who_still_has_time_is_waited_for() -> None:
    """A request at the end of steady traffic may take its whole minute: that it is inside then is no leak."""
    assert [str(breach) for breach in play(463, schedule_of(463)).judge.breaches] == []


def test_policy_that_is_away_twice_in_a_row_is_confirmed_by_nobody_between() -> None:
    """A replica that looks at neither edge took it as read then, and answered when it was stale."""
    assert [str(breach) for breach in play(585, schedule_of(585)).judge.breaches] == []


def test_a_schedule_can_be_read() -> None:
    """Every event is one line: when, whom, what, how long."""
    assert str(Fault(2.5, "log_slow", "replica 1", 3.0, 1.6)) == "    2.500 s  replica 1: log_slow (1.6) for 3 s"
    assert str(Fault(0.0, "halt", "", 2.0)) == "    0.000 s  everywhere: halt for 2 s"
    leaves = Arrival(1.0, 7, 3, policy="evidence", leaves_after_s=0.5)
    burst = Fault(2.0, "burst", "limited", 1.5, 30)
    assert str(burst) == "    2.000 s  limited: burst (30) for 1.5 s"
    limited = Arrival(1.0, 7, 3, key="limited")
    assert str(limited) == "    1.000 s  client: request 7 (strict, question 3, key limited)"
    assert str(leaves) == "    1.000 s  client: request 7 (evidence, question 3, hangs up after 0.5 s)"
