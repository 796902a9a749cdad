"""Disks that are really full, and a store that is really another process."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.spans.place import AT_HOME, Location
from tests.shells.s3_server import CREDENTIALS, Server, served


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few hundred KiB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(  # noqa: S603 - words of ours
        ["/bin/mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["/bin/umount", "-l", str(folder)], check=True, capture_output=True)  # noqa: S603


@pytest.fixture(scope="session")
def s3_process() -> Iterator[Server]:
    """Run an S3-compatible server."""
    with served() as server:
        yield server


@pytest.fixture
def s3(s3_process: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return a server that works, with credentials in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    s3_process.mends()
    s3_process.seen()
    return s3_process


@pytest.fixture(params=["directory", "bucket"])
def location(request: pytest.FixtureRequest) -> Location:
    """Return a place for a table: in its home, or in a bucket of its own."""
    return AT_HOME if request.param == "directory" else request.getfixturevalue("s3").bucket()
