"""The backup takes over when the first storage fails, goes on where it stood, and gives all of it back."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.actor import SpanActor
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.committed import read_said
from actors.spans.frames import FrameKind, encode_spans
from tests.shells.actors.spans.adapters.backed import Backed, until
from tests.shells.small_disk import fill
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import SegmentBytes, at, writer_id


@pytest.fixture
def home(tmp_path: Path) -> Backed:
    """Return an empty home beside an empty backup."""
    return Backed(tmp_path)


def numbers(table: SpanTable) -> dict[str, int]:
    """Return what everybody reached, as a table says."""
    return dict(table.transactions().numbers)


def test_rows_go_on_into_the_backup_under_the_numbers_that_follow(home: Backed) -> None:
    """Writers, batches, seals and segments go on; the first storage lies untouched."""
    SegmentBytes(1, writer_id(2)).batch((1, 9)).save(home.wal)
    actor = home.begun()
    before = numbers(SpanTable(home.first, 10))
    assert {writer_id(2), f"adopted/{writer_id(2)}"} < set(before)
    home.fails_over(actor)
    word = home.word()
    assert word is not None
    taken = numbers(SpanTable(Path(word.directory), 10))
    assert (word.first_batch, taken[writer_id(1)], taken[LOG]) == (3, 5, 3)
    assert before.items() - {(writer_id(1), 2), (LOG, 2)} <= taken.items(), "what everybody reached before is known"
    health = actor.health(at(home.now_s))
    assert (health["table_error"], health["log_size"], health["backup_ready"]) == ("", 4, 1)
    assert [home.incidents.kinds[0], home.incidents.kinds[-1]] == ["span_table_unavailable", "span_storage_failover"]
    home.segment.end(FrameKind.CLOSED, home.next_seq).save(home.wal)
    home.tick(actor)
    assert home.segments() == [], "what is in the backup need not be in the log any more"
    assert numbers(SpanTable(home.away, 10)) == before


def test_the_first_storage_has_all_of_it_afterwards(home: Backed) -> None:
    """The same batches under the same numbers, what everybody reached; and it goes on alone."""
    actor = home.begun()
    home.fails_over(actor)
    home.write()
    home.tick(actor)
    word = home.word()
    assert word is not None
    taken = SpanTable(Path(word.directory), 10)
    expected, batches = numbers(taken), taken.batches(1, 2)
    home.mends()
    assert home.is_whole(), "read where it lies"
    assert home.tick(actor)["backup_in_use"] == 0
    first = SpanTable(home.first, 10)
    assert numbers(first) == {name: number for name, number in expected.items() if name != "handover"}
    assert first.batches(1, 2) == batches
    assert home.incidents.kinds[-1] == "span_storage_reconciled"
    home.write()
    health = home.tick(actor)
    assert (home.is_whole(), home.rows(), health["log_size"], health["backup_ready"]) == (True, home.seen(), 4, 1)


def test_nothing_is_lost_between_and_all_is_counted(home: Backed) -> None:
    """Emitted is accepted and set aside, over two outages and a restart in each."""
    actor = home.begun()
    for _ in range(2):
        home.fails_over(actor)
        home.write()
        actor.close()
        actor = home.opened()
        home.tick(actor)
        home.mends()
        until(home.is_back, lambda: home.tick(actor))  # noqa: B023
        home.write()
        home.tick(actor)
    assert home.is_whole()
    assert (len(home.rows()), home.next_seq - 1) == (16, 16)
    assert home.incidents.kinds.count("span_storage_reconciled") == 2


def test_emitted_is_accepted_and_set_aside(home: Backed) -> None:
    """A forged row that comes during the outage is kept beside the rows, and counted, like at any time."""
    actor = home.begun()
    home.fails_over(actor)
    forged = signed_row(writer_id(1), home.next_seq, SigningKey.from_seed(b"x" * 32))
    home.saved(home.segment.raw(home.next_seq, 1, encode_spans([forged])), 1)
    home.tick(actor)
    home.mends()
    home.write()
    home.tick(actor, 2)
    totals, seen = actor.totals, home.rows()
    assert (home.next_seq - 1, totals.rows_quarantined) == (len(seen) + 1, 1)
    assert totals.rows_read == totals.rows_committed - totals.own_rows + totals.rows_quarantined
    assert (len(home.entries("weavergen.row.quarantined")), home.found()[1]) == (1, [])


@pytest.mark.parametrize("step", ["_commit", "_sync_log"])
def test_a_commit_that_took_effect_untold_is_there_once(
    home: Backed, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The backup takes the same batches under the same numbers, and more behind them: one history, whichever it was."""
    actor = home.begun()
    home.write()
    honest = getattr(SpanTable, step)

    def fails_afterwards(table: SpanTable, *args: object) -> None:
        honest(table, *args)
        if "backup" not in str(table.__dict__["_path"]):
            home.breaks()
            raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, step, fails_afterwards)
        assert home.tick(actor)["backup_in_use"] == 0
    home.write(4)
    assert home.tick(actor, 2)["backup_in_use"] == 1
    word = home.word()
    assert word is not None
    assert word.first_batch == 1
    said = read_said(SpanTable(Path(word.directory), 10).said(), home.authority.trust())
    assert {1, 2} <= set(said), "whoever seals them after a restart can tell what they were"
    home.mends()
    assert home.is_whole(), "those that both hold are read once"
    assert home.tick(actor)["backup_in_use"] == 0
    assert home.is_whole()


@pytest.mark.parametrize("gone", [True, False])
def test_who_never_heard_what_the_first_holds_waits(home: Backed, gone: bool) -> None:
    """A process that starts while the first is away, with no backup in use, begins nothing of its own."""
    home.begun().close()
    home.breaks()
    home.write()
    if gone:  # its disk is not mounted: that looks like an empty one
        home.first.unlink()
        actor = home.opened()
        assert home.tick(actor, 9)["backup_in_use"] == 0
        actor.close()
        home.first.write_bytes(b"no directory")
    else:
        with pytest.raises(StorageUnavailable):
            home.opened()
    assert home.segments() != []
    home.mends()
    actor = home.opened()
    until(home.is_back, lambda: home.tick(actor))


def test_after_a_restart_the_backup_alone_is_enough(home: Backed) -> None:
    """The first is still away: everything goes on, down to the seals."""
    actor = home.begun()
    home.fails_over(actor)
    actor.close()
    actor = home.opened()
    home.write()
    health = home.tick(actor)
    assert (health["backup_in_use"], health["table_error"], health["log_size"]) == (1, "", 3)
    assert home.incidents.kinds.count("span_storage_failover") == 2, "the new process says it again"
    home.mends()
    until(home.is_back, lambda: home.tick(actor))
    assert home.rows() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_torn_entry_of_the_backup_is_set_aside_before_it_is_asked(home: Backed, kept: float) -> None:
    """Power was lost before it was synced: its rows are in the write-ahead log still, and come in again."""
    refused: list[Path] = []
    disk = Disk(sync_file=lambda path: _refused(path) if path.parent in refused else Disk().sync_file(path))
    actor = home.begun(disk)
    home.fails_over(actor)
    log = next(home.backup.glob("*/_delta_log"))
    entries, refused = len(list(log.glob("*.json"))), [log]
    home.write()
    home.tick(actor)
    actor.close()
    (*before, torn) = sorted(log.glob("*.json"))
    assert len(before) == entries
    torn.write_bytes(torn.read_bytes()[: int(kept * torn.stat().st_size)])
    actor = home.opened()
    health = home.tick(actor)
    assert (health["backup_in_use"], health["table_error"]) == (1, "")
    assert torn.with_name(f"{torn.name}.torn").exists()
    home.mends()
    until(home.is_back, lambda: home.tick(actor))
    assert home.rows() == [1, 2, 3, 4, 5, 6, 7]


def _refused(path: Path) -> None:
    raise OSError(errno.EIO, "Input/output error", str(path))


def test_a_backup_in_use_that_is_away_is_waited_for(home: Backed) -> None:
    """The first is back meanwhile, and stale: nobody goes on with it."""
    actor = home.begun()
    home.fails_over(actor)
    actor.close()
    home.mends()
    home.backup.rename(home.backup.with_name("elsewhere"))
    home.write()
    with pytest.raises(StorageUnavailable, match="in use, and away"):
        home.opened()
    with pytest.raises(StorageUnavailable, match="in use, and away"):
        home.stores().find("x")
    home.backup.with_name("elsewhere").rename(home.backup)
    actor = home.opened()
    home.tick(actor, 2)
    assert home.is_whole()


def test_a_backup_that_was_emptied_while_in_use_is_no_new_beginning(home: Backed) -> None:
    """Its directory is there and its rows are not: that is said, and nothing is numbered anew."""
    actor = home.begun()
    home.fails_over(actor)
    actor.close()
    word = home.word()
    assert word is not None
    shutil.rmtree(word.directory)
    Path(word.directory).mkdir()
    with pytest.raises(IntegrityError, match="not what took over"):
        home.opened()


def test_a_first_storage_that_was_set_back_is_not_papered_over(home: Backed, tmp_path: Path) -> None:
    """An older copy of it comes back: it is said, nothing is written to it, the backup goes on."""
    actor = home.opened()
    home.write()
    home.tick(actor)
    shutil.copytree(home.first, tmp_path / "older")
    home.write()
    home.tick(actor)
    home.fails_over(actor)
    home.first.unlink()
    shutil.copytree(tmp_path / "older", home.first)
    before = sorted(path.name for path in home.first.rglob("*"))
    home.write()
    health = home.tick(actor, 3)
    assert (health["backup_in_use"], health["table_error"]) == (1, "")
    assert "set back" in health["backup_error"]
    assert home.incidents.kinds[-1] == "span_storage_contradicted"
    assert sorted(path.name for path in home.first.rglob("*")) == before
    shutil.rmtree(home.first)
    home.away.rename(home.first)
    home.tick(actor)
    assert home.is_whole()


def test_an_empty_disk_in_the_first_s_place_is_no_first_storage(home: Backed) -> None:
    """What was there is nowhere else: it is waited for."""
    actor = home.begun()
    home.fails_over(actor)
    home.first.unlink()
    home.first.mkdir()
    health = home.tick(actor, 3)
    assert (health["backup_in_use"], list(home.first.iterdir())) == (1, [])
    assert "holds no table" in health["backup_error"]


def test_a_full_disk_is_failed_over_and_come_back_from(tmp_path: Path, small_disk: Path) -> None:
    """The table's disk is full, and reads well: rows go to the backup until there is space again."""
    home = Backed(tmp_path)
    home.first.symlink_to(small_disk / "spans")
    (small_disk / "spans").mkdir()
    actor = home.begun()
    fill(small_disk)
    home.write()
    health = home.tick(actor, 3)
    assert (health["backup_in_use"], health["table_error"], home.is_whole()) == (1, "", True)
    assert [home.incidents.kinds[0], home.incidents.kinds[-1]] == ["span_table_unavailable", "span_storage_failover"]
    home.write()
    assert home.tick(actor, 2)["backup_in_use"] == 1, "it is full still"
    (small_disk / "other").unlink()
    assert home.tick(actor)["backup_in_use"] == 0
    assert home.is_whole()


def test_a_home_that_is_full_fails_over_too(tmp_path: Path, small_disk: Path) -> None:
    """The word about it had its room beforehand; what was read leaves the log, which makes space."""
    home = Backed(tmp_path)
    home.path.rmdir()
    home.path.symlink_to(small_disk)
    actor = home.begun()
    home.saved(home.segment.batch((home.next_seq, 3)).end(FrameKind.CLOSED, home.next_seq + 3), 3)
    fill(small_disk)
    health = home.tick(actor, 3)
    assert (health["backup_in_use"], health["table_error"], home.seen()) == (1, "", [1, 2, 3, 4, 5])
    (small_disk / "other").unlink()
    until(home.is_back, lambda: home.tick(actor))


def expiring(tmp_path: Path) -> tuple[Backed, SpanActor]:
    """Return a home of which all rows may go with the next commit, and its actor."""
    home = Backed(tmp_path, retention_days=1, compact_close_age_s=86_400, compact_min_files=2)
    actor = home.begun()
    home.now_s += 3 * 86_400
    until(lambda: actor._compactor.ready is not None, lambda: home.tick(actor))
    return home, actor


def until_gone(home: Backed, actor: SpanActor, entries: int = 1) -> None:
    """Tick until the rows that may go are gone, as so many entries say."""

    def later() -> None:
        home.now_s += 60
        home.tick(actor)

    until(lambda: home.rows() == [], later)
    assert home.found()[1] == []
    assert len(home.entries(names.TABLE_EXPIRED)) == entries


def test_an_expiry_that_was_ready_when_the_first_went_is_not_said_to_have_been_made(tmp_path: Path) -> None:
    """Its rows are still there, and no damage: neither while the backup is in use nor afterwards; then they go."""
    home, actor = expiring(tmp_path)
    home.breaks()
    assert home.tick(actor, 2)["backup_in_use"] == 1
    home.mends()
    assert home.found() == (3, []), "read where it lies"
    assert home.tick(actor)["backup_in_use"] == 0
    assert home.found() == (3, [])
    assert (home.entries(names.TABLE_EXPIRED), home.entries(names.TABLE_UNCHANGED)) == ([], [{}])
    until_gone(home, actor)
    actor.close()


def test_an_expiry_that_the_first_says_it_has_not_made_is_not_said_to_have_been_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commit was begun and had no effect, and the first reads well: no entry calls expired what lies there."""
    home, actor = expiring(tmp_path)
    honest = SpanTable._commit

    def refuses(table: SpanTable, *args: Any) -> None:
        if "backup" not in str(table.path):
            raise OSError(errno.EROFS, "Read-only file system")
        honest(table, *args)

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", refuses)
        assert home.tick(actor, 2)["backup_in_use"] == 1
        assert home.found() == (3, [])
    assert home.tick(actor)["backup_in_use"] == 0
    assert home.found() == (3, [])
    assert (home.entries(names.TABLE_EXPIRED), home.entries(names.TABLE_UNCHANGED)) == ([], [{}])
    until_gone(home, actor)
    actor.close()


@pytest.mark.parametrize("then", ["readable", "gone", "emptied"])
def test_an_expiry_that_the_first_made_untold_is_one_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Whether it can be asked when the backup takes over, or not, or an empty directory lies in its place by then."""
    home, actor = expiring(tmp_path)
    honest = SpanTable._commit

    def fails_afterwards(table: SpanTable, *args: Any) -> None:
        honest(table, *args)
        if "backup" not in str(table.path):
            if then == "gone":
                home.breaks()
            if then == "emptied":
                home.first.rename(home.away)
                home.first.mkdir()
            raise OSError(errno.EIO, "Input/output error")

    home.config = home.config.model_copy(update={"backup_after_failures": 1})
    actor.close()
    actor = home.opened()
    until(lambda: actor._compactor.ready is not None, lambda: home.tick(actor))
    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", fails_afterwards)
        home.tick(actor)
    assert home.incidents.kinds.count("span_storage_failover") == 1
    if then == "gone":
        home.mends()
    if then == "emptied":
        shutil.rmtree(home.first)
        home.away.rename(home.first)
    assert home.found()[1] == []
    assert home.tick(actor)["backup_in_use"] == 0
    assert (home.found()[1], home.rows(), len(home.entries(names.TABLE_EXPIRED))) == ([], [], 1)
    actor.close()


def test_an_expiry_of_which_nobody_could_ask_is_made_once_the_first_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry stands, for it may have been made; where it was not, the next expiry takes what is still there."""
    home, actor = expiring(tmp_path)
    honest = SpanTable._commit

    def goes_away(table: SpanTable, *args: Any) -> None:
        if "backup" not in str(table.path):
            home.breaks()
            raise OSError(errno.EIO, "Input/output error")
        honest(table, *args)

    with monkeypatch.context() as patch:
        patch.setattr(SpanTable, "_commit", goes_away)
        assert home.tick(actor, 2)["backup_in_use"] == 1
    home.mends()
    assert home.tick(actor)["backup_in_use"] == 0
    assert (home.rows(), len(home.entries(names.TABLE_EXPIRED))) == ([1, 2], 1)
    until_gone(home, actor, 2)
    actor.close()
