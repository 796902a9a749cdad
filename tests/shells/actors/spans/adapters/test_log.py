"""The log on a disk: what is sealed, what a crash leaves, what is found when somebody changes it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, TrustBundle
from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters.check import check_log
from actors.spans.adapters.files import ANEW
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.lookup import ArchivedDecisions
from actors.spans.adapters.sealer import HomeAuthority, Sealer
from actors.spans.adapters.segments import Disk
from actors.spans.columns import Rows, pinned_schema
from actors.spans.log.checkpoint import log_keys, origin, sign_checkpoint
from actors.spans.log.tiles import ENTRIES, Tile, join_leaves, read_path, tiles_of
from actors.spans.merkle import is_consistent, leaf_hash, root_of_path, tree_root
from actors.spans.proof import check_inclusion
from actors.spans.record import read_envelope, seal
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W, rewritten
from tests.unit.actors.spans.telemetry import LOG_KEY, NOW_S, Authority, Recorder, span
from tests.unit.actors.spans.test_record import RECORD, WRITER

_Seen = TypeVar("_Seen")


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
    assert (checked.size, checked.rows, len(checked.whole), checked.damage) == (5, 15, 5, ())
    assert [index in checked.whole for index in (-1, 0, 4, 5)] == [False, True, True, False]


def test_leaves_go_on_over_many_tiles(tmp_path: Path) -> None:
    """What lies there is what C2SP's tiles are, at every size that a checkpoint was of, and partial ones go when full."""
    files, key = LogFiles(tmp_path / "log"), SigningKey.from_seed(b"k" * 32)
    data = [b"%d" % number for number in range(66_000)]
    hashes = [leaf_hash(leaf) for leaf in data]
    for start, end in ((0, 3), (3, 130), (130, 256), (256, 257), (257, 1100), (1100, 65_790), (65_790, 66_000)):
        root = files.extend(start, data[start:end])
        assert root == tree_root(hashes[:end])
        files.put(sign_checkpoint(key, "log", end, root, NOW_MS))
        assert files.root(end) == root
        assert is_consistent(start, end, tree_root(hashes[:start]), root, files.consistency(start, end)) == (start > 0)
        assert root_of_path(start, end, hashes[start], files.path_of(start, end)) == root
    folder = tmp_path / "log" / "tile"
    lying = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert lying == {tile.path for tile in tiles_of(66_000)}
    assert {tile for path in lying if (tile := read_path(path))} == set(tiles_of(66_000))
    assert list(files.leaves(0, 66_000)) == data
    assert list(files.leaves(700, 702)) == data[700:702]


def test_any_leaf_and_any_narrower_tile_is_read_from_what_was_written_at_once(tmp_path: Path) -> None:
    """Many batches are one step of the log: no tile of the sizes between was ever written."""
    files = LogFiles(tmp_path / "log")
    data = [b"%d" % number for number in range(9)]
    files.extend(0, data)
    assert [next(files.leaves(index, index + 1)) for index in range(9)] == data
    for size in range(1, 10):
        assert files.root(size) == tree_root([leaf_hash(leaf) for leaf in data[:size]])
        assert files.tile(Tile(ENTRIES, 0, size)) == join_leaves(data[:size])
    with pytest.raises(IntegrityError, match=r"tile 0/000.p/10 of the log is missing"):
        files.tile(Tile(0, 0, 10))


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
                broken.setattr(LogFiles, "_write", _refuse)
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
        recorder.index("file", "log/tile/entries/000.p/.1"), recorder.index("rename", "log/tile/entries/000.p/1"),
        recorder.index("directory", "log/tile/entries/000.p"), recorder.index("file", "log/tile/0/000.p/.1"),
        recorder.index("directory", "log/tile/0/000.p"), recorder.index("file", "log/.checkpoint"),
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
    assert made.damage() == sorted([(2, kind), (2, "file")])


def test_one_flipped_byte_is_found_and_the_batch_named(tmp_path: Path) -> None:
    """Wherever it lies: in a page, in a page's header, in the statistics, in the footer, in the magic at either end."""
    made = Sealed(tmp_path)
    made.batches(3)
    path = made.file_of(1)
    whole = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    page = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1
    for place in {page, 0, len(whole) - 1, *range(1, len(whole), 83)}:
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        found = made.damage()
        assert (1, "file") in found, place
        assert {batch for batch, _ in found} <= {1, -1}, place
    path.write_bytes(whole)
    assert made.damage() == []


@pytest.mark.parametrize("batches", [3, 300])
def test_every_flipped_or_added_byte_of_the_log_s_own_files_is_found(tmp_path: Path, batches: int) -> None:
    """In each file that is given out: the checkpoint, bundles, tiles of every level, partial ones that a wider one followed."""
    made = Sealed(tmp_path)
    made.many(batches - 2)
    made.batches(2)
    files = [path for path in (tmp_path / "log").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "log").parts[0] for path in files} == {"checkpoint", "tile"}
    for path in files:
        whole = path.read_bytes()
        kind = "checkpoint" if path.name == "checkpoint" else "leaves" if "entries" in path.parts else "hashes"
        places = {0, 1, len(whole) // 3, len(whole) - 1}
        for change in (*(flipped(whole, at) for at in places), whole + b"x", whole[:-1]):
            path.write_bytes(change)
            assert kind in {found for _, found in made.damage()}, path
        path.write_bytes(whole)
    assert made.damage() == []


def flipped(data: bytes, at: int) -> bytes:
    """Return bytes with one bit of one of them the other way."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_log_that_does_not_check_is_never_sealed_over(tmp_path: Path) -> None:
    """Without its checkpoint, with hashes that do not come to it, under a stranger's key, or set back with its table."""
    made = Sealed(tmp_path)
    made.batches(3)
    log = tmp_path / "log"
    tile = log / "tile" / "0" / "000.p" / "3"
    checkpoint, hashes = (log / "checkpoint").read_bytes(), tile.read_bytes()
    stranger = SigningKey.from_seed(b"s" * 32)
    made.files.put(sign_checkpoint(stranger, origin(made.authority.trust()), 3, made.files.root(3), NOW_MS))
    with pytest.raises(IntegrityError, match="no trusted log key"):
        Sealed(tmp_path)
    (log / "checkpoint").write_bytes(checkpoint)
    tile.write_bytes(hashes[:64] + bytes(32))
    with pytest.raises(IntegrityError, match="do not come to"):
        Sealed(tmp_path)
    tile.write_bytes(hashes)
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
    refusing = Sealer(LogFiles(tmp_path / "log", replace(Disk(), sync_file=full)), made.table, made.authority, 9, 9)
    with pytest.raises(StorageUnavailable, match="No space"):
        refusing.seal(made.commit(), NOW_MS)


def test_a_home_where_nothing_was_sealed_is_whole(tmp_path: Path) -> None:
    """Neither log nor table: no damage, and no batch."""
    checked = check_log(tmp_path, Authority().trust(), 10)
    assert (checked.size, checked.damage) == (0, ())


def test_a_home_s_authority_is_its_key_files(tmp_path: Path) -> None:
    """Read each time they are needed: a rotated key signs the next checkpoint; trust is what its source says."""
    keys = Authority()
    keys.key().save(tmp_path / "keys" / "log.key")
    authority = HomeAuthority(tmp_path, keys.trust)
    assert authority.trust() == keys.trust()
    assert authority.key().public == keys.key().public
    SigningKey.from_seed(b"n" * 32).replace(tmp_path / "keys" / "log.key")
    assert authority.key().public != keys.key().public


def test_a_key_that_is_replaced_between_two_looks_signs_nothing_that_is_not_believed(tmp_path: Path) -> None:
    """Who replaces it certifies the new one first, so the bundle that is looked at after the key knows it."""
    made = Sealed(tmp_path)
    made.batches(1)
    batches = made.commit()
    authority = Replacing()
    sealer = Sealer(LogFiles(tmp_path / "log"), made.table, authority, 9, 9)
    sealer.begin(NOW_MS)
    authority.due = True
    assert sealer.seal(batches, NOW_MS) == 1
    assert not authority.due


class Replacing(Authority):
    """A home whose log key an operator replaces, once that is due, as soon as anybody has looked at key or bundle."""

    due = False

    def trust(self) -> TrustBundle:
        """Return the bundle as it was."""
        return self._then(super().trust())

    def key(self) -> SigningKey:
        """Return the key as it was."""
        return self._then(super().key())

    def _then(self, seen: _Seen) -> _Seen:
        if self.due:
            self.due = False
            self.rotate(
                SigningKey.from_seed(b"n" * 32), Revocation(LOG_KEY.public.key_id, NOW_MS // 1000 + 3, "replaced")
            )
        return seen


def test_an_envelope_gets_its_proof_once_its_row_is_sealed(tmp_path: Path) -> None:
    """Before, it is given as it is; afterwards with a proof that anyone can check against the trust bundle."""
    made = Sealed(tmp_path)
    made.batches(2)
    record = msgspec.structs.replace(RECORD, writer=msgspec.structs.replace(RECORD.writer, id=W, seq=made.next_seq + 1))
    data = canonical_json(seal(record, WRITER.key, WRITER.certificate))
    rows = Rows(W, made.next_seq, 1, [span(1), span(2, data, decision_id=record.id), span(3)])
    archive = ArchivedDecisions(tmp_path, 10, made.authority.trust)
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


def test_a_key_that_is_not_believed_signs_no_checkpoint(tmp_path: Path) -> None:
    """Nor does one that is revoked by now: nothing is written, and the right key seals what waited."""
    made = Sealed(tmp_path)
    made.batches(1)
    before, right = made.files.checkpoint(), made.authority.signing
    made.authority.signing = SigningKey.from_seed(b"s" * 32)
    with pytest.raises(HomeError, match=r"nothing is committed.*no trusted log key"):
        made.commit()
    made.authority.signing = right
    made.commit()
    made.authority.signing = SigningKey.from_seed(b"s" * 32)
    with pytest.raises(HomeError, match=r"not believed.*no trusted log key"):
        made.sealer.seal((), NOW_MS)
    assert made.files.checkpoint() == before
    made.authority.signing = right
    assert made.sealer.seal((), NOW_MS) == 1
    assert made.damage() == []


def test_hashes_that_change_under_a_running_sealer_are_not_signed_over(tmp_path: Path) -> None:
    """The log is held against its root before every batch, not only at the start."""
    made = Sealed(tmp_path)
    made.batches(3)
    before = made.files.checkpoint()
    path = tmp_path / "log" / "tile" / "0" / "000.p" / "3"
    hashes = path.read_bytes()
    path.write_bytes(hashes[:64] + bytes(32))
    with pytest.raises(IntegrityError, match="do not come to"):
        made.sealer.seal(made.commit(), NOW_MS)
    assert made.files.checkpoint() == before
    path.write_bytes(hashes)
    assert made.sealer.seal((), NOW_MS) == 1


def test_what_a_disk_did_not_keep_is_not_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes are read back before a checkpoint vouches for them."""
    made = Sealed(tmp_path)
    made.batches(3)
    before, write = made.files.checkpoint(), Path.write_bytes

    def lying(path: Path, data: bytes) -> int:
        return write(path, bytes(len(data)) if path.parent == tmp_path / "log/tile/0/000.p" else data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lying)
        with pytest.raises(IntegrityError, match="not what was written"):
            made.sealer.seal(made.commit(), NOW_MS)
    assert made.files.checkpoint() == before
    assert made.sealer.seal((), NOW_MS) == 1
    assert made.damage() == []


def test_only_what_is_durable_is_sealed(tmp_path: Path) -> None:
    """A commit whose sync failed may be gone after a loss of power: its batch waits until it is synced."""
    broken = False

    def sync_file(path: Path) -> None:
        if broken and (path.parent.name == "_delta_log" or path.name == ANEW):
            raise OSError(5, "Input/output error")
        Disk().sync_file(path)

    made = Sealed(tmp_path, replace(Disk(), sync_file=sync_file))
    made.batches(1)
    broken = True
    with pytest.raises(StorageUnavailable):
        made.commit()
    assert made.sealer.waiting == 1
    with pytest.raises(StorageUnavailable, match="Input/output"):
        made.sealer.seal((), NOW_MS)
    assert made.sealer.size == 1
    broken = False
    assert made.sealer.seal((), NOW_MS) == 1
    assert made.damage() == []


def test_after_a_write_that_failed_the_disk_is_asked_what_it_holds(tmp_path: Path) -> None:
    """A checkpoint that was put and not said to be is there, and nothing is sealed twice."""
    broken = False

    def sync_directory(path: Path) -> None:
        if broken and path.name == "log" and (path / "checkpoint").stat().st_mtime_ns != stamp:
            raise OSError(5, "Input/output error")
        Disk().sync_directory(path)

    made = Sealed(tmp_path, replace(Disk(), sync_directory=sync_directory))
    made.batches(1)
    stamp = (tmp_path / "log" / "checkpoint").stat().st_mtime_ns
    broken = True
    with pytest.raises(StorageUnavailable, match="Input/output"):
        made.sealer.seal(made.commit(), NOW_MS)
    assert (made.sealer.begun, made.sealer.size) == (False, 1)
    broken = False
    assert made.sealer.seal((), NOW_MS) == 0
    assert (made.sealer.begun, made.sealer.size) == (True, 2)
    made.batches(1)
    assert (check_log(tmp_path, made.authority.trust(), 10).size, made.damage()) == (3, [])


def test_a_proof_that_does_not_hold_is_not_given(tmp_path: Path) -> None:
    """Whoever changed the row beside its envelope gets no proof for it, and is told why."""
    made, data = proven(tmp_path)
    archive = ArchivedDecisions(tmp_path, 10, made.authority.trust)
    assert archive.prove(data) != data
    at = pinned_schema().get_field_index("end_unix_nano")
    rewritten(made.file_of(0), lambda rows: rows.set_column(at, "end_unix_nano", [[int(NOW_S * 1e9) + 9] * 3]))
    with pytest.raises(IntegrityError, match="not in the batch"):
        archive.prove(data)
    rewritten(made.file_of(0), lambda rows: rows.set_column(10, "log_index", pa.array([0, 7, 0], pa.int64())))
    assert archive.prove(data) == data


def proven(home: Path) -> tuple[Sealed, bytes]:
    """Return a home with one sealed batch, and the envelope that its second row carries."""
    made = Sealed(home)
    record = msgspec.structs.replace(RECORD, writer=msgspec.structs.replace(RECORD.writer, id=W, seq=2))
    data = canonical_json(seal(record, WRITER.key, WRITER.certificate))
    rows = Rows(W, 1, 1, [span(1), span(2, data, decision_id=record.id), span(3)])
    made.sealer.seal(made.table.append([rows], {W: 3}, NOW_MS), NOW_MS)
    made.next_seq = 4
    return made, data


def test_a_log_key_that_takes_another_s_place_seals_on(tmp_path: Path) -> None:
    """Proofs under either key hold, and the old key's revocation from now on takes none of them away."""
    made, data = proven(tmp_path)
    archive = ArchivedDecisions(tmp_path, 10, made.authority.trust)
    before, old, new = archive.prove(data), made.authority.signing, SigningKey.from_seed(b"n" * 32)
    made.authority.rotate(new, Revocation(old.public.key_id, NOW_MS // 1000 + 1, "replaced"))
    again = Sealed(tmp_path, authority=made.authority)
    assert (again.sealer.size, archive.prove(data)) == (1, before)
    assert again.sealer.seal(again.commit(), NOW_MS + 5000) == 1
    signed = again.files.checkpoint()
    assert signed is not None
    assert set(signed.note.signed_by(log_keys(signed.head.origin, new.public))) == set(
        log_keys(signed.head.origin, new.public)
    )
    after = archive.prove(data)
    assert after != before
    for given in (before, after):
        proof = read_envelope(given).proof
        assert proof is not None
        check_inclusion(proof, W, 2, data, made.authority.trust())
    assert again.damage() == []


def test_a_log_key_that_was_revoked_before_it_signed_stops_the_log_until_an_operator_acts(tmp_path: Path) -> None:
    """Who stole it may have signed anything since: its checkpoint is damage, no proof is given and nothing is sealed over."""
    made, data = proven(tmp_path)
    archive = ArchivedDecisions(tmp_path, 10, made.authority.trust)
    given = read_envelope(archive.prove(data)).proof
    assert given is not None
    old = made.authority.signing
    made.authority.rotate(SigningKey.from_seed(b"n" * 32), Revocation(old.public.key_id, NOW_MS // 1000 - 1, "stolen"))
    with pytest.raises(IntegrityError, match="no trusted log key"):
        check_inclusion(given, W, 2, data, made.authority.trust())
    with pytest.raises(IntegrityError, match="no trusted log key"):
        archive.prove(data)
    with pytest.raises(IntegrityError, match="no trusted log key"):
        Sealed(tmp_path, authority=made.authority)
    assert made.damage() == [(-1, "checkpoint")]
