"""A table is opened wherever it lies; one that nobody can ask is not one that is not there."""

from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.delta import asked, create_table, file_of, is_table, open_table
from actors.spans.adapters.objects import ObjectPath
from actors.spans.columns import PARTITION, table_schema
from actors.spans.place import Location, Place
from tests.shells.s3_server import Server


def place_in(tmp_path: Path, location: Location) -> Place:
    """Return where a table is to lie."""
    return ObjectPath(location) if location.url else tmp_path / "spans"


def test_a_table_is_there_once_it_was_created(tmp_path: Path, location: Location) -> None:
    """Creating it again is no error and changes nothing."""
    place = place_in(tmp_path, location)
    assert not is_table(place)
    for _ in range(2):
        assert create_table(place, table_schema(), PARTITION, {"delta.checkpointInterval": "7"}).version() == 0
    assert is_table(place)
    assert open_table(place).metadata().configuration == {"delta.checkpointInterval": "7"}


def test_a_file_is_called_by_a_uri_and_found(tmp_path: Path) -> None:
    """In a directory by a path or a URI of one, in a bucket by its own."""
    bucket = ObjectPath(Location("s3://one/spans"))
    assert file_of(bucket, "s3://one/spans/date=2026-09-21/a.parquet") == bucket / "date=2026-09-21/a.parquet"
    for uri in (f"{tmp_path}/a b.parquet", f"file://{tmp_path}/a%20b.parquet"):
        assert file_of(tmp_path, uri) == tmp_path / "a b.parquet"


def test_a_store_that_does_not_answer_holds_no_empty_table(s3: Server) -> None:
    """Nor does a bucket that is not there."""
    place = ObjectPath(s3.bucket(retries=0))
    s3.fails("drop")
    with pytest.raises(StorageUnavailable):
        is_table(place)
    s3.mends()
    missing = Location("s3://nobody-made-it/spans", s3.endpoint, 20.0, 0)
    with pytest.raises(StorageUnavailable, match="make it"):
        is_table(ObjectPath(missing))


class PanicException(BaseException):
    """What the library raises where it panics."""


@pytest.mark.parametrize("error", [PanicException("crashed"), OSError("gone"), ValueError("no UTF-8")])
def test_a_log_that_cannot_be_read_is_away(tmp_path: Path, error: BaseException) -> None:
    """However it is put; what has nothing to do with it goes on."""
    with pytest.raises(StorageUnavailable, match=f"cannot be read: {error}"), asked(tmp_path):
        raise error
    with pytest.raises(KeyboardInterrupt), asked(tmp_path):
        raise KeyboardInterrupt
