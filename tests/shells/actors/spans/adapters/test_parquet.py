"""A span file that is damaged: whatever its bytes are, who reads it is told its name."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from actors.base.errors import IntegrityError
from actors.spans.adapters.parquet import digest_in, groups_in, parquet_bytes, read_file
from actors.spans.columns import Rows, by_date, pinned_schema
from tests.shells.actors.spans.adapters import flips
from tests.shells.actors.spans.adapters.sealed import Sealed, W
from tests.unit.actors.spans.telemetry import spans_from

TIMEOUT_S = 300


@pytest.fixture(scope="module")
def data() -> bytes:
    """Return a small file."""
    ((_, table),) = by_date([Rows(W, 1, 1, spans_from(1, 3), 0)])
    return parquet_bytes(table)


def renamed(data: bytes, column: bytes, name: bytes) -> bytes:
    """Call a column otherwise in a file's footer, wherever it is named."""
    footer = flips.footer_of(data)
    return data[:footer] + data[footer:].replace(column, name)


def test_no_damage_to_a_footer_ends_a_reader_or_holds_it(tmp_path: Path) -> None:
    """Each column as another type, and a bit in every so many: an error that names the file, never a signal or a wait.

    pyarrow's accessors of statistics end the process for some of these, and its datasets wait for ever for others.
    """
    made = Sealed(tmp_path)
    made.batches(1)
    command = [sys.executable, "-m", flips.__name__, str(made.table.path), str(made.file_of(0)), "23"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr[-2000:]
    count, told = map(int, done.stdout.split())
    assert count > 2000
    assert told > 600
    assert made.damage() == []


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_bits_of_a_name_that_is_no_text_are_an_error_of_the_file(data: bytes, tmp_path: Path, bit: int) -> None:
    """Names are decoded after the footer was read, and what that raises is no error of Arrow."""
    path = tmp_path / "part.parquet"
    name = bytearray(b"tenant")
    name[2] ^= 0x80 | 1 << bit
    path.write_bytes(renamed(data, b"tenant", bytes(name)))
    for read in (lambda: list(groups_in(path, path.read_bytes())), lambda: read_file(path, pinned_schema().names)):
        with pytest.raises(IntegrityError, match=r"part\.parquet cannot be read"):
            read()


def test_a_name_that_is_there_twice_is_an_error_of_the_file(data: bytes, tmp_path: Path) -> None:
    """Nobody can tell which of them is meant."""
    path = tmp_path / "part.parquet"
    path.write_bytes(renamed(data, b"tenant", b"sender"))
    for read in (lambda: list(groups_in(path, path.read_bytes())), lambda: read_file(path, ["writer_seq", "sender"])):
        with pytest.raises(IntegrityError, match=r"part\.parquet cannot be read"):
            read()


def test_a_column_that_is_not_there_is_null(data: bytes, tmp_path: Path) -> None:
    """So it is in files that are older than the column; whether a row may be so is for who knows rows."""
    path = tmp_path / "part.parquet"
    path.write_bytes(renamed(data, b"tenant", b"tenanu"))
    (group,) = groups_in(path, path.read_bytes())
    assert (group["tenant"].null_count, group["writer_seq"].to_pylist()) == (3, [1, 2, 3])
    assert read_file(path, ["tenant"], pc.field("writer_seq") > 1)["tenant"].to_pylist() == [None, None]


def test_pages_of_another_column_are_no_text(tmp_path: Path) -> None:
    """A footer that says where pages lie may say so of another column's: their checksums are right."""
    path = tmp_path / "part.parquet"
    words = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    path.write_bytes(parquet_bytes(pa.table({"tenant": words})))
    with pytest.raises(IntegrityError, match=r"part\.parquet cannot be read"):
        read_file(path, ["tenant"])


@pytest.mark.parametrize("deep", [True, False])
def test_a_check_names_a_file_with_a_damaged_footer(tmp_path: Path, *, deep: bool) -> None:
    """By the batch it holds, and goes on."""
    made = Sealed(tmp_path)
    made.batches(2)
    path = made.file_of(1)
    whole = path.read_bytes()
    for change in ((b"tenant", b"t\xffnant"), (b"tenant", b"sender"), (b"log_index", b"log_indey")):
        path.write_bytes(renamed(whole, *change))
        checked = made.checked(deep=deep)
        assert (1, "file") in {(item.batch, item.kind) for item in checked.damage}
        assert 0 in checked.whole
        assert all(digest_in(path.name) in item.why for item in checked.damage if item.kind == "file")


@pytest.mark.parametrize("name", ["part%25.parquet", "part-\u00fc.parquet", r"part\u0001.parquet"])
def test_a_file_that_delta_s_log_calls_otherwise_is_one_that_is_not_there(tmp_path: Path, name: str) -> None:
    """The check says so and goes on; it does not take it for one that was merged meanwhile."""
    made = Sealed(tmp_path)
    made.batches(2)
    entry = max((tmp_path / "spans" / "_delta_log").glob("*.json"))
    entry.write_text(entry.read_text().replace(made.file_of(1).name, name))
    assert set(made.damage()) == {(1, "file"), (1, "missing")}
