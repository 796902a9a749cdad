"""What the health actor reads of a running system, and what is shown of a tick."""

from collections.abc import Mapping

import pytest

from actors.base.errors import NotReady
from actors.health.alarms import Alarms, Watch
from actors.health.exposition import BallotWindow
from actors.health.monitors import Check, Unread
from actors.health.ports import Tick
from actors.health.predictor import Prediction
from actors.health.signals import Signal
from serve_apps.health import MetricsReader, SystemProbe, health_gauges, health_now, prediction_gauges

PAGE = b'weavergen_under_way{replica="r"} 6\nweavergen_votes_total{replica="r",voter="a",outcome="agreed"} %d\n'


class Machine:
    """A machine that stands still."""

    def levels(self) -> Mapping[str, float | Unread]:
        """Return the same each time."""
        return {"cpu": 0.1, "memory": 0.2, "disk": Unread("stale")}


class World:
    """Pages that are laid out, a steady clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pages: list[bytes | Exception] = []
        self.now_s = 0.0
        monkeypatch.setattr("serve_apps.health.time.monotonic", lambda: self.now_s)
        self.reader = MetricsReader(self._fetch, 5.0, 30.0)
        machine: object = Machine()
        self.probe = SystemProbe(machine, self.reader, 10, BallotWindow(300, 100), lambda: self.now_s)  # type: ignore[arg-type]

    async def _fetch(self) -> bytes:
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    def look(self, page: bytes | Exception, at_s: float) -> None:
        """Have the reader look."""
        self.pages.append(page)
        self.now_s = at_s
        self.reader.look()


def test_levels_and_ballots_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's levels, the queue's, and what voters did between two pages; a page counts once."""
    world = World(monkeypatch)
    world.look(PAGE % 3, 1)
    first = world.probe.read(0.0)
    assert first.levels == {"cpu": 0.1, "memory": 0.2, "disk": Unread("stale"), "queue": 0.6}
    assert first.voters == world.probe.read(0.0).voters == {}
    world.look(PAGE % 5, 6)
    voters = world.probe.read(0.0).voters
    assert not isinstance(voters, Unread)
    assert voters["a"].outcomes == {"agreed": 2.0}


def test_without_metrics_queue_and_voters_are_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first page; and when the last one is too old, with the reason that newer ones could not be had."""
    world = World(monkeypatch)
    assert isinstance(world.probe.read(0.0).levels["queue"], Unread)
    world.look(PAGE % 3, 1)
    world.look(ConnectionError("gone"), 20)
    assert world.probe.read(0.0).levels["queue"] == 0.6
    world.now_s = 31.5
    seen = world.probe.read(0.0)
    assert seen.levels["cpu"] == 0.1
    for unread in (seen.levels["queue"], seen.voters):
        assert isinstance(unread, Unread)
        assert "ConnectionError: gone" in unread.why
    with pytest.raises(NotReady):
        world.reader.newest(100.0)


def test_a_page_with_an_agent_missing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters behind it would begin again, and its replicas be no part of the queue: the last whole page counts."""
    world = World(monkeypatch)
    world.look(PAGE % 3, 1)
    world.look(b"weavergen_metrics_agents_unread 1\n", 6)
    assert world.probe.read(0.0).levels["queue"] == 0.6
    world.now_s = 40
    unread = world.probe.read(0.0).voters
    assert isinstance(unread, Unread)
    assert "1 metrics agents do not answer" in unread.why
    world.look(PAGE % 4, 41)
    world.now_s = 100
    again = world.probe.read(0.0).voters
    assert isinstance(again, Unread)
    assert "nothing was read since" in again.why


def tick() -> Tick:
    """Return a tick with an alarm, a blind check and a forecast."""
    prediction = Prediction(Signal("disk", "stock", 0.9), 0.5, 0.25, ((300, 0.125), (900, 0.75)))
    checks = (Check("disk", 0.5, "half"), Check("queue", 0.0, "gone", blind=True))
    watches = {"forecast/disk": Watch(12, open=True), "blind/queue": Watch(1)}
    return Tick(5000, 0.25, {"disk": 0.5}, checks, (prediction,), Alarms(watches))


def test_a_tick_is_gauges() -> None:
    """Score, levels, blind checks and open alarms; a forecast by signal and horizon."""
    assert health_gauges(tick()) == {
        "health_score": 0.25, "health_blind": 1.0, "health_alarms_open": 1.0, "signal_disk": 0.5,
    }  # fmt: skip
    assert prediction_gauges(tick()) == {("disk", "300"): 0.125, ("disk", "900"): 0.75}


def test_what_is_shown_has_its_age() -> None:
    """An old tick is not passed off as now; before the first there is no score, and not a good one."""
    assert health_now({"at_ms": 5000, "score": 1.0}, 65.0) == {"at_ms": 5000, "score": 1.0, "age_s": 60.0}
    assert health_now(None, 65.0)["score"] is None
