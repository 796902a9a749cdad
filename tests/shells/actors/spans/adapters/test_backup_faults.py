"""Failures that are borne, a backup that is not there when it is needed, and words that fail to be written."""

import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.spans.adapters.backup import BackedTable
from actors.spans.adapters.handover import NAME
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import LOG, SEALED, SpanTable
from actors.spans.columns import Rows
from actors.spans.frames import FrameKind
from tests.shells.actors.spans.adapters.backed import Backed, until
from tests.unit.actors.spans.telemetry import NOW_S, SegmentBytes, at, crash, spans_from, writer_id


@pytest.fixture
def home(tmp_path: Path) -> Backed:
    """Return an empty home beside an empty backup."""
    return Backed(tmp_path)


def numbers(table: SpanTable) -> dict[str, int]:
    """Return what everybody reached, as a table says."""
    return dict(table.transactions().numbers)


def failing(home: Backed) -> Disk:
    """Return a disk that syncs no file of the first storage while a file ``fails`` lies beside the home."""

    def sync_file(path: Path) -> None:
        if path.is_relative_to(home.first) and home.path.with_name("fails").exists():
            raise OSError(errno.EIO, "Input/output error")
        Disk().sync_file(path)

    return Disk(sync_file=sync_file)


def test_one_failure_is_borne(home: Backed) -> None:
    """The first storage is given up after so many in a row, and a success between begins anew."""
    fails = home.path.with_name("fails")
    actor = home.begun(failing(home))
    for _ in range(3):
        fails.touch()
        home.write()
        assert home.tick(actor)["backup_in_use"] == 0
        fails.unlink()
        home.tick(actor)
    assert home.is_whole()
    fails.touch()
    home.write()
    assert home.tick(actor, 2)["backup_in_use"] == 1


def test_it_is_given_up_by_age_as_well(tmp_path: Path) -> None:
    """Two failures ten seconds apart are enough where so many are not."""
    home = Backed(tmp_path, backup_after_failures=1000, backup_after_s=10.0)
    actor = home.begun(failing(home))
    home.path.with_name("fails").touch()
    home.write()
    assert home.tick(actor, 10)["backup_in_use"] == 0
    assert home.tick(actor)["backup_in_use"] == 1


def test_reading_that_fails_is_failing_too(home: Backed) -> None:
    """Nothing waits to be written, a new writer turns up, and nobody can tell how far it was: the backup knows."""
    actor = home.begun()
    home.breaks()
    SegmentBytes(1, writer_id(2)).batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    assert home.tick(actor, 2)["backup_in_use"] == 1
    home.mends()
    assert home.seen(2) == [1, 2]
    assert home.tick(actor)["writers"] == 1


def test_without_a_backup_nothing_takes_over(tmp_path: Path) -> None:
    """Rows wait, as ever; no word is written."""
    home = Backed(tmp_path, backup="")
    actor = home.begun()
    home.breaks()
    home.write()
    assert (home.tick(actor, 9)["backup_in_use"], home.word(), actor.health(at())["backup_ready"]) == (0, None, 0)
    home.mends()
    home.tick(actor)
    assert home.is_whole()


def test_a_backup_that_is_configured_away_while_in_use_is_followed(home: Backed) -> None:
    """The word counts, not the configuration: its rows are brought back first."""
    actor = home.begun()
    home.fails_over(actor)
    actor.close()
    home.config = home.config.model_copy(update={"backup": ""})
    actor = home.opened()
    home.write()
    assert home.tick(actor)["backup_in_use"] == 1
    home.mends()
    until(home.is_back, lambda: home.tick(actor))
    home.breaks()
    home.write()
    assert home.tick(actor, 9)["backup_in_use"] == 0


def test_a_backup_that_could_not_take_over_is_said_to_be_so_beforehand(home: Backed) -> None:
    """No directory, or one that takes no file: an incident and what to do, before anything fails."""
    home.backup.rmdir()
    actor = home.opened()
    health = home.tick(actor)
    assert health["backup_ready"] == 0
    assert "make it, or mount" in health["backup_error"]
    assert home.incidents.kinds == ["span_backup_unavailable"]
    home.backup.mkdir()
    home.now_s += 60
    health = home.tick(actor)
    assert (health["backup_ready"], health["backup_error"]) == (1, "")
    shutil.rmtree(home.backup)
    home.backup.write_bytes(b"no directory")
    home.now_s += 60
    assert home.tick(actor)["backup_ready"] == 0


def test_a_backup_in_the_first_storage_is_refused(home: Backed) -> None:
    """It would fail with it."""
    home.config = home.config.model_copy(update={"backup": str(home.first / "backup")})
    with pytest.raises(HomeError, match="name another place"):
        home.opened()


def test_copies_stay_for_their_readers_and_go_then(home: Backed) -> None:
    """One directory is kept ready; of a second outage the first one's copies are gone as soon as they must be."""
    actor = home.begun()
    directories = []
    for _ in range(2):
        home.fails_over(actor)
        directories.append(Path((home.word() or pytest.fail("no word")).directory))
        home.mends()
        home.tick(actor, 2)
        assert directories[-1].is_dir()
    assert not directories[0].exists()
    home.now_s += home.config.backup_keep_s
    home.tick(actor)
    word = home.word()
    assert word is not None
    assert (list(home.backup.iterdir()), word.retired) == ([Path(word.directory)], "")
    assert home.is_whole()


def test_a_backup_that_moves_leaves_nothing_behind(home: Backed, tmp_path: Path) -> None:
    """Another directory is configured: the unused one goes."""
    home.begun().close()
    other = tmp_path / "other"
    other.mkdir()
    home.config = home.config.model_copy(update={"backup": str(other)})
    actor = home.opened()
    assert home.tick(actor)["backup_ready"] == 1
    assert (list(home.backup.iterdir()), len(list(other.iterdir()))) == ([], 1)


def broken(path: Path) -> None:
    """Put a file in a directory's place."""
    shutil.rmtree(path)
    path.write_bytes(b"no directory")


def removed(path: Path) -> None:
    """Take a directory away."""
    shutil.rmtree(path)


@pytest.mark.parametrize("harm", [broken, removed])
def test_a_backup_that_fails_when_it_is_needed_changes_nothing(home: Backed, harm: Callable[[Path], None]) -> None:
    """Both are away: rows wait in the log, and the truth is where it was."""
    actor = home.begun()
    directory = Path((home.word() or pytest.fail("no word")).directory)
    home.breaks()
    harm(directory)
    home.write()
    assert home.tick(actor, 5)["backup_in_use"] == 0
    assert "span_storage_failover" not in home.incidents.kinds
    home.mends()
    home.tick(actor)
    assert home.is_whole()


@pytest.mark.parametrize("effect", [False, True])
def test_a_word_that_fails_to_be_written_is_asked_for(home: Backed, effect: bool) -> None:
    """Whether it took effect or not, the disk's word is followed; and the next attempt begins with an empty directory."""
    fails = home.path.with_name("fails")

    def rename(old: Path, new: Path) -> None:
        if not fails.exists() or new.name != NAME:
            Disk().rename(old, new)
        elif effect:
            Disk().rename(old, new)
            fails.rename(fails.with_name("unsynced"))
        else:
            fails.unlink()
            raise OSError(errno.EIO, "Input/output error")

    def sync_directory(path: Path) -> None:
        if path == home.path and fails.with_name("unsynced").exists():
            fails.with_name("unsynced").unlink()
            raise OSError(errno.EIO, "Input/output error")
        Disk().sync_directory(path)

    actor = home.begun(Disk(sync_directory=sync_directory, rename=rename))
    home.breaks()
    fails.touch()
    home.write()
    assert home.tick(actor, 2)["backup_in_use"] == effect
    assert home.tick(actor)["backup_in_use"] == 1
    home.write()
    home.tick(actor)
    fails.touch()
    home.mends()
    home.tick(actor, 2)
    assert home.tick(actor)["backup_in_use"] == 0
    assert home.is_whole()
    assert [home.incidents.kinds.count(f"span_storage_{kind}") for kind in ("failover", "reconciled")] == [1, 1]


def test_more_sealed_than_the_first_is_known_to_hold_is_no_handover(home: Backed) -> None:
    """Whoever remembers less than was sealed does not number anew: neither in this process nor by an empty disk."""
    home.begun().close()
    home.breaks()
    home.first.unlink()
    reports = Reports(home.incidents)
    table = BackedTable(home.path, home.config, reports)
    table.follow()
    table.recover()
    home.first.write_bytes(b"no directory")
    append(table)
    for sealed in (0, 99):
        table.sealed = sealed
        with pytest.raises(IntegrityError, match=f"{sealed or 1} batches are sealed"):
            append(table)
    assert not (home.word() or pytest.fail("no word")).in_use


def append(table: BackedTable) -> None:
    """Append a row, and go on after a failure that is borne; time passes."""
    table.begin(table.__dict__["_steady_s"] + 1, NOW_S)
    with suppress(StorageUnavailable):
        table.append([Rows("W", 1, 1, spans_from(1, 1))], {"W": 1}, 0)


def test_the_backup_knows_how_many_were_sealed(home: Backed) -> None:
    """A checkpoint that is set back while it is in use shows."""
    actor = home.begun()
    home.fails_over(actor)
    word = home.word()
    assert word is not None
    assert numbers(SpanTable(Path(word.directory), 10))[SEALED] == 1
    actor.close()


def test_a_crash_between_the_backup_and_the_word_is_no_handover(home: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup holds all, the word never came: the first is the truth, and what the backup held means nothing."""
    actor = home.begun()
    home.breaks()
    home.write()
    with monkeypatch.context() as patch:
        patch.setattr("actors.spans.adapters.handover.HandoverFile.write", crash)
        with pytest.raises(KeyboardInterrupt):
            home.tick(actor, 2)
    actor.close()
    assert not (home.word() or pytest.fail("no word")).in_use
    home.mends()
    home.write()
    actor = home.opened()
    home.tick(actor)
    assert home.is_whole()
    home.fails_over(actor)
    home.mends()
    home.tick(actor)
    assert home.is_whole()


def test_what_an_attempt_to_take_over_left_means_nothing(home: Backed) -> None:
    """Rows that lie in the backup's directory from before the word names it are taken away, not gone on from."""
    actor = home.begun()
    directory = Path((home.word() or pytest.fail("no word")).directory)
    SpanTable(directory, 10).put([Rows("X", 1, 1, spans_from(1, 1), 9)], {"X": 1, LOG: 9}, 0)
    home.fails_over(actor)
    taken = numbers(SpanTable(directory, 10))
    assert (taken[LOG], "X" in taken) == (1, False)
    home.mends()
    assert home.is_whole()
