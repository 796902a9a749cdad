"""The log on a disk: what is sealed, what a crash leaves, what is found when somebody changes it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters import log as log_module
from actors.spans.adapters.check import check_log
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.lookup import ArchivedDecisions
from actors.spans.adapters.sealer import HomeAuthority, Sealer
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows, pinned_schema
from actors.spans.merkle import leaf_hash, tree_root
from actors.spans.proof import check_inclusion
from actors.spans.record import read_envelope, seal
from tests.unit.actors.spans.telemetry import NOW_S, Authority, Recorder, span, spans_from, writer_id
from tests.unit.actors.spans.test_record import RECORD, WRITER

NOW_MS = int(NOW_S * 1000)
W = writer_id(1)


class Sealed:
    """A home with a table, and the sealer of its log."""

    def __init__(self, home: Path, disk: Disk | None = None, catch_up: int = 100) -> None:
        self.home, self.authority, self.disk = home, Authority(), disk
        self.table = SpanTable(home / "spans", 10)
        self.files = LogFiles(home / "log", disk)
        self.sealer = Sealer(self.files, self.table, self.authority, catch_up)
        self.sealer.begin(NOW_MS)
        self.next_seq = (self.table.last_committed(W) or 0) + 1

    def commit(self, rows: int = 3) -> list[Rows]:
        """Commit one batch."""
        spans = spans_from(self.next_seq, rows)
        batches = self.table.append(
            [Rows(W, self.next_seq, 1, spans)], {W: self.next_seq + rows - 1}, NOW_MS
        )  # fmt: skip
        self.next_seq += rows
        return batches

    def batches(self, count: int) -> None:
        """Commit and seal some batches."""
        for _ in range(count):
            assert self.sealer.seal(self.commit(), NOW_MS) == 1

    def damage(self) -> list[tuple[int, str]]:
        """Return what a check finds."""
        return [(item.batch, item.kind) for item in check_log(self.home, self.authority.trust(), 10).damage]

    def file_of(self, batch: int) -> Path:
        """Return the file that holds a batch."""
        for path in self.table.current_files():
            if batch in pq.read_table(path, columns=["log_index"], partitioning=None)["log_index"].to_pylist():
                return path
        raise AssertionError


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a file again with other rows, page checksums and all, as somebody would who wants nobody to see it."""
    rows = pq.read_table(path, schema=pinned_schema(), partitioning=None)
    pq.write_table(change(rows), path, write_page_checksum=True)


def test_every_batch_is_a_leaf_under_a_signed_root(tmp_path: Path) -> None:
    """Over more than one file of leaves; a check recomputes all of it."""
    made = Sealed(tmp_path)
    made.batches(5)
    signed = made.files.checkpoint()
    assert signed is not None
    checkpoint = signed.verify(made.authority.trust())
    leaves = list(made.files.leaves(0, 5))
    assert checkpoint.root == tree_root([leaf_hash(leaf) for leaf in leaves]).hex()
    checked = check_log(tmp_path, made.authority.trust(), 10)
    assert (checked.size, checked.rows, checked.whole, checked.damage) == (5, 15, frozenset(range(5)), ())


def test_leaves_go_on_over_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of leaves is full at its bound; several may be written at once, and read from any place."""
    monkeypatch.setattr(log_module, "BUNDLE", 4)
    files = LogFiles(tmp_path / "log")
    data = [b"%d" % number for number in range(23)]
    for start, end in ((0, 3), (3, 13), (13, 14), (14, 23)):
        root = files.extend(start, data[start:end])
        assert root == tree_root([leaf_hash(leaf) for leaf in data[:end]])
    assert list(files.leaves(0, 23)) == data
    assert list(files.leaves(7, 9)) == data[7:9]
    assert len(list((tmp_path / "log" / "entries").iterdir())) == 6


@pytest.mark.parametrize("step", ["commit", "extend", "put"])
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What was committed and not sealed is read back and comes out as it would have."""
    made = Sealed(tmp_path)
    made.batches(2)
    committed = made.commit()
    if step != "commit":
        with monkeypatch.context() as broken:
            broken.setattr(LogFiles, "put", _refuse)
            if step == "extend":
                broken.setattr(LogFiles, "_write_hashes", _refuse)
            with pytest.raises(StorageUnavailable):
                made.sealer.seal(committed, NOW_MS)
    again = Sealed(tmp_path)
    assert (again.sealer.size, again.sealer.waiting) == (2, 1)
    assert again.sealer.seal((), NOW_MS) == 1
    again.batches(1)
    checked = check_log(tmp_path, again.authority.trust(), 10)
    assert (checked.size, checked.damage) == (4, ())


def _refuse(*_: object) -> None:
    raise StorageUnavailable("no space")


def test_what_waits_is_sealed_a_bounded_number_at_a_time(tmp_path: Path) -> None:
    """A log that was away for long catches up call by call, and new batches wait their turn."""
    made = Sealed(tmp_path, catch_up=2)
    for _ in range(4):
        made.commit()
    assert [made.sealer.seal((), NOW_MS) for _ in range(2)] == [2, 2]
    made.commit()
    last = made.commit()
    assert made.sealer.seal(last, NOW_MS) == 2
    assert (made.sealer.waiting, made.damage()) == (0, [])


def test_the_checkpoint_comes_last_and_everything_is_durable_before_it(tmp_path: Path) -> None:
    """Leaves, hashes, then the checkpoint: whatever a crash leaves, nothing is vouched for that is not there."""
    recorder = Recorder(tmp_path)
    made = Sealed(tmp_path, recorder.disk)
    recorder.calls.clear()
    made.batches(1)
    made_durable = [
        recorder.index("rename", "log/entries/00000000"), recorder.index("directory", "log/entries"),
        recorder.index("data", "log/hashes"), recorder.index("file", "log/.checkpoint"),
        recorder.index("rename", "log/checkpoint"),
    ]  # fmt: skip
    assert made_durable == sorted(made_durable)
    assert recorder.calls[-1] == ("directory", "log")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda rows: rows.set_column(5, "start_unix_nano", [[NOW_S * 1e9 + 1] * 3]), "changed"),
        (lambda rows: rows.slice(0, 2), "missing"),
        (lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), "changed"),
        (lambda rows: rows.slice(0, 0), "missing"),
    ],
)  # fmt: skip
def test_rows_that_were_changed_removed_or_added_are_named_by_batch(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], kind: str
) -> None:
    """However well the file was made to look."""
    made = Sealed(tmp_path)
    made.batches(4)
    rewritten(made.file_of(2), change)
    assert made.damage() == [(2, kind)]


def test_one_flipped_byte_is_found_and_the_batch_named(tmp_path: Path) -> None:
    """A file whose pages do not check holds a batch that is then missing."""
    made = Sealed(tmp_path)
    made.batches(3)
    path = made.file_of(1)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[(column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1] ^= 1
    path.write_bytes(data)
    assert made.damage() == [(-1, "file"), (1, "missing")]


def test_a_changed_leaf_hash_or_checkpoint_is_found(tmp_path: Path) -> None:
    """Each of the log's own files is held against the others."""
    made = Sealed(tmp_path)
    made.batches(3)
    for name, kinds in (
        ("entries/00000000", {"leaves", "leaf"}),
        ("hashes", {"hashes"}),
        ("checkpoint", {"checkpoint"}),
    ):
        path = tmp_path / "log" / name
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[len(changed) // 3] ^= 1
        path.write_bytes(changed)
        assert {kind for _, kind in made.damage()} & kinds, name
        path.write_bytes(whole)
    assert made.damage() == []


def test_a_log_that_does_not_check_is_never_sealed_over(tmp_path: Path) -> None:
    """Without its checkpoint, with hashes that do not come to it, under a stranger's key, or set back with its table."""
    made = Sealed(tmp_path)
    made.batches(3)
    log = tmp_path / "log"
    checkpoint, hashes = (log / "checkpoint").read_bytes(), (log / "hashes").read_bytes()
    made.authority.signing = SigningKey.from_seed(b"s" * 32)
    made.batches(1)
    with pytest.raises(IntegrityError, match="no trusted log key"):
        Sealed(tmp_path)
    (log / "checkpoint").write_bytes(checkpoint)
    (log / "hashes").write_bytes(hashes[:64] + bytes(32) + hashes[96:])
    with pytest.raises(IntegrityError, match="do not come to"):
        Sealed(tmp_path)
    (log / "hashes").write_bytes(hashes)
    (log / "checkpoint").unlink()
    with pytest.raises(IntegrityError, match="checkpoint is gone"):
        Sealed(tmp_path)
    assert [kind for _, kind in made.damage()] == ["checkpoint"]


def test_a_table_that_was_set_back_is_told_from_its_log(tmp_path: Path) -> None:
    """The log holds more batches than the table ever numbered."""
    made = Sealed(tmp_path)
    made.batches(2)
    (tmp_path / "spans").rename(tmp_path / "away")
    with pytest.raises(IntegrityError, match="set back"):
        Sealed(tmp_path)
    assert made.damage() == [(0, "missing"), (1, "missing")]


def test_a_disk_that_refuses_is_said(tmp_path: Path) -> None:
    """As storage that is away, never as a log that was changed."""

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    made = Sealed(tmp_path)
    refusing = Sealer(LogFiles(tmp_path / "log", replace(Disk(), sync_file=full)), made.table, made.authority, 9)
    with pytest.raises(StorageUnavailable, match="No space"):
        refusing.seal(made.commit(), NOW_MS)


def test_a_home_where_nothing_was_sealed_is_whole(tmp_path: Path) -> None:
    """Neither log nor table: no damage, and no batch."""
    checked = check_log(tmp_path, Authority().trust(), 10)
    assert (checked.size, checked.damage) == (0, ())


def test_a_home_s_authority_is_its_key_files(tmp_path: Path) -> None:
    """Read each time they are needed: a rotated key signs the next checkpoint."""
    keys = Authority()
    (tmp_path / "trust.json").write_bytes(canonical_json(keys.trust()))
    keys.key().save(tmp_path / "keys" / "log.key")
    authority = HomeAuthority(tmp_path)
    assert authority.trust() == keys.trust()
    assert authority.key().public == keys.key().public
    SigningKey.from_seed(b"n" * 32).replace(tmp_path / "keys" / "log.key")
    assert authority.key().public != keys.key().public


def test_an_envelope_gets_its_proof_once_its_row_is_sealed(tmp_path: Path) -> None:
    """Before, it is given as it is; afterwards with a proof that anyone can check against the trust bundle."""
    made = Sealed(tmp_path)
    made.batches(2)
    record = msgspec.structs.replace(RECORD, writer=msgspec.structs.replace(RECORD.writer, id=W, seq=made.next_seq + 1))
    data = canonical_json(seal(record, WRITER.key, WRITER.certificate))
    rows = Rows(W, made.next_seq, 1, [span(1), span(2, data, decision_id=record.id), span(3)])
    archive = ArchivedDecisions(tmp_path, 10)
    assert archive.prove(data) == data
    batches = made.table.append([rows], {W: made.next_seq + 2}, NOW_MS)
    assert archive.prove(data) == data
    made.sealer.seal(batches, NOW_MS)
    envelope = read_envelope(archive.prove(data))
    assert envelope.as_logged == data
    assert envelope.proof is not None
    manifest, checkpoint = check_inclusion(envelope.proof, W, record.writer.seq, data, made.authority.trust())
    assert (manifest.count, checkpoint.size) == (3, 3)
    assert archive.prove(canonical_json(envelope)) == archive.prove(data)
