"""Histories drawn again: weeks stay whole, co-occurrence is what is asked for, and nobody becomes worse by it."""

from cluster.simulation.draws import Draws
from cluster.simulation.outages import WEEK_S, History, Incident, faults_of, provider_faults, replicate, together

HISTORY: History = (
    (),
    (Incident(3600.0, 600.0, 1),),
    (Incident(100.0, 7200.0, 3), Incident(90_000.0, 1800.0, 2)),
)
ALWAYS = dict.fromkeys(range(4), 1.0)


def test_weeks_are_drawn_whole() -> None:
    """Every drawn week is one of the history's, moved to its place."""
    drawn = replicate(HISTORY, 200, Draws(1))
    weeks: dict[int, list[Incident]] = {}
    for incident in drawn:
        weeks.setdefault(int(incident.at_s // WEEK_S), []).append(incident)
    shapes = {tuple((one.at_s % WEEK_S, one.lasts_s, one.level) for one in week) for week in weeks.values()}
    assert shapes == {tuple((one.at_s, one.lasts_s, one.level) for one in week) for week in HISTORY if week}
    assert 40 < sum(len(week) == 2 for week in weeks.values()) < 95
    assert drawn == sorted(drawn, key=lambda one: one.at_s)


def test_co_occurrence_is_the_share_that_is_asked_for() -> None:
    """So large a share of incidents begins within another provider's, and lengths and levels stay what they were."""
    anchor, own = replicate(HISTORY, 600, Draws("first")), replicate(HISTORY, 600, Draws("second"))
    spans = [(one.at_s, one.at_s + one.lasts_s) for one in anchor]

    def within(incidents: list[Incident]) -> float:
        return sum(any(begin <= one.at_s <= end for begin, end in spans) for one in incidents) / len(incidents)

    moved = together(own, anchor, 0.3, Draws("moved"))
    chance = within(own)
    assert abs(within(moved) - (0.3 + 0.7 * chance)) < 0.05
    assert sorted((one.lasts_s, one.level) for one in moved) == sorted((one.lasts_s, one.level) for one in own)
    assert together(own, anchor, 0.0, Draws("moved")) == own


def test_an_incident_strikes_a_customer_for_all_of_its_time() -> None:
    """With the probability of its level nothing is answered until it is over; else answers are slow, or nothing is noticed."""
    incidents = [Incident(10.0 * n, 5.0, 3) for n in range(1000)]
    faults = faults_of("p", incidents, {3: 0.8}, Draws(3))
    silent = [fault for fault in faults if fault.kind != "slow"]
    assert 760 < len(silent) < 840
    assert len(faults) == 1000
    assert {fault.lasts_s for fault in faults} == {5.0}
    assert {fault.kind for fault in silent} == {"down", "hung", "busy"}
    assert faults_of("p", [Incident(0.0, 5.0, 0)], {0: 0.0}, Draws(3)) == []


def test_every_provider_has_its_own_outages() -> None:
    """Providers draw their own weeks: without co-occurrence they are down together by chance alone."""
    faults = provider_faults(dict.fromkeys(("a", "b", "c"), HISTORY), 100, 0.0, ALWAYS, Draws(5))
    starts = {name: {fault.at_s for fault in faults if fault.target == name} for name in "abc"}
    assert all(len(each) > 50 for each in starts.values())
    assert len(starts["a"] & starts["b"]) < len(starts["a"]) // 2
