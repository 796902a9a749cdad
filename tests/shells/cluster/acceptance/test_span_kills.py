"""Every kind of step of the span path is struck: readers see old or new, nothing acknowledged is lost, a restart mends all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.spans.adapters import wal
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from cluster.acceptance import span_kills
from cluster.acceptance.span_kills import HELD, HOLD_S, quick_stages, side_by_side
from cluster.acceptance.span_kills_page import page
from cluster.acceptance.span_stories import stories
from cluster.acceptance.span_strikes import Stage, killed, powerless
from tests.shells.cluster.acceptance.forked import elsewhere

pytestmark = pytest.mark.timeout(900)
"""Thousands of syncs: on a busy disk, or beside others, they take their time."""
PLACES = {
    place.strip()
    for place in """
    allocate home/wal/<ulid>/.N.new; write home/wal/<ulid>/N.wal; rename home/wal/<ulid>/N.wal; remove home/wal/<ulid>/N.wal;
    write home/spans/_pending.json; write home/spans/date=N-N-N/part-<ulid>-<hash>.parquet; link home/spans/_delta_log/N.json;
    sync home/spans/_delta_log/N.json; rename home/spans/_delta_log/N.checkpoint.parquet; write home/log/tile/entries/N.p/.N;
    rename home/log/tile/N/N; remove home/log/tile/N/N.p/N; rename home/log/checkpoint; rename home/log/witnessed;
    rename witness/seen; rename home/quarantine/wal/<ulid>-N.wal; rename home/quarantine/rows/<ulid>-N.json;
    rmdir home/wal/<ulid>; rmdir home/wal/.<ulid>.new
    """.split(";")
}
"""Steps that must be among those that the kernel told, whatever others there are."""


def quick(work: Path) -> dict[str, Any]:
    """Run the short form of the campaign."""
    span_kills.WORK = work
    found: dict[str, Any] = {}
    quick_stages(found.__setitem__, set())
    return found


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what came of the short form."""
    found: dict[str, Any] = elsewhere(quick, tmp_path_factory.mktemp("strikes"))
    return found


def test_every_kind_of_step_is_struck_and_nothing_is_wrong_afterwards(campaign: dict[str, Any]) -> None:
    """Killed before it, torn in it, refused, or without power: no fault, no unforeseen error, no manual step."""
    kinds = {kind for stage, result in campaign.items() if stage.endswith(": steps") for kind in result["kinds"]}
    assert kinds >= PLACES
    looks = {stage: result for stage, result in campaign.items() if not stage.endswith(": steps")}
    flat = {stage: [result] if "faults" in result else list(result.values()) for stage, result in looks.items()}
    assert {stage: found["faults"] for stage, each in flat.items() for found in each if found["faults"]} == {}
    kills = sum(result["strikes"] for stage, result in looks.items() if stage.endswith(": killed"))
    assert kills == len(kinds)
    assert sum(found["strikes"] for stage, each in flat.items() if "power lost" in stage for found in each) >= len(
        stories(1)
    )


def test_its_page_tells_what_was_struck(campaign: dict[str, Any]) -> None:
    """Each strike has its row, each kind of step its line."""
    told = page("span_kills", "about", campaign | {"side by side": {"faults": [], "appends": 3}})
    assert "| living | power lost: names |" in told
    assert "## Faults\n\nNone.\n" in told
    assert "- `rename home/log/checkpoint` " in told
    assert "Not run: writing: really full; " in told, "the short form leaves it out"
    assert "| appends | 3 |" in told
    wrong = campaign | {"living: killed": campaign["living: killed"] | {"faults": ["a (1.): lost"]}}
    assert "- living, killed: a (1.): lost" in page("span_kills", "about", wrong)


def test_a_bad_disk_of_the_table_holds_up_no_request(tmp_path: Path) -> None:
    """Table and log are behind or full, appends go on; a log of its own that hangs refuses, and takes rows again afterwards."""
    found = elsewhere(side_by_side, tmp_path, 120)
    assert found["faults"] == []
    assert (found["appends_refused_meanwhile"], found["appends_refused_while_they_were_full"]) == (0, 0)
    assert found["incidents_while_they_were_full"] != {}
    assert found["slowest_append_meanwhile_s"] < HELD * HOLD_S
    assert found["appends_refused_while_it_hung"] > 0


def _in_place(files: LogFiles, place: Path, data: bytes) -> None:
    files._ensure(place.parent)
    place.write_bytes(data)


def _acknowledge_early() -> None:
    wal.Disk = lambda: Disk(sync=lambda _: None)  # type: ignore[misc,assignment]


def _write_in_place() -> None:
    LogFiles._write = _in_place  # type: ignore[method-assign]


def _leave_delta_unsynced() -> None:
    SpanTable._sync_log = lambda _: None  # type: ignore[method-assign]


def _leave_orphans() -> None:
    SpanTable._remove_orphans = lambda _: []  # type: ignore[method-assign]


PLANTS: dict[str, tuple[Callable[[], None], str, str]] = {
    "rows are acknowledged before they are synced": (_acknowledge_early, "lost", "write home/wal/<ulid>/N.wal"),
    "a checkpoint is written in its place": (_write_in_place, "torn", "write home/log/checkpoint"),
    "Delta's log is not synced": (_leave_delta_unsynced, "lost", "rmdir home/wal/<ulid>"),
    "files of no commit are left": (_leave_orphans, "killed", "sync home/spans/date=N-N-N/part-<ulid>-<hash>.parquet"),
}


def planted(work: Path, name: str) -> list[str]:
    """Break one promise of the span path, and strike where it counts; return the faults."""
    plant, strike, shape = PLANTS[name]
    plant()
    stage = Stage(stories(2)[0 if "home/wal/<ulid>/N.wal" in shape else 1], work)
    keys = [key for key in stage.steps if key[0] == shape]
    assert keys, "the step is not there"
    if strike == "lost":  # all: how many writes there are differs from run to run
        return [fault for found in powerless(stage, keys).values() for fault in found.told]
    return killed(stage, keys[-1:], tear=strike == "torn").told


@pytest.mark.parametrize("name", PLANTS)
def test_a_promise_that_is_broken_is_found(tmp_path: Path, name: str) -> None:
    """Whoever takes out what keeps a promise sees this campaign fail."""
    assert elsewhere(planted, tmp_path, name) != []
