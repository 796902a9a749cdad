"""Batches that have expired go, whole, and the log says so; what goes otherwise is missing."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.parquet import parquet_bytes
from actors.spans.adapters.retention import expired_before
from actors.spans.adapters.scrub import part
from actors.spans.adapters.table import EXPIRED, SpanTable
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.merkle import tree_root
from actors.spans.retention import DAY_MS
from tests.shells.actors.spans.adapters.merging import MERGING, OWN, Merging
from tests.shells.actors.spans.adapters.sealed import NOW_MS, W
from tests.shells.actors.spans.adapters.test_check_light import signed_by
from tests.shells.actors.spans.adapters.test_compaction import Dying, straddling
from tests.unit.actors.spans.telemetry import LOG_KEY, NOW_S, flipped, span, writer_id

KEPT = MERGING.model_copy(update={"retention_days": 30, "compact_close_age_s": 30 * 86_400})
DAY_NS = DAY_MS * 1_000_000


def kept(home: Path, **options: object) -> Merging:
    """Open a table whose rows are kept for thirty days."""
    return Merging(home, config=KEPT, **options)  # type: ignore[arg-type]


def later(made: Merging, days: float, count: int = 1) -> None:
    """Commit and seal batches whose rows began so many days after now."""
    for _ in range(count):
        began_ns = int(NOW_S * 1e9) + int(days * DAY_NS)
        spans = [
            span(made.next_seq + at, start_unix_nano=began_ns, end_unix_nano=began_ns + 1) for at in range(3)
        ]  # fmt: skip
        batches = made.table.append(
            [Rows(W, made.next_seq, 1, spans)], {W: made.next_seq + 2}, NOW_MS + int(days * DAY_MS)
        )
        made.next_seq += 3
        made.sealer.seal(batches, NOW_MS)


def checks(made: Merging) -> list[tuple[int, str]]:
    """Return what a deep check finds, having made sure that a light one finds the same."""
    deep, light = (check_log(made.home, made.authority.trust(), 10, deep=deep) for deep in (True, False))
    assert (deep.damage, deep.expired, deep.rows) == (light.damage, light.expired, light.rows)
    return [(item.batch, item.kind) for item in deep.damage]


def test_what_has_expired_goes_and_is_no_damage(tmp_path: Path) -> None:
    """Its leaves stay; the entry says what the rows came to, as they do."""
    made = kept(tmp_path)
    made.batches(3)
    leaves = [manifest_of(batch) for batch in made.table.batches(0, 2)]
    later(made, 20, 2)
    assert made.work(days=29) is None
    entry = made.work(days=31)
    assert entry is not None
    assert made.entered == names.TABLE_EXPIRED
    made.enter(entry)
    assert made.seqs() == list(range(10, 16))
    checked = check_log(tmp_path, made.authority.trust(), 10)
    assert (checked.damage, checked.expired, len(checked.whole), checked.size) == ((), 3, 3, 6)
    assert checked.report()["expired"] == 3
    told = (entry[names.TABLE_BATCHES], entry[names.TABLE_EXPIRED_BATCHES], entry[names.TABLE_ROWS])
    assert told == ("0-2", "0-2", "9")
    parts = [part(index, 3, bytes.fromhex(leaf.rows_root)) for index, leaf in enumerate(leaves)]
    assert entry[names.TABLE_ROWS_ROOT] == tree_root(parts).hex()
    assert entry[names.TABLE_BEFORE_MS] == str(NOW_MS + DAY_MS)
    made.table.settle(NOW_MS + 32 * DAY_MS)
    assert set((tmp_path / "spans").glob("date=*/*")) == set(made.table.current_files())
    assert checks(made) == []


def test_it_is_kept_for_ever_unless_told_otherwise(tmp_path: Path) -> None:
    """Which is the default."""
    made = Merging(tmp_path)
    made.batches(1)
    later(made, 100)  # the log's key is certified no longer
    assert made.work(days=9000) is None


def test_every_entry_says_all_that_went_before(tmp_path: Path) -> None:
    """So older entries may expire like other rows, and a restart knows what went."""
    made = kept(tmp_path)
    later(made, 0)
    later(made, 10)
    made.enter(made.work(days=31) or {})
    for days, batches, so_far in ((41, "1", "0-1"), (62, "2", "0-2")):
        made = kept(tmp_path)
        entry = made.work(days=days) or {}
        assert (entry[names.TABLE_BATCHES], entry[names.TABLE_EXPIRED_BATCHES]) == (batches, so_far)
        made.enter(entry)
        assert (made.seqs(), checks(made)) == ([], [])
    assert check_log(tmp_path, made.authority.trust(), 10).expired == 3
    assert made.table.last_committed(EXPIRED) == 4


def test_a_merged_file_goes_when_its_last_batch_has_expired(tmp_path: Path) -> None:
    """Until then all of it stays, and is looked into once."""
    made = kept(tmp_path)
    for _ in range(4):
        straddling(made)
    made.merge()
    made.merge()
    entry = made.work(days=30.5) or {}
    assert entry[names.TABLE_BATCHES] == "4-5", "the entries alone: their day is over"
    made.enter(entry)
    assert made.work(days=30.5) is None
    assert made.seqs() == list(range(1, 17))
    made.enter(made.work(days=31.5) or {})
    assert (made.seqs(), checks(made)) == ([], [])


def test_a_file_that_shares_a_batch_is_written_anew_without_it(tmp_path: Path) -> None:
    """Half a batch is never left, and what else the file holds is as it was."""
    made = kept(tmp_path)
    made.batches(3)
    straddling(made)
    later(made, 1.4, 3)
    made.merge()
    made.merge()
    assert sorted(file.rows for file in made.table.numbered_files() if file.rows > 1) == [11, 11]
    before = made.table.batches(4, 6)
    entry = made.work(days=31.2) or {}
    assert (entry[names.TABLE_BATCHES], made.entered) == ("0-3 7-8", names.TABLE_EXPIRED)
    assert len(entry[names.TABLE_OUTPUTS]) == 64
    made.enter(entry)
    assert made.table.batches(4, 6) == before
    assert made.seqs() == list(range(14, 23))
    assert checks(made) == []
    assert check_log(tmp_path, made.authority.trust(), 10, deep=False).trusted_files == 1


@pytest.mark.parametrize("key", [None, SigningKey.from_seed(b"x" * 32), LOG_KEY])
@pytest.mark.parametrize("writer", [W, OWN, writer_id(77)])
def test_nobody_else_says_what_has_expired(tmp_path: Path, key: SigningKey | None, writer: str) -> None:
    """Whoever can write rows under any id excuses nothing that is missing; nor does an entry about merging."""
    made = kept(tmp_path)
    made.batches(3)
    words = {names.TABLE_EXPIRED_BATCHES: "1", names.TABLE_BATCHES: "1"}
    entry = words if key is None else signed_by(key, words)  # signed, if so, as one of merging
    seq = (made.table.last_committed(writer) or 0) + 1
    row = span(seq, name=names.TABLE_EXPIRED, attributes=entry, decision_id="", tenant="")
    made.sealer.seal(made.table.append([Rows(writer, seq, 1, [row])], {writer: seq}, NOW_MS), NOW_MS)
    made.file_of(1).unlink()
    assert checks(made) == [(1, "file"), (1, "missing")]


def test_rows_that_have_expired_and_are_there_again_are_damage(tmp_path: Path) -> None:
    """Whoever brings the file back has undone what was promised to be gone."""
    made = kept(tmp_path)
    made.batches(2)
    batches = made.table.batches(1, 1)
    file = made.file_of(1)
    data = file.read_bytes()
    later(made, 20)
    made.enter(made.work(days=31) or {})
    assert checks(made) == []
    target = made.file_of(2)
    made.forged(target, lambda rows: rows, batches)
    file.write_bytes(data)
    assert (1, "expired") in checks(made)


def test_a_damaged_file_does_not_go(tmp_path: Path) -> None:
    """It is evidence, and nobody knows which batches it held."""
    made = kept(tmp_path)
    made.batches(2)
    later(made, 20)
    file = made.file_of(1)
    first = pq.read_metadata(file).row_group(0).column(0)
    file.write_bytes(flipped(file.read_bytes(), first.data_page_offset + first.total_compressed_size - 1))
    assert made.work(days=31) is None
    assert made.incidents.kinds == ["span_file_damaged"]
    made.enter(made.work(days=31) or {})
    assert file.exists()
    assert file in made.table.current_files()
    assert checks(made) == [(1, "file"), (1, "missing")]


def test_a_last_entry_that_nobody_signed_stops_retention(tmp_path: Path) -> None:
    """Rather than saying less than went before."""
    made = kept(tmp_path)
    made.batches(1)
    later(made, 20)
    made.enter(made.work(days=31) or {})
    at = made.table.last_committed(EXPIRED)
    assert at is not None
    (batch,) = made.table.batches(at, at)
    other = replace(batch, spans=[span(1, name=names.TABLE_EXPIRED, attributes={names.TABLE_EXPIRED_BATCHES: ""})])
    file = made.forged(made.file_of(at), lambda _: other, [batch])
    with pytest.raises(IntegrityError):
        expired_before(made.table, made.authority.trust())
    assert made.work(days=51) is None
    assert made.incidents.kinds == ["span_compaction_failed"]
    assert file.exists()


@pytest.mark.parametrize("at", range(1, 30))
def test_a_kill_at_any_step_leaves_all_of_it_or_what_is_left(tmp_path: Path, at: int) -> None:
    """Readers see the rows or the entry; the next process goes on, and nothing lies about in the end."""
    first = kept(tmp_path)
    first.batches(3)
    straddling(first)
    later(first, 1.4, 3)
    first.merge()
    first.merge()
    dying = Dying(at)
    try:
        made = kept(tmp_path, disk=dying.disk)
        made.table.recover()
        if (entry := made.work(days=31.2)) is not None:
            made.enter(entry)
        made.table.settle(NOW_MS + 40 * DAY_MS)
    except KeyboardInterrupt:
        assert dying.left == 0
    reader = SpanTable(tmp_path / "spans", 10)
    assert reader.read().num_rows in {24, 10}
    after = kept(tmp_path)
    after.table.recover()
    after.sealer.seal([], NOW_MS)
    if (entry := after.work(days=31.2)) is not None:
        after.enter(entry)
    assert (after.seqs(), checks(after)) == (list(range(14, 23)), [])
    after.table.settle(NOW_MS + 40 * DAY_MS)
    assert set((tmp_path / "spans").glob("date=*/*")) == set(after.table.current_files())


def test_a_file_of_which_delta_s_log_tells_what_cannot_be_ends_nobody(tmp_path: Path) -> None:
    """It is said to hold a batch and holds no row: it is named and left alone, and what is behind it goes."""
    made = kept(tmp_path)
    made.batches(2)
    first, _ = made.table.numbered_files()
    made.forged(first.path, lambda rows: rows, made.table.batches(0, 0), lambda table: parquet_bytes(table.slice(0, 0)))
    assert made.work(days=31) is None
    ((kind, evidence),) = made.incidents.opened
    assert (kind, evidence["batches"]) == ("span_file_damaged", "0 to 0")
    entry = made.work(days=31)
    assert entry is not None
    assert entry[names.TABLE_BATCHES] == "1"
