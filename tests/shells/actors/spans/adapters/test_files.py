"""How files of a table are written and removed, in a directory and in a bucket: the same, but for what makes them durable."""

from pathlib import Path

import pytest

from actors.spans.adapters.delta import DELTA_LOG
from actors.spans.adapters.files import BucketFiles, DirectoryFiles, Files, files_of
from actors.spans.adapters.objects import ObjectPath
from actors.spans.adapters.segments import Disk
from actors.spans.place import Location, Place
from tests.shells.s3_server import Server
from tests.unit.actors.spans.telemetry import Recorder

NAME = "date=2026-09-21/part.parquet"


@pytest.fixture
def root(tmp_path: Path, location: Location) -> Place:
    """Return where a table is to lie."""
    return ObjectPath(location) if location.url else tmp_path / "spans"


@pytest.fixture
def files(root: Place, tmp_path: Path) -> Files:
    """Return how its files are written."""
    made = files_of(root, Disk(), tmp_path / "spans")
    made.open_root()
    made.open_desk()
    made.make_folders([NAME])
    return made


def test_a_file_is_written_and_removed(root: Place, files: Files) -> None:
    """What is removed that is not there is no error, and is not told."""
    files.write(NAME, b"rows")
    assert (root / NAME).read_bytes() == b"rows"
    assert files.remove([NAME, "date=2026-09-21/other.parquet"]) == [root / NAME]
    assert not (root / NAME).exists()
    assert files.remove([NAME]) == []


def test_a_file_that_was_made_on_the_desk_takes_its_place(root: Place, files: Files) -> None:
    """And is not on the desk any more."""
    made = files.desk / "_merging.parquet"
    made.write_bytes(b"rows")
    files.take(made, NAME)
    assert ((root / NAME).read_bytes(), made.exists()) == (b"rows", False)


def test_a_checkpoint_is_told_once_it_is_durable(root: Place, files: Files) -> None:
    """Of what followed an entry; a bucket's need no sync, so nothing is said of those from before."""
    if isinstance(root, Path):
        (root / DELTA_LOG).mkdir()
    for version in range(4):
        _write(root / DELTA_LOG / f"{version:020d}.json")
    _write(root / DELTA_LOG / f"{2:020d}.checkpoint.parquet")
    assert [files.sync_log(synced, 3) for synced in (0, 1, 2)] == [True, True, False]
    assert files.sync_log(None, 3) is isinstance(root, Path)
    files.mend_log()


def _write(place: Place) -> None:
    assert isinstance(place, Path | ObjectPath)
    place.write_bytes(b"{}\n")


def test_a_directory_syncs_what_it_writes_renames_and_removes(tmp_path: Path) -> None:
    """The file, and then the folder that names it."""
    recorder = Recorder(tmp_path)
    files = DirectoryFiles(tmp_path, recorder.disk)
    files.make_folders([NAME, "date=2026-09-22/part.parquet"])
    files.write(NAME, b"rows")
    (tmp_path / "made").write_bytes(b"rows")
    files.take(tmp_path / "made", "date=2026-09-22/part.parquet")
    files.remove([NAME])
    assert recorder.calls == [
        ("file", NAME), ("directory", "date=2026-09-21"),
        ("rename", "date=2026-09-22/part.parquet"), ("directory", "date=2026-09-22"), ("directory", "."),
        ("remove", NAME), ("directory", "date=2026-09-21"),
    ]  # fmt: skip


def test_a_bucket_s_notes_lie_in_a_directory(tmp_path: Path, s3: Server) -> None:
    """Without one there is nowhere to note what is begun."""
    root = ObjectPath(s3.bucket())
    assert isinstance(made := files_of(root, Disk(), tmp_path / "desk"), BucketFiles)
    assert made.desk == tmp_path / "desk"
    with pytest.raises(ValueError, match="needs a directory"):
        files_of(root, Disk(), None)
