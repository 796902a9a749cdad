"""How many requests a replica takes, by how long turns of its loop take."""

import pytest

from actors.admission.config import SheddingConfig
from actors.admission.shedding import LoadLimit

CONFIG = SheddingConfig()
LOOK_S = CONFIG.look_ms / 1000


class Loop:
    """A loop whose turns take as long as one says."""

    def __init__(self, max_limit: int = 256, usual_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.load = LoadLimit(CONFIG, max_limit, self.now_s)
        if usual_s:
            self.load.took(usual_s)

    def run(self, seconds: float, turn_s: float, under_way: int) -> None:
        """Let time pass."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.load.look(self.now_s)
            self.now_s += turn_s
            self.load.turned(turn_s, self.now_s, under_way)
            self.now_s += max(0.0, LOOK_S - turn_s)


def test_a_loop_on_time_takes_what_is_configured() -> None:
    """From the first request on."""
    loop = Loop()
    assert loop.load.limit == 256
    loop.run(10, 0.001, 200)
    assert loop.load.limit == 256


def test_a_late_loop_takes_less_than_is_under_way() -> None:
    """At once, and ever less while it stays late; never below the least."""
    loop = Loop()
    loop.run(0.3, 0.05, 100)
    assert loop.load.limit <= 80
    loop.run(5, 0.05, 2)
    assert loop.load.limit == CONFIG.min_limit


def test_it_recovers_within_seconds() -> None:
    """From the least to all in less than ten, whether the limit was reached meanwhile or not."""
    loop = Loop()
    loop.run(5, 0.2, 2)
    loop.run(5, 0.0, 1)
    assert loop.load.limit == 256


def test_how_late_is_too_late_depends_on_what_requests_take() -> None:
    """A delay that ruins requests of 10 ms is nothing to those of a second; there are bounds both ways."""
    quick, slow = Loop(usual_s=0.01), Loop(usual_s=0.8)
    assert (quick.load.allowed_s, slow.load.allowed_s) == (0.005, pytest.approx(0.04))
    assert Loop(usual_s=60).load.allowed_s == 0.05
    for loop in (quick, slow):
        loop.run(1, 0.02, 100)
    assert quick.load.limit < 100
    assert slow.load.limit == 256


def test_overload_does_not_teach_what_is_usual() -> None:
    """Nothing is learnt while the loop is late."""
    loop = Loop(usual_s=0.1)
    loop.run(1, 0.05, 100)
    for _ in range(1000):
        loop.load.took(10.0)
    assert loop.load.usual_s == 0.1


def test_one_pause_changes_nothing() -> None:
    """A collection of garbage is no overload: the shortest turn tells."""
    loop = Loop()
    loop.run(1, 0.0, 100)
    loop.run(LOOK_S / 2, 0.5, 100)
    loop.run(1, 0.0, 100)
    assert loop.load.limit == 256


def test_a_turn_that_takes_too_long_is_known_before_it_ends() -> None:
    """The timer is overdue, though nobody could look yet."""
    loop = Loop()
    loop.load.look(loop.now_s)
    assert not loop.load.is_overdue(loop.now_s + LOOK_S + 0.009)
    assert loop.load.is_overdue(loop.now_s + LOOK_S + 0.011)


def test_the_least_is_never_more_than_what_is_configured() -> None:
    """A replica that takes two at a time takes two."""
    loop = Loop(max_limit=2)
    loop.run(5, 0.2, 2)
    assert loop.load.limit == 2
