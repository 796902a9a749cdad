"""Frees space below the home: rotated logs, and temporary files that nobody finished.

Rules:
- Only below the home, and there only ``run`` and the home's own folder: never the write-ahead log, spans, quarantine, keys,
  policy or learned artefacts.
- Rotated logs are ``*.log.N``; temporary files are those that an atomic write left (``.NAME.XXXXXXXX``), older than
  ``min_age_s``. Nothing else is touched; no link is followed, and no other file system entered.
- At most ``max_files`` files go at a time, of ``LOOKED_AT`` that are looked at.
- A file that is gone meanwhile is none; one that cannot be removed does not keep the others.
"""

import os
import re
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from actors.base.errors import StorageUnavailable

_ROTATED = re.compile(r"^.+\.log\.\d{1,4}$")
LOOKED_AT = 100_000
_UNFINISHED = re.compile(r"^\..+\.[a-z0-9_]{8}$")


class HomeSpace:
    """The ``Mitigation`` of a disk that fills."""

    def __init__(self, home: Path, max_files: int, min_age_s: float) -> None:
        self._home, self._max_files, self._min_age_s = home, max_files, min_age_s

    def carry_out(self, now_s: float) -> str:
        """Remove what may go; return how much that was."""
        removed, freed, kept = 0, 0, list[OSError]()
        try:
            for path, size in self._removable(now_s):
                if removed == self._max_files:
                    break
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    kept.append(error)
                else:
                    removed, freed = removed + 1, freed + size
        except OSError as error:
            raise StorageUnavailable(
                f"space below {self._home} cannot be freed ({error.strerror}); {removed} files were removed"
            ) from error
        if kept and not removed:
            raise StorageUnavailable(f"space below {self._home} cannot be freed ({kept[0].strerror})")
        left = f"; {len(kept)} could not be removed ({kept[0].strerror})" if kept else ""
        return f"removed {removed} rotated logs and expired temporary files, {freed} bytes{left}"

    def settle(self, now_s: float, level: float | None) -> str:  # noqa: ARG002 - the port's
        """Do nothing: what was removed stays so."""
        return ""

    def _removable(self, now_s: float) -> Iterator[tuple[Path, int]]:
        device = self._home.stat().st_dev
        for path in islice(self._files(), LOOKED_AT):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_dev != device:
                continue
            expired = _UNFINISHED.match(path.name) and now_s - status.st_mtime > self._min_age_s
            if expired or _ROTATED.match(path.name):
                yield path, status.st_blocks * 512

    def _files(self) -> Iterator[Path]:
        """Yield the home's own files and those below ``run``, links to folders left alone."""
        yield from sorted(self._home.iterdir())
        run = self._home / "run"
        if not run.is_symlink():
            for folder, _, names in os.walk(run, followlinks=False):
                yield from (Path(folder) / name for name in sorted(names))
