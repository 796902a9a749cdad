"""Incidents."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from actors.base.errors import NotFound, StorageUnavailable
from actors.base.ports import IncidentLevel
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents


@pytest.fixture
def table(database: Database, clock: Callable[[], float]) -> Incidents:
    """Return the table."""
    return Incidents(database, clock)


def test_the_same_incident_is_counted(table: Incidents, clock: Callable[[], float]) -> None:
    """Occurrences with one key are one incident with the first one's evidence; another key is another incident."""
    table.record("policy_refused", "level_1_critical", {"step": "first"}, "k")
    clock.now = 6_000.0  # type: ignore[attr-defined]
    table.record("policy_refused", "level_1_critical", {"step": "second"}, "k")
    table.record("other", "level_3_minor", {}, "l")
    other, incident = table.list()
    assert (incident.kind, incident.occurrences, incident.evidence) == ("policy_refused", 2, {"step": "first"})
    assert (incident.opened_at_ms, incident.last_seen_ms) == (5_000_000, 6_000_000)
    assert (other.kind, other.level, other.occurrences) == ("other", "level_3_minor", 1)


def test_concurrent_reporters_open_one(table: Incidents) -> None:
    """Eight reporters of the same thing open one incident and every occurrence is counted."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: table.record("k", "level_2_major", {}, "same"), range(40)))
    assert [incident.occurrences for incident in table.list()] == [40]


def test_an_incident_that_another_process_just_opened(table: Incidents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking for an open incident and opening one, another may open it: the occurrence is counted there."""
    table.record("k", "level_2_major", {}, "same")
    count, calls = Incidents._count, iter([False])
    monkeypatch.setattr(Incidents, "_count", lambda *a: next(calls, None) is not False and count(*a))
    table.record("k", "level_2_major", {}, "same")
    assert [incident.occurrences for incident in table.list()] == [2]


def test_acknowledging(table: Incidents) -> None:
    """The first acknowledgement stands, and what happens after it is a new incident."""
    table.record("k", "level_2_major", {}, "same")
    first = table.list()[0]
    assert table.open_about("same") == first
    assert table.ack(first.id, "ann").acked_by == "ann"
    with pytest.raises(NotFound, match="no open incident about 'same'"):
        table.open_about("same")
    assert table.ack(first.id, "bob").acked_by == "ann"
    assert table.list(open_only=True) == []
    table.record("k", "level_2_major", {}, "same")
    assert len(table.list()) == 2
    assert table.get(first.id).occurrences == 1


def test_unknown_incidents(table: Incidents) -> None:
    """Showing or acknowledging what does not exist says so."""
    with pytest.raises(NotFound, match="nothing"):
        table.get("nothing")
    with pytest.raises(NotFound, match="nothing"):
        table.ack("nothing", "ann")


def test_evidence_is_bounded(table: Incidents) -> None:
    """A huge value is cut before it is stored, and the list has a limit."""
    for number in range(3):
        table.record("k", "level_2_major", {"reason": "x" * 100_000}, str(number))
    assert len(table.list(limit=2)) == 2
    assert len(table.list()[0].evidence["reason"]) == 2000


def test_the_queue_stores(table: Incidents) -> None:
    """What is reported is in the table once the queue is closed."""
    queue = IncidentQueue(table)
    for _ in range(3):
        queue.open("k", "level_2_major", {"a": "b"}, "same")
    queue.close()
    assert [incident.occurrences for incident in table.list()] == [3]


def test_the_reporter_never_waits_for_the_database(table: Incidents, caplog: pytest.LogCaptureFixture) -> None:
    """While the database hangs, reports return at once; what does not fit the queue is in the log."""
    hanging, release = Event(), Event()

    class Slow(Incidents):
        def record(self, *args: object) -> None:
            hanging.set()
            release.wait(30)

    queue = IncidentQueue(Slow(table._database), capacity=2)
    with caplog.at_level(logging.ERROR):
        queue.open("first", "level_2_major", {}, "0")
        assert hanging.wait(10)
        for number in range(5):
            queue.open(f"later-{number}", "level_2_major", {}, str(number))
    release.set()
    queue.close()
    dropped = [record.getMessage() for record in caplog.records if "waiting for the database" in record.getMessage()]
    assert len(dropped) == 3
    assert "later-4" in dropped[-1]


def test_an_incident_waits_for_a_database_that_is_away(table: Incidents) -> None:
    """A lock that is held longer than the database waits for it costs nothing: what was opened meanwhile is stored, in order."""
    tries: list[str] = []
    done = Event()

    class Locked(Incidents):
        def record(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
            tries.append(kind)
            if len(tries) < 4:
                raise StorageUnavailable("locked")
            super().record(kind, level, evidence, dedup_key)
            if kind == "two":
                done.set()

    queue = IncidentQueue(Locked(table._database), retry_s=0.01)
    for kind in ("one", "two"):
        queue.open(kind, "level_3_minor", {}, kind)
    assert done.wait(10)
    queue.close()
    assert tries == ["one"] * 4 + ["two"]
    assert {incident.kind for incident in table.list()} == {"one", "two"}


def test_a_dead_database_is_logged_not_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without tables every report is in the log and the queue lives on."""
    queue = IncidentQueue(Incidents(Database(f"sqlite:///{tmp_path}/empty.db", timeout_s=0.1)))
    with caplog.at_level(logging.ERROR):
        queue.open("one", "level_1_critical", {"step": "policy rollback"}, "1")
        queue.open("two", "level_1_critical", {}, "2")
        queue.close()
    text = caplog.text
    assert "policy rollback" in text
    assert "incident one is not stored" in text
    assert "incident two is not stored" in text


def test_the_table_itself_raises(tmp_path: Path) -> None:
    """The repository tells its caller; only the queue swallows."""
    with pytest.raises(StorageUnavailable, match="migrated"):
        Incidents(Database(f"sqlite:///{tmp_path}/empty.db", timeout_s=0.1)).record("k", "level_2_major", {}, "k")


def test_open_incidents_are_counted(table: Incidents) -> None:
    """However many there are; acknowledged ones are not among them."""
    assert table.count_open() == 0
    for key in ("k", "l", "l"):
        table.record("kind", "level_3_minor", {}, key)
    assert table.count_open() == 2
    table.ack(table.list()[0].id, "somebody")
    assert table.count_open() == 1
