"""The relief of a queue asks for a replica, tells what it did, and gives the replica back."""

import pytest

from actors.base.errors import NotReady
from actors.health.config import HealthConfig
from actors.health.ports import Replicas
from actors.health.relief import QueueRelief
from actors.health.scaling import Size

CONFIG = HealthConfig(scale_back_after_s=100)


class Scaler:
    """A deployment whose replicas run at once, unless Serve is away."""

    def __init__(self) -> None:
        self.replicas, self.away, self.looks = 1, False, 0

    def look(self) -> Replicas:
        """Count."""
        self.looks += 1
        if self.away:
            raise NotReady("Serve does not answer")
        return Replicas(self.replicas, self.replicas, 2.0)

    def scale(self, replicas: int) -> None:
        """Change."""
        self.replicas = replicas


def relief(scaler: Scaler, available_mib: int = 8000) -> QueueRelief:
    """Return the relief of a gateway with one replica configured."""
    return QueueRelief(scaler, Size(1, 1.0), lambda: available_mib, CONFIG)


def test_what_was_done_is_told_and_so_is_why_nothing_was() -> None:
    """One replica is asked for; the next time the bound is told, and without memory nothing is asked for."""
    scaler = Scaler()
    assert relief(scaler).carry_out(0).startswith("asked for gateway replica 2: 1 gateway replicas run")
    assert scaler.replicas == 2
    assert relief(scaler).carry_out(0).startswith("nothing: 2 gateway replicas run, and 2 are allowed")
    starved = Scaler()
    assert "100 MiB of memory are free" in relief(starved, available_mib=100).carry_out(0)
    assert (scaler.replicas, starved.replicas) == (2, 1)


def test_serve_being_away_is_told_to_whoever_asked() -> None:
    """The actor makes an incident of it."""
    scaler = Scaler()
    scaler.away = True
    with pytest.raises(NotReady):
        relief(scaler).carry_out(0)


@pytest.mark.parametrize("level", [0.5, None])
def test_a_replica_goes_back_after_a_quiet_without_a_break(level: float | None) -> None:
    """A break, or a tick that could not see, begins the time anew; while nothing can be due Serve is not asked."""
    scaler = Scaler()
    helped = relief(scaler)
    helped.carry_out(0)
    looks = scaler.looks
    for now_s in range(0, 90, 5):
        helped.settle(now_s, 0.1)
    helped.settle(90, level)
    for now_s in range(95, 195, 5):
        helped.settle(now_s, 0.1)
    assert (scaler.replicas, scaler.looks) == (2, looks)
    assert helped.settle(195, 0.1) == "the gateway goes back to 1 replicas: quiet for 100 s"
    assert scaler.replicas == 1
    for now_s in range(200, 500, 5):
        helped.settle(now_s, 0.1)
    assert scaler.replicas == 1


def test_a_queue_that_stays_full_is_asked_about_again() -> None:
    """A minute after it failed, however often it is looked at between; a queue that never alarmed is not."""
    scaler = Scaler()
    calm, helped = relief(scaler), relief(scaler)
    assert [calm.settle(now_s, 0.95) for now_s in range(0, 300, 5)] == [""] * 60
    scaler.away = True
    with pytest.raises(NotReady):
        helped.carry_out(0)
    told = {now_s: helped.settle(now_s, 0.95) for now_s in range(5, 65, 5)}
    assert {now_s for now_s, words in told.items() if words} == {60}
    assert "Serve does not answer" in told[60]
    scaler.away = False
    told = {now_s: helped.settle(now_s, 0.95) for now_s in range(65, 125, 5)}
    assert told[120].startswith("asked for gateway replica 2")
    assert (scaler.replicas, scaler.looks) == (2, 3)


def test_serve_being_away_when_one_may_go_stops_nothing_and_is_tried_again() -> None:
    """The replica goes after another quiet."""
    scaler = Scaler()
    helped = relief(scaler)
    helped.carry_out(0)
    scaler.away = True
    told = [helped.settle(now_s, 0.1) for now_s in range(0, 105, 5)]
    scaler.away = False
    assert [words for words in told if words] == [
        "whether a gateway replica can go is not known: Serve does not answer"
    ]
    assert scaler.replicas == 2
    for now_s in range(105, 205, 5):
        helped.settle(now_s, 0.1)
    assert scaler.replicas == 1


def test_a_clock_that_was_set_back_begins_the_quiet_anew() -> None:
    """Nothing goes for a time that never passed."""
    scaler = Scaler()
    helped = relief(scaler)
    helped.carry_out(1000)
    for now_s in (1000, 500, 599):
        helped.settle(now_s, 0.1)
    assert scaler.replicas == 2
    helped.settle(600, 0.1)
    assert scaler.replicas == 1
