"""Which files of the spans table are merged next.

Rules:
- Files are merged only with their neighbours in the order of the log, within one date, and only when every batch they hold
  is sealed. What they are merged into holds the same range of batches, and files of a date go on without overlap.
- A file's tier is the logarithm of its rows to the base ``min_files``. At least so many neighbours of a tier, or of lower
  ones, are merged once together they make a file of a higher tier: so each merge lifts every row it rewrites by a tier, and
  no row is rewritten more often than there are tiers. Lower tiers go first.
- A file of half the target's bytes or more is full, and stays as it is; a merge stops at the target. So files are rolled between
  half of it and one and a half.
- A date that has got no file for ``close_age_ms`` gets few more: what is left of it is merged wherever that makes a quarter more
  of the largest that takes part, which again is a logarithm's number of times.
- Files that were refused before, and those of rows from before there was a log, are left alone, and are no neighbours.

Left out: what files hold (``adapters.compaction``), and that sizes add up: a merged file is smaller than its parts, which only
makes it full later.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from actors.spans.place import Place

MAX_FILES = 256
"""Files in one merge: its entry names each by its digest."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One of the files the table consists of, as Delta tells of it."""

    path: Place
    first: int | None
    """Lowest number of a batch that it holds rows of; ``None`` if none has a number."""
    last: int | None
    day: str = ""
    """Its partition, as ISO 8601 writes it."""
    bytes: int = 0
    rows: int = 0
    written_ms: int = 0
    """When it was committed (Unix)."""
    ended_ms: int = -1
    """When the last of its rows ended (Unix); −1 if Delta does not tell."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds merges."""

    target_bytes: int
    min_files: int
    """How many files make a merge, and the base of tiers."""
    close_age_ms: int


def plan(
    files: Sequence[TableFile], sealed: int, now_ms: int, limits: Limits, refused: Collection[Place] = ()
) -> list[TableFile]:
    """Return the files to merge next, in the order of the log; none if all is well. ``sealed`` batches are sealed."""
    ordered = sorted(files, key=lambda file: (file.day, -1 if file.first is None else file.first))
    found: list[tuple[int, list[TableFile]]] = []
    closing: list[list[TableFile]] = []
    for _, of_day in groupby(ordered, key=lambda file: file.day):
        members = list(of_day)
        closed = max(file.written_ms for file in members) + limits.close_age_ms <= now_ms
        for run in _neighbours(members, sealed, limits, refused):
            if merge := _of_lowest_tier(run, limits):
                found.append(merge)
            elif closed and (rest := _of_closed_date(run, limits)):
                closing.append(rest)
    if found:
        return min(found, key=lambda merge: merge[0])[1]
    return closing[0] if closing else []


def _neighbours(
    files: Sequence[TableFile], sealed: int, limits: Limits, refused: Collection[Place]
) -> Iterator[list[TableFile]]:
    """Yield files of a date that may be merged, in runs without any other between them."""

    def may(file: TableFile) -> bool:
        numbered = file.first is not None and file.last is not None and file.last < sealed
        return numbered and 2 * file.bytes < limits.target_bytes and file.path not in refused

    for allowed, run in groupby(files, key=may):
        if allowed:
            yield list(run)


def _of_lowest_tier(run: Sequence[TableFile], limits: Limits) -> tuple[int, list[TableFile]] | None:
    """Return the lowest tier of which neighbours can be merged, and the first of them that can."""
    if len(run) < limits.min_files:
        return None
    tiers = [tier(file.rows, limits.min_files) for file in run]
    for most in sorted(set(tiers)):
        for allowed, part in groupby(zip(tiers, run, strict=True), key=lambda pair: pair[0] <= most):
            members = [file for _, file in part]
            if allowed and (merge := _lifted(members, limits.min_files ** (most + 1), limits)):
                return most, merge
    return None


def _lifted(files: Sequence[TableFile], rows: int, limits: Limits) -> list[TableFile] | None:
    """Return the shortest beginning of neighbours that makes a file of that many rows, or a full one."""
    taken: list[TableFile] = []
    total_rows = total_bytes = 0
    for file in files[:MAX_FILES]:
        taken.append(file)
        total_rows, total_bytes = total_rows + file.rows, total_bytes + file.bytes
        lifted = total_rows >= rows and len(taken) >= limits.min_files
        if lifted or total_bytes >= limits.target_bytes:
            return taken
    return None


def _of_closed_date(run: Sequence[TableFile], limits: Limits) -> list[TableFile]:
    """Return the longest part of neighbours that is a quarter more than its largest file and stays within the target."""
    best: list[TableFile] = []
    for start in range(len(run)):
        total_rows = total_bytes = largest = 0
        for end, file in enumerate(run[start : start + MAX_FILES], start + 1):
            total_rows, total_bytes = total_rows + file.rows, total_bytes + file.bytes
            largest = max(largest, file.rows)
            if total_bytes > limits.target_bytes:
                break
            if end - start > max(1, len(best)) and 4 * total_rows >= 5 * largest:
                best = list(run[start:end])
    return best


def tier(rows: int, base: int) -> int:
    """Return the logarithm of a number of rows, rounded down; 0 of none."""
    found = 0
    while rows >= base:
        rows, found = rows // base, found + 1
    return found
