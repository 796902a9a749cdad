"""Ejection and panic: the scenarios that Envoy's documentation describes."""

import pytest

from actors.consensus.breakers.config import OutlierConfig
from actors.consensus.breakers.outliers import Outliers, in_panic

EJECTIONS = [
    # (section of Envoy's "Outlier detection", voters, (time, voter, failures or −1 for a success) …, length of the last ejection)
    ("Consecutive 5xx: fewer than so many", 3, [(0, 0, 4)], None),
    ("Consecutive 5xx: so many eject", 3, [(0, 0, 5)], 30),
    ("Consecutive 5xx: a success between starts the count again", 3, [(0, 0, 4), (0, 0, -1), (0, 0, 4)], None),
    ("Ejection algorithm 2: above the percentage nobody is ejected", 10, [(0, 0, 5), (1, 1, 5)], None),
    ("Ejection algorithm 2: below it a second is", 20, [(0, 0, 5), (1, 1, 5)], 30),
    ("Ejection algorithm 2: and not a third", 20, [(0, 0, 5), (1, 1, 5), (2, 2, 5)], None),
    ("max_ejection_percent: one at least, however few voters", 1, [(0, 0, 5)], 30),
    ("Ejection algorithm 2: room comes back with the first voter", 10, [(0, 0, 5), (1, 1, 5), (30, 1, 1)], 30),
    ("Ejection algorithm 3: twice in a row is twice as long", 3, [(0, 0, 5), (30, 0, 5)], 60),
    ("Ejection algorithm 3: three times", 3, [(0, 0, 5), (30, 0, 5), (90, 0, 5)], 90),
    ("Ejection algorithm 3: ten times reach the longest",
     3, [(30 * n * (n + 1) / 2, 0, 5) for n in range(10)], 300),
    ("Ejection algorithm 3: then it does not increase any more",
     3, [(30 * n * (n + 1) / 2, 0, 5) for n in range(10)] + [(1650 + 300 * n, 0, 5) for n in range(3)], 300),
    ("Ejection algorithm 3: an interval in service takes one away", 3, [(0, 0, 5), (30, 0, 5), (100, 0, 5)], 60),
    ("Ejection algorithm 3: less than an interval takes none", 3, [(0, 0, 5), (30, 0, 5), (99, 0, 5)], 90),
    ("Ejection algorithm 3: longest ÷ shortest × interval brings it down to the shortest, from however many",
     3, [(30 * n * (n + 1) / 2, 0, 5) for n in range(10)] + [(1650 + 300 * n, 0, 5) for n in (0, 1, 2)] + [(2650, 0, 5)], 30),
    ("Ejection algorithm 4: while ejected, failures change nothing", 20, [(0, 0, 5), (10, 0, 50)], None),
    ("Ejection algorithm 4: brought back by itself, it is counted anew", 3, [(0, 0, 5), (30, 0, 4)], None),
]  # fmt: skip

PANICS = [
    # (section of Envoy's "Panic threshold", healthy percent of each priority, which are in panic)
    ("examples with P=1 healthy: 72", (72, 100), (False, False)),
    ("examples with P=1 healthy: 71", (71, 100), (False, False)),
    ("examples with P=1 healthy: 50", (50, 100), (False, False)),
    ("examples with P=1 healthy: 25", (25, 100), (False, False)),
    ("examples with P=1 healthy: 0", (0, 100), (False, False)),
    ("examples with P=1 unhealthy: 72, 72", (72, 72), (False, False)),
    ("examples with P=1 unhealthy: 71, 71", (71, 71), (False, False)),
    ("examples with P=1 unhealthy: 50, 60", (50, 60), (False, False)),
    ("examples with P=1 unhealthy: 25, 100", (25, 100), (False, False)),
    ("examples with P=1 unhealthy: 25, 25", (25, 25), (True, True)),
    ("examples with P=1 unhealthy: 5, 65", (5, 65), (True, False)),
    ("with the factor of 1.4 that the tables imply, 36 and 36 are room enough", (36, 36), (False, False)),
    ("with the factor of 1.4 that the tables imply, 35 and 35 are not", (35, 35), (True, True)),
    ("all hosts unhealthy", (0, 0), (True, True)),
    ("one priority, 49 %", (49,), (True,)),
    ("one priority, 50 %: the threshold is below which", (50,), (False,)),
]


@pytest.mark.parametrize(("section", "voters", "happened", "lasts_s"), EJECTIONS, ids=[row[0] for row in EJECTIONS])
def test_ejection_is_envoy_s(
    section: str, voters: int, happened: list[tuple[float, int, int]], lasts_s: float | None
) -> None:
    """Each row is a sentence of the documentation, played."""
    outliers = Outliers(OutlierConfig(), map(str, range(voters)))
    until_s: float | None = None
    for now_s, voter, failures in happened:
        if failures < 0:
            outliers.succeeded(str(voter))
        for _ in range(failures):
            until_s = outliers.failed(str(voter), now_s)
            if until_s is not None:
                break
    assert (None if until_s is None else until_s - happened[-1][0]) == lasts_s


@pytest.mark.parametrize(("section", "healthy", "panic"), PANICS, ids=[row[0] for row in PANICS])
def test_panic_is_envoy_s(section: str, healthy: tuple[int, ...], panic: tuple[bool, ...]) -> None:
    """Each row is one of the documentation's tables."""
    layers = [[f"{layer}/{host}" for host in range(100)] for layer in range(len(healthy))]
    available = {f"{layer}/{host}" for layer, well in enumerate(healthy) for host in range(well)}
    assert in_panic(layers, available.__contains__, 0.5) == panic


def test_a_threshold_of_0_never_panics() -> None:
    """Nor does an empty layer, which has no health to ignore, nor one of a single voter, which has nobody to spare."""
    assert in_panic([["a", "b"], [], ["c"]], lambda _: False, 0.0) == (False, False, False)
    assert in_panic([["a", "b"], [], ["c"]], lambda _: False, 0.5) == (True, False, False)


def test_it_can_be_switched_off() -> None:
    """Then nobody is ejected."""
    outliers = Outliers(OutlierConfig(enabled=False), ["a"])
    assert [outliers.failed("a", 0.0) for _ in range(20)] == [None] * 20


def test_ejections_of_no_time_do_not_add_up() -> None:
    """A base of 0 is 0, not the default."""
    outliers = Outliers(OutlierConfig(base_s=0, max_s=0, consecutive_failures=1), ["a"])
    assert [outliers.failed("a", float(now)) for now in range(4)] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(("share", "room"), [(0.29, 29), (0.1, 10), (0.0, 1), (1.0, 100)])
def test_a_share_is_counted_exactly(share: float, room: int) -> None:
    """29 % of a hundred voters are 29 of them."""
    outliers = Outliers(OutlierConfig(max_ejected_share=share, consecutive_failures=1), map(str, range(100)))
    assert sum(outliers.failed(str(voter), 0.0) is not None for voter in range(100)) == room
