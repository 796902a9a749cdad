"""What is said of the span actor: its gauges, and what a replica shows as degraded."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle, read_trust
from actors.base.errors import IntegrityError
from actors.spans.actor import SpanActor
from actors.spans.adapters.progress import Instant
from actors.spans.config import LogConfig, SpansConfig
from actors.store.adapters.database import Database
from actors.store.adapters.revocations import NotedRevocations
from cluster.trust import load_trust
from serve_apps.actors import SpanWatch, begun, checked_rows, open_span_actor, span_gauges, span_problem
from tests.shells.cluster.governed import NOW, governed
from tests.unit.actors.spans.telemetry import Authority, Incidents, writer_id

WELL = {"table_error": "", "log_error": "", "merge_late": False, "lag_s": 0.5, "log_size": 3, "merge_delay_s": 0.25}


def test_lag_totals_and_a_failing_table_are_gauges(tmp_path: Path) -> None:
    """Every number of the actor's health is shown under its name; what is no number is not, but for the table's state."""
    actor = SpanActor(tmp_path, writer_id(1), SpansConfig(), Incidents(), Authority())
    health = actor.health(Instant(1.0, 1.0))
    shown = span_gauges(health)
    assert {"span_lag_s", "span_lag_rows", "span_lost_rows", "span_rows_committed", "span_damage"} <= set(shown)
    assert "span_actor_id" not in shown
    assert {"span_backup_in_use", "span_backup_ready", "span_backup_waiting"} <= set(shown)
    assert {"span_log_size", "log_failing", "log_merge_delay_seconds"} <= set(shown)
    assert [span_gauges(health | {"table_error": said})["span_table_failing"] for said in ("", "full")] == [0.0, 1.0]
    actor.close()


def test_a_failing_table_is_a_problem() -> None:
    """So is an actor that waits for its predecessor; one that works is none."""
    assert span_problem(WELL) == ""
    assert span_problem(WELL | {"table_error": "no space"}) == "no space"
    assert span_problem(WELL | {"held_why": "rows of W cannot be committed"}) == "rows of W cannot be committed"
    assert span_problem(WELL | {"log_error": "no space"}) == "no space"
    assert "wait to be sealed" in span_problem(WELL | {"merge_late": True})
    assert span_problem(WELL | {"backup_in_use": 1.0, "backup_error": "full"}) == "spans go to the backup storage: full"
    assert "brought back" in span_problem(WELL | {"backup_in_use": 1.0, "backup_error": ""})
    assert "could not take over: no directory" in span_problem(
        WELL | {"backup_in_use": 0.0, "backup_error": "no directory"}
    )
    assert "misses latency" in span_problem(WELL | {"checker_blind_why": "Temporal misses latency"})
    assert span_problem(WELL | {"quarantine_full_why": "no room"}) == "spans wait to be set aside: no room"
    assert "compared with earlier ones: it is gone" in span_problem(WELL | {"statistics_why": "it is gone"})
    assert "holds the home" in span_problem({"waiting": "another SpanActor holds the home"})


def test_the_span_actor_believes_whom_replicas_believe(tmp_path: Path) -> None:
    """Root stays what it was, the bundle only grows: an older or foreign trust.json that is put back changes nothing."""
    system, incidents = governed(tmp_path), Incidents()
    home, file = system.home.root, system.home.trust_file
    actor, known = open_span_actor(home, SpansConfig(), LogConfig(), incidents, system.database), file.read_bytes()
    now = Instant(NOW + 60, 1000.0)
    actor.tick(now)
    for other in (Authority().trust(), msgspec.structs.replace(load_trust(file), certificates=[])):
        file.write_bytes(canonical_json(other))
        actor.tick(now, flush=True)
        assert trusted(actor) == read_trust(known)
    assert incidents.kinds == ["trust_refused"] * 2
    actor.close()


def test_a_span_actor_that_starts_believes_no_older_bundle(tmp_path: Path) -> None:
    """One that lacks a revocation that was noted is refused; without the database rows are taken in all the same."""
    system = governed(tmp_path)
    NotedRevocations(system.database).note({"f" * 16: NOW})
    with pytest.raises(IntegrityError, match="lacks the revocation of ffff"):
        open_span_actor(system.home.root, SpansConfig(), LogConfig(), Incidents(), system.database)
    nowhere = Database(f"sqlite:///{tmp_path}/nowhere/state.db")
    open_span_actor(system.home.root, SpansConfig(), LogConfig(), Incidents(), nowhere).close()
    system.database.close()


def test_a_span_actor_that_cannot_begin_waits_and_says_why(tmp_path: Path) -> None:
    """For its predecessor, for a disk that is away or full, for trust; a process that ended would only be begun again."""
    system, said, pauses = governed(tmp_path), list[str](), list[float]()
    spans = system.home.root / "spans"
    (spans / "_delta_log" / f"{0:020d}.json").mkdir(parents=True)  # where a file should be: the disk gives nothing

    def begin() -> SpanActor:
        if len(pauses) == 2:
            shutil.rmtree(spans)
        return open_span_actor(system.home.root, SpansConfig(), LogConfig(), Incidents(), system.database)

    actor = begun(begin, said.append, pauses.append)
    assert (pauses, [spans.name in why for why in said]) == ([5.0, 5.0], [True, True])
    actor.close()


def trusted(actor: SpanActor) -> TrustBundle:
    """Return whom its guard believes."""
    return actor._guard._authority.trust()


async def test_whoever_watches_is_never_stopped_by_what_it_watches() -> None:
    """An actor that is away, hangs, or answers nonsense is a problem to show; when it is back there is none."""
    answers: list[Any] = [WELL | {"table_error": "full"}, ConnectionError("gone"), None, {}, WELL]

    async def ask() -> Mapping[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer  # type: ignore[no-any-return]

    watch, said = SpanWatch(ask, timeout_s=0.01), []
    for _ in range(5):
        await watch.look()
        said.append(watch.problem)
        assert watch.log == (None if "answer" in watch.problem else (3, 0.25))  # never an older word than the last
    assert said == [
        "full", "SpanActor does not answer (ConnectionError)", "SpanActor does not answer (TimeoutError)",
        "SpanActor does not answer (KeyError)", "",
    ]  # fmt: skip


def test_rows_read_are_those_accepted_and_those_set_aside() -> None:
    """As far as they are known: an actor that waits for its predecessor knows of none."""
    rows = {"rows_read": 3, "rows_accepted": 2, "rows_quarantined": 1}
    assert checked_rows(WELL | rows | {"lost_rows": 9}) == rows
    assert checked_rows({"waiting": "another SpanActor holds the home"}) is None


async def test_a_storm_is_remembered_while_nobody_answers() -> None:
    """What is pinned stays pinned until the actor says otherwise."""
    answers: list[Any] = [
        WELL | {"storm": "60 of 60 rows", "last_tick_s": 7.0}, ConnectionError("gone"), {"waiting": "for another"},
        WELL | {"storm": "", "last_tick_s": 9.0},
    ]  # fmt: skip

    async def ask() -> Mapping[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    watch, said = SpanWatch(ask, timeout_s=1.0), []
    for _ in range(4):
        await watch.look()
        said.append((watch.storm, watch.storm_at_s))
    assert said == [*[("60 of 60 rows", 7.0)] * 3, ("", 9.0)]
