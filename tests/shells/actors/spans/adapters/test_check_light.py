"""A light check: what was merged is held by its bytes, on the word of who could sign checkpoints, and nobody else's."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters import rows_check as rows_check_module
from actors.spans.adapters.check import Checked, check_log
from actors.spans.adapters.parquet import Statistics, file_name, parquet_bytes
from actors.spans.adapters.swaps import Output, Swap
from actors.spans.columns import Rows, by_date
from actors.spans.entry import sign_entry
from actors.spans.log.tiles import join_leaves
from actors.spans.proof import read_manifest
from tests.shells.actors.spans.adapters.merging import OWN, Merging
from tests.shells.actors.spans.adapters.sealed import NOW_MS, W
from tests.shells.actors.spans.adapters.test_compaction import straddling
from tests.unit.actors.spans.telemetry import LOG_KEY, NOW_S, Authority, certificate_of, flipped, span, writer_id


def checked(made: Merging, *, deep: bool = False) -> Checked:
    """Check a log."""
    return check_log(made.home, made.authority.trust(), 10, deep=deep)


def found(made: Merging, *, deep: bool = False) -> list[tuple[int, str]]:
    """Return what a check finds."""
    return [(item.batch, item.kind) for item in checked(made, deep=deep).damage]


@pytest.fixture
def made(tmp_path: Path) -> Merging:
    """Return a table with one merged file, its entry, and a batch since."""
    merging = Merging(tmp_path)
    merging.batches(4)
    merging.merge()
    merging.batches(1)
    return merging


def merged_file(made: Merging) -> Path:
    """Return the merged file."""
    return next(file.path for file in made.table.numbered_files() if file.first == 0)


def hashed(made: Merging, monkeypatch: pytest.MonkeyPatch, *, deep: bool = False) -> list[int]:
    """Return the batches whose rows a check hashes."""
    batches: set[int] = set()
    real = rows_check_module.row_hashes

    def counted(rows: Rows) -> list[bytes]:
        batches.add(-1 if rows.log_index is None else rows.log_index)
        return real(rows)

    with monkeypatch.context() as patch:
        patch.setattr(rows_check_module, "row_hashes", counted)
        checked(made, deep=deep)
    return sorted(batches)


def test_only_what_no_entry_names_is_hashed(made: Merging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Light and deep come to the same; deep hashes every row."""
    light, deep = checked(made), checked(made, deep=True)
    assert (light.damage, light.rows, len(light.whole)) == (deep.damage, deep.rows, len(deep.whole)) == ((), 16, 6)
    assert (light.trusted_files, deep.trusted_files) == (1, 0)
    assert (light.report()["trusted_files"], light.root) == (1, deep.root)
    assert hashed(made, monkeypatch) == [4, 5]
    assert hashed(made, monkeypatch, deep=True) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("part", range(12))
def test_every_byte_of_a_merged_file_counts(made: Merging, part: int) -> None:
    """A bit flipped anywhere, magic bytes and footer as well: all of its batches are named."""
    path = merged_file(made)
    data = path.read_bytes()
    path.write_bytes(flipped(data, 8 * (len(data) - 1) * part // 11))
    assert {item for item in found(made) if item[1] == "file"} == {(batch, "file") for batch in range(4)}


def test_a_merged_file_that_is_gone_is_missed(made: Merging) -> None:
    """With all of its batches."""
    merged_file(made).unlink()
    assert found(made) == [item for batch in range(4) for item in ((batch, "file"), (batch, "missing"))]


@pytest.mark.parametrize(
    "change",
    [
        lambda part: replace(part, spans=[*part.spans[:-1], span(part.first_seq + 2, tenant="another")]),
        lambda part: replace(part, spans=part.spans[:-1]),
    ],
    ids=["changed", "cut"],
)
def test_other_rows_under_a_name_and_a_delta_log_that_fit_are_found(
    made: Merging, change: Callable[[Rows], Rows]
) -> None:
    """No entry names that file, so it is read row by row."""
    ((day, table),) = by_date(
        [*made.table.batches(0, 1), change(made.table.batches(2, 2)[0]), *made.table.batches(3, 3)]
    )
    put_in_place(made, merged_file(made), day.isoformat(), table)
    assert [batch for batch, _ in found(made)] == [2]


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize(
    ("kind", "column", "value"), [("maxValues", "decision_id", "0"), ("nullCount", "log_index", 1)]
)
def test_what_delta_s_log_says_of_a_merged_file_is_held_against_it(
    made: Merging, kind: str, column: str, value: object, *, deep: bool
) -> None:
    """Whether its rows were read or its footer asked."""
    name = merged_file(made).name
    for entry in (made.home / "spans" / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in entry.read_text().splitlines()]
        for action in actions:
            if name in action.get("add", {}).get("path", ""):
                said = json.loads(action["add"]["stats"])
                said[kind][column] = value
                action["add"]["stats"] = json.dumps(said)
        entry.write_text("\n".join(map(json.dumps, actions)))
    assert found(made, deep=deep) == [(-1, "table")]


def put_in_place(made: Merging, file: Path, day: str, table: pa.Table) -> str:
    """Put rows in a file's place, under a name that fits; return its digest."""
    data = parquet_bytes(table)
    sha256 = hashlib.sha256(data).hexdigest()
    name = file_name(day, sha256)
    (made.table.path / name).write_bytes(data)
    inputs = tuple(one for one in made.table.numbered_files() if one.path == file)
    swap = Swap((Output(name, day, len(data), Statistics().add(table)),), inputs)
    delta = DeltaTable(made.table.path)
    delta.create_write_transaction(
        swap.actions(made.table.path, NOW_MS), mode="append", schema=delta.schema(), partition_by=["date"]
    )
    return sha256


def claimed(made: Merging, entry: dict[str, str], writer: str) -> None:
    """Commit and seal a row that says what was merged."""
    seq = (made.table.last_committed(writer) or 0) + 1
    row = span(seq, name=names.TABLE_COMPACTED, attributes=entry, decision_id="", tenant="")
    made.sealer.seal(made.table.append([Rows(writer, seq, 1, [row])], {writer: seq}, NOW_MS), NOW_MS)


@pytest.mark.parametrize("writer", [OWN, W, writer_id(77)])
@pytest.mark.parametrize("key", [LOG_KEY, SigningKey.from_seed(b"x" * 32), None])
def test_only_who_can_sign_checkpoints_is_believed(made: Merging, key: SigningKey | None, writer: str) -> None:
    """An entry of anybody else, whatever id it carries, changes nothing; deep believes not even that key's holder."""
    other = replace(
        made.table.batches(2, 2)[0], spans=[span(7, tenant="another"), *made.table.batches(2, 2)[0].spans[1:]]
    )
    ((day, table),) = by_date([*made.table.batches(0, 1), other, *made.table.batches(3, 3)])
    sha256 = put_in_place(made, merged_file(made), day.isoformat(), table)
    words = {names.TABLE_INPUTS: "", names.TABLE_OUTPUTS: sha256}
    entry = words if key is None else signed_by(key, words)
    claimed(made, entry, writer)
    assert found(made, deep=True) == [(2, "changed")]
    assert found(made) == ([] if key is LOG_KEY else [(2, "changed")])


def signed_by(key: SigningKey, words: dict[str, str]) -> dict[str, str]:
    """Sign words as whoever believes this key would have it."""
    trust = Authority().trust()
    trust = msgspec.structs.replace(trust, certificates=[*trust.certificates, certificate_of("log", key)])
    return sign_entry(key, trust, names.TABLE_COMPACTED, words, int(NOW_S))


def test_an_entry_that_is_not_sealed_names_nothing(tmp_path: Path) -> None:
    """Until its batch is in the log all is read row by row."""
    made = Merging(tmp_path)
    made.batches(4)
    entry = made.work()
    assert entry is not None
    row = span(1, name=names.TABLE_COMPACTED, attributes=entry, decision_id="", tenant="")
    made.table.append([Rows(OWN, 1, 1, [row])], {OWN: 1}, NOW_MS, swap=made.compactor.ready)
    assert (checked(made).trusted_files, checked(made).damage) == (0, ())
    made.sealer.seal([], NOW_MS)
    assert (checked(made).trusted_files, checked(made).damage) == (1, ())


def test_entries_that_were_merged_themselves_still_count(tmp_path: Path) -> None:
    """What names a file is sealed after it, so it is known before it is read, file after file."""
    made = Merging(tmp_path)
    for _ in range(60):
        made.batches(1)
        if (entry := made.work()) is not None:
            made.enter(entry)
    light = checked(made)
    assert light.damage == ()
    assert light.trusted_files >= 4
    assert (
        light.trusted_files > sum(file.last >= light.size - 8 for file in made.table.numbered_files() if file.last) - 8
    )
    assert light.rows == checked(made, deep=True).rows


def test_a_damaged_entry_names_nothing_any_more(made: Merging) -> None:
    """The files that it named are read row by row: nothing is believed on the word of a row that is not what was sealed."""
    (entry,) = made.table.batches(4, 4)
    other = replace(
        entry, spans=[span(1, name=names.TABLE_COMPACTED, tenant="x", attributes=entry.spans[0].attributes)]
    )
    ((day, table),) = by_date([other])
    file = next(one.path for one in made.table.numbered_files() if one.first == 4)
    put_in_place(made, file, day.isoformat(), table)
    light = checked(made)
    assert [(item.batch, item.kind) for item in light.damage] == [(4, "changed")]
    assert (light.trusted_files, light.rows) == (0, 15)


def test_batches_of_several_dates_are_hashed_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each merged file holds a part of each: no count of rows in one of them says that all are there."""
    made = Merging(tmp_path)
    made.batches(4)
    for _ in range(4):
        straddling(made)
    for _ in range(3):
        if (entry := made.work()) is not None:
            made.enter(entry)
    light = checked(made)
    assert (light.damage, light.rows) == ((), checked(made, deep=True).rows)
    assert light.trusted_files >= 2
    assert set(range(4, 8)) <= set(hashed(made, monkeypatch))
    assert not set(range(4)) & set(hashed(made, monkeypatch))


def test_an_entry_that_does_not_say_which_batches_expired_is_named(made: Merging) -> None:
    """Signed by the log's key and sealed: what it says cannot be read, and nothing is excused by it."""
    made.entered = names.TABLE_EXPIRED
    words = {names.TABLE_EXPIRED_BATCHES: "3-1", names.TABLE_OUTPUTS: ""}
    made.enter(sign_entry(LOG_KEY, made.authority.trust(), names.TABLE_EXPIRED, words, int(NOW_S)))
    for deep in (False, True):
        assert found(made, deep=deep) == [(6, "expired")]


def test_a_leaf_of_merged_rows_that_is_changed_is_named(made: Merging) -> None:
    """The file is held without it, and whatever it says is right but one time: the tile of its hash tells which one it is."""
    leaves = list(made.files.leaves(0, made.sealer.size))
    entries = made.home / "log" / "tile" / "entries" / "000.p" / str(len(leaves))
    leaves[2] = canonical_json(msgspec.structs.replace(read_manifest(leaves[2]), last_unix_ms=NOW_MS + 1))
    entries.write_bytes(join_leaves(leaves))
    assert [item for item in found(made) if item[0] >= 0] == [(2, "leaf")]


def test_a_tile_that_is_changed_is_named_and_no_batch(made: Merging) -> None:
    """The leaves come to the root: it is the tile that is wrong."""
    tile = made.home / "log" / "tile" / "0" / "000.p" / str(made.sealer.size)
    tile.write_bytes(flipped(tile.read_bytes(), 8 * (2 * 32 + 5)))
    assert found(made) == [(-1, "hashes")]
