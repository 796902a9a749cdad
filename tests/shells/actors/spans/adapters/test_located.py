"""Where a home's rows lie is remembered: no other place is taken for an empty table."""

from pathlib import Path

import pytest

from actors.base.errors import HomeError, IntegrityError
from actors.spans.adapters.located import NAME, named, remember, table_of
from actors.spans.adapters.objects import ObjectPath
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.place import AT_HOME, Location
from tests.unit.actors.spans.telemetry import spans_from, writer_id

BUCKET, OTHER = Location("s3://one/spans", "https://a"), Location("s3://two/spans")


def test_a_table_lies_in_its_home_unless_told_otherwise(tmp_path: Path) -> None:
    """Nothing is written for that."""
    assert table_of(tmp_path, AT_HOME) == tmp_path / "spans"
    assert list(tmp_path.iterdir()) == []


def test_the_address_is_remembered_and_nothing_else(tmp_path: Path) -> None:
    """Endpoint and timeouts may change; the place may not, nor be forgotten."""
    for _ in range(2):
        remember(tmp_path / "spans", BUCKET.url)
    assert table_of(tmp_path, BUCKET) == ObjectPath(BUCKET)
    moved = Location(BUCKET.url, "https://b", 1.0, 0)
    assert table_of(tmp_path, moved) == ObjectPath(moved)
    assert "https" not in (tmp_path / "spans" / NAME).read_text()
    for other in (AT_HOME, OTHER):
        with pytest.raises(HomeError, match="lie in s3://one/spans"):
            SpanStores(tmp_path, 10, location=other)


def test_a_home_with_rows_begins_no_other_table(tmp_path: Path) -> None:
    """They do not move by themselves."""
    writer = writer_id(1)
    SpanTable(tmp_path / "spans", 10).append([Rows(writer, 1, 1, spans_from(1, 1))], {writer: 1}, 0)
    with pytest.raises(HomeError, match="leave it empty"):
        table_of(tmp_path, BUCKET)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "another/1", "url": "s3://one/spans"}'])
def test_a_word_that_says_nothing_is_no_empty_home(tmp_path: Path, text: str) -> None:
    """Nobody guesses where rows lie."""
    (tmp_path / "spans").mkdir()
    (tmp_path / "spans" / NAME).write_text(text)
    for location in (AT_HOME, BUCKET):
        with pytest.raises(IntegrityError, match="bring it back"):
            table_of(tmp_path, location)


def test_a_directory_that_is_away_contradicts_nothing(tmp_path: Path) -> None:
    """A backup is read meanwhile; but nothing is begun that could not be remembered."""
    (tmp_path / "spans").touch()
    assert table_of(tmp_path, AT_HOME) == tmp_path / "spans"
    assert table_of(tmp_path, BUCKET) == ObjectPath(BUCKET)
    with pytest.raises(OSError, match="spans"):
        remember(tmp_path / "spans", BUCKET.url)


def test_what_another_process_wrote_down_is_found_again(tmp_path: Path) -> None:
    """Files of a bucket and of a backup beside it."""
    file = ObjectPath(BUCKET) / "date=2026-09-21" / "part.parquet"
    assert named(str(file), BUCKET) == file
    assert named(str(tmp_path / "part.parquet"), BUCKET) == tmp_path / "part.parquet"
    assert named("/s3:/x", AT_HOME) == Path("/s3:/x")
