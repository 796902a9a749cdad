"""Tenants' salts as files below the home: one a tenant, replaced whole, and looked at again before every use.

Rules:
- A look costs one ``stat``; the file is read only when that says it changed. So what was erased is out of use with the next
  request, in every process, and nobody waits for a database.
- A tenant without a file gets one, on the disk before it is used; of several processes that make it one wins. Bring-up and
  ``keys create`` make it ahead.
- What is erased is written over where it lay before its place is given back: until that is done it has a name, so whoever does
  it again after a kill completes it. A file system or disk that writes elsewhere may keep
  it for a while all the same, and so does a backup.
- Whoever takes a file away by hand has erased it: the pseudonym that a process still knows stays.

Left out: what else is a tenant's content (``cluster.tenants``).
"""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from actors.base.canonical import canonical_json, decode
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, NotReady
from actors.base.files import sync_folder, write_atomic, write_new
from actors.store.tenants import MAX_TENANTS, TenantSalts, derived, drawn, renewed

SUFFIX = ".key"
ERASING = ".erasing"
"""Ends the name of what is to be written over."""
_log = logging.getLogger("weavergen.tenants")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a file said."""

    file: str
    stamp: tuple[int, int]
    salts: TenantSalts


class TenantFiles:
    """``Tenants`` of one home, from any thread."""

    def __init__(self, folder: Path, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._folder, self._randomness = folder, randomness
        self._known: dict[str, _Known] = {}

    def __call__(self, tenant: str) -> TenantSalts:
        """Return what is in force for a tenant; raise ``NotReady`` if it cannot be read or made."""
        known = self._known.get(tenant)
        try:
            if known is not None and known.stamp == _stamp(known.file):
                return known.salts
            return self._read(tenant)
        except FileNotFoundError:
            return self._made(drawn(tenant, self._randomness) if known is None else self._renewed(known.salts))
        except OSError as error:
            raise self._not_ready(tenant, f"cannot be read: {error.strerror}") from error

    def knows(self, tenant: str) -> bool:
        """Tell whether a tenant has a file."""
        return self._path(tenant).exists()

    def ensure(self, tenants: Iterable[str], secret: bytes | None = None) -> None:
        """Make what is missing: by an earlier version's secret, or drawn. Raises ``OSError``."""
        for tenant in tenants:
            if not self.knows(tenant):
                self._write_new(drawn(tenant, self._randomness) if secret is None else derived(secret, tenant))

    def erase(self, tenant: str) -> None:
        """Put other salts in the place of a tenant's, durably; raise ``OSError``."""
        replace_erasing(self._path(tenant), canonical_json(self._renewed(self(tenant))))

    def _renewed(self, salts: TenantSalts) -> TenantSalts:
        return renewed(salts, self._randomness)

    def _read(self, tenant: str) -> TenantSalts:
        path = self._path(tenant)
        stamp = _stamp(str(path))
        try:
            salts = decode(path.read_bytes(), TenantSalts, path.name)
        except IntegrityError as error:
            raise self._not_ready(tenant, "are damaged: restore the file from a backup") from error
        if salts.tenant != tenant:
            raise self._not_ready(tenant, "are another tenant's: restore the file from a backup")
        if len(self._known) >= MAX_TENANTS:
            self._known.clear()
        self._known[tenant] = _Known(str(path), stamp, salts)
        return salts

    def _made(self, salts: TenantSalts) -> TenantSalts:
        try:
            self._write_new(salts)
            return self._read(salts.tenant)
        except OSError as error:
            raise self._not_ready(salts.tenant, f"cannot be made: {error.strerror}") from error

    def _write_new(self, salts: TenantSalts) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)  # in a home that is there: none is made anew
        sync_folder(self._folder.parent)  # whoever made it may have died before that
        try:
            write_new(self._path(salts.tenant), canonical_json(salts))
        except FileExistsError:
            return  # another process was faster: what it drew is what counts

    def _path(self, tenant: str) -> Path:
        return self._folder / f"{sha256_hex(tenant.encode())[:32]}{SUFFIX}"

    def _not_ready(self, tenant: str, why: str) -> NotReady:
        _log.error("the salts in %s %s", self._path(tenant), why)
        return NotReady(
            "this tenant's salts cannot be had, and without them nothing is recorded; the operator's log says why"
        )


def replace_erasing(path: Path, data: bytes) -> None:
    """Put a file in another's place, then write over what lay there; raise ``OSError``.

    Whoever does it again completes what was interrupted.
    """
    _complete(path)
    path.with_name(path.name + ERASING).hardlink_to(path)
    sync_folder(path.parent)
    write_atomic(path, data)
    _complete(path)


def remove_erasing(path: Path) -> None:
    """Take a file away, if it is there, then write over what lay there; raise ``OSError``.

    Whoever does it again completes what was interrupted.
    """
    _complete(path)
    if path.exists():
        path.rename(path.with_name(path.name + ERASING))
        sync_folder(path.parent)
        _complete(path)


def _complete(path: Path) -> None:
    """Write over what lay under a name and still has to be, unless nothing came in its place yet, and let it go."""
    doomed = path.with_name(path.name + ERASING)
    if not doomed.exists():
        return
    if not (path.exists() and path.samefile(doomed)):
        _write_over(doomed)
    doomed.unlink()
    sync_folder(path.parent)


def _write_over(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(fd, bytes(os.fstat(fd).st_size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _stamp(file: str) -> tuple[int, int]:
    found = os.stat(file)  # noqa: PTH116 - every answer looks here: half of what ``Path.stat`` takes
    return found.st_ino, found.st_ctime_ns
