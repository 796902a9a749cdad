"""Every kind of step of the span path is struck: readers see old or new, nothing acknowledged is lost, a restart mends all."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.base.files import Folders
from actors.spans.adapters import wal
from actors.spans.adapters.backup import BackedTable
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from cluster.acceptance import span_kills
from cluster.acceptance.memory import in_memory
from cluster.acceptance.span_kills import HOLD_S, LOST, QUICK_EVERY, WAYS, quick_stages, side_by_side
from cluster.acceptance.span_kills_page import page
from cluster.acceptance.span_stories import stories
from cluster.acceptance.span_strikes import Stage, apart_each, killed, killed_then_powerless, powerless
from cluster.acceptance.strikes import apart
from tests.shells.cluster.acceptance.forked import elsewhere

pytestmark = pytest.mark.timeout(900)
"""Thousands of syncs: on a busy disk, or beside others, they take their time."""
HELD_HERE = 12
"""Calls of the bad disk that are held, or refused."""
PLACES = {
    place.strip()
    for place in """
    allocate home/wal/<ulid>/.N.new; write home/wal/<ulid>/N.wal; rename home/wal/<ulid>/N.wal; remove home/wal/<ulid>/N.wal;
    write home/spans/_pending.json; write home/spans/date=N-N-N/part-<ulid>-<hash>.parquet; link home/spans/_delta_log/N.json;
    sync home/spans/_delta_log/N.json; rename home/spans/_delta_log/N.checkpoint.parquet; write home/log/tile/entries/N.p/.N;
    rename home/log/tile/N/N; remove home/log/tile/N/N.p/N; rename home/log/checkpoint; rename home/log/witnessed;
    rename witness/seen; rename home/quarantine/wal/<ulid>-N.wal; rename home/quarantine/rows/<ulid>-N.json;
    rmdir home/wal/<ulid>; rmdir home/wal/.<ulid>.new; rename home/handover.json; rename home/away;
    link backup/<ulid>/_delta_log/N.json; rmdir backup/<ulid>
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


def test_what_is_struck_leaves_nothing_wrong(campaign: dict[str, Any]) -> None:
    """Killed, torn, refused, or without power, a step of each story: no fault, no unforeseen error, no manual step."""
    kinds = {kind for stage, result in campaign.items() if stage.endswith(": steps") for kind in result["kinds"]}
    assert kinds >= PLACES
    looks = {stage: result for stage, result in campaign.items() if not stage.endswith(": steps")}
    flat = {stage: [result] if "faults" in result else list(result.values()) for stage, result in looks.items()}
    assert {stage: found["faults"] for stage, each in flat.items() for found in each if found["faults"]} == {}
    ways = {stage.partition(": ")[2] for stage, each in flat.items() if sum(found["strikes"] for found in each)}
    assert ways == {*WAYS, LOST}
    kills = {stage: result["strikes"] for stage, result in looks.items() if stage.endswith(": killed")}
    assert (len(kills), sum(kills.values()) * QUICK_EVERY >= len(kinds)) == (len(stories(1)), True)


def test_its_page_tells_what_was_struck(campaign: dict[str, Any]) -> None:
    """Each strike has its row, each kind of step its line."""
    told = page("span_kills", "about", campaign | {"side by side": {"faults": [], "appends": 3}})
    assert "| living | power lost: names |" in told
    assert "## Faults\n\nNone.\n" in told
    assert "- `rename home/log/checkpoint` " in told
    assert "; writing: really full; " in told, "the short form leaves it out"
    assert "| appends | 3 |" in told
    wrong = campaign | {"living: killed": campaign["living: killed"] | {"faults": ["a (1.): lost"]}}
    assert "- living, killed: a (1.): lost" in page("span_kills", "about", wrong)


def test_a_bad_disk_of_the_table_holds_up_no_request(tmp_path: Path) -> None:
    """Table and log are behind or full, appends go on; a log of its own that hangs refuses, and takes rows again afterwards."""
    found = elsewhere(side_by_side, tmp_path, 60, HELD_HERE)
    assert found["faults"] == []
    assert (found["appends_refused_meanwhile"], found["appends_refused_while_they_were_full"]) == (0, 0)
    assert found["incidents_while_they_were_full"] != {}
    assert found["slowest_append_meanwhile_s"] < HELD_HERE * HOLD_S
    assert found["appends_refused_while_it_hung"] > 0


def _in_place(files: LogFiles, place: Path, data: bytes) -> None:
    files._folders.ensure(place.parent)
    place.write_bytes(data)


def _acknowledge_early() -> None:
    wal.Disk = lambda: Disk(sync=lambda _: None)  # type: ignore[misc,assignment]


def _write_in_place() -> None:
    LogFiles._write = _in_place  # type: ignore[method-assign]


def _leave_delta_unsynced() -> None:
    SpanTable._sync_log = lambda _: None  # type: ignore[method-assign]


def _leave_orphans() -> None:
    SpanTable._remove_orphans = lambda _: []  # type: ignore[method-assign]


def _made(_: Folders, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _leave_names_unsynced() -> None:
    Folders.ensure = _made  # type: ignore[method-assign]


def _made_alone(folders: Folders, folder: Path) -> None:
    if not folder.is_dir():
        _made_alone(folders, folder.parent)
        folder.mkdir()
        folders._sync(folder.parent)


def _believe_names() -> None:
    Folders.ensure = _made_alone  # type: ignore[method-assign]


def _word_before_rows() -> None:
    def ready(table: BackedTable, cause: str) -> None:
        word = table._word.settle()
        assert word is not None
        table._word.write(msgspec.structs.replace(word, state="in_use", first_batch=0))
        honest(table, cause)

    honest = BackedTable._take_over
    BackedTable._take_over = ready  # type: ignore[method-assign]


PLANTS: dict[str, tuple[Callable[[], None], str, str, str]] = {
    "rows are acknowledged before they are synced": (
        _acknowledge_early, "writing", "lost", "write home/wal/<ulid>/N.wal",
    ),
    "a checkpoint is written in its place": (_write_in_place, "living", "torn", "write home/log/checkpoint"),
    "Delta's log is not synced": (_leave_delta_unsynced, "living", "lost", "rmdir home/wal/<ulid>"),
    "files of no commit are left": (
        _leave_orphans, "living", "killed", "sync home/spans/date=N-N-N/part-<ulid>-<hash>.parquet",
    ),
    "folders' names are not synced": (_leave_names_unsynced, "taking in", "lost", "remove home/wal/<ulid>/N.wal"),
    "a folder's name is believed, whoever made it": (_believe_names, "living", "mended", "sync home/log/tile"),
    "the word changes before the backup has rows": (
        _word_before_rows, "failing over", "killed first", "link backup/<ulid>/_delta_log/N.json",
    ),
}  # fmt: skip


def planted(work: Path, name: str) -> list[str]:
    """Break one promise of the span path, and strike where it counts; return the faults."""
    plant, lived, strike, shape = PLANTS[name]
    plant()
    with in_memory(work / lived) as place:
        stage = Stage(next(each for each in stories(2) if each.name == lived), place)
        keys = [key for key in stage.steps if key[0] == shape]
        assert keys, "the step is not there"
        if strike == "lost":  # all: how many writes there are differs from run to run
            return [fault for found in powerless(stage, keys).values() for fault in found.told]
        if strike == "mended":
            return killed_then_powerless(stage, keys).told
        return killed(stage, keys[:1] if strike == "killed first" else keys[-1:], tear=strike == "torn").told


def some_planted(work: Path, names: list[str]) -> dict[str, list[str]]:
    """Break promises, each in a process of its own."""
    return {name: apart(partial(planted, work, name)) for name in names}


def all_planted(work: Path) -> dict[str, list[str]]:
    """Break each promise, two at a time."""
    found: dict[str, list[str]] = {}
    for some in apart_each([partial(some_planted, work / str(hand), list(PLANTS)[hand::2]) for hand in range(2)]):
        found |= some
    return found


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what was found of each promise that was broken."""
    found: dict[str, list[str]] = elsewhere(all_planted, tmp_path_factory.mktemp("plants"))
    return found


@pytest.mark.parametrize("name", PLANTS)
def test_a_promise_that_is_broken_is_found(faults: dict[str, list[str]], name: str) -> None:
    """Whoever takes out what keeps a promise sees this campaign fail."""
    assert faults[name] != []
