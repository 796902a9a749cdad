"""Delta's log after a loss of power: what was not yet synced may be there by name and not, or not all of it, by content.

Delta's library writes an entry and leaves syncing to the system; nothing relies on an entry before this project synced it. So
only the newest one can be torn, with a checkpoint beside it, and nobody was promised what it says: its rows are in the
write-ahead log still.

Rules:
- A torn entry or checkpoint is renamed, not removed: ``<name>.torn``, which Delta passes over. If it was durable once and rotted,
  the transparency log holds more than the table numbers, sealing stops, and the bytes are there.
- An entry is whole if every line of it is JSON and there are as many as it says itself (``ACTIONS``); one that says nothing,
  which another version wrote, if every line is JSON. The first one makes the table, and says of what kind it is.
- ``_last_checkpoint`` is a hint: one that is torn, or of a checkpoint that is not there, is removed.

Left out: entries before the newest; a checkpoint whose pages are exchanged for others (Delta's own readers find that or nobody).
"""

import json
from pathlib import Path

import pyarrow.parquet as pq

from actors.spans.adapters.parquet import UNREADABLE
from actors.spans.adapters.segments import Disk

ACTIONS = "weavergen.actions"
"""What a commit says of itself: how many actions it has beside that."""
TORN = ".torn"
_HINT = "_last_checkpoint"
_MAKES_A_TABLE = {"protocol", "metaData"}


def set_torn_aside(log: Path, disk: Disk) -> list[Path]:
    """Set aside what is torn at the end of Delta's log; return what it was. Raises ``OSError``."""
    found = [
        path
        for path in (newest_of(log, "*.json"), newest_of(log, "*.checkpoint.parquet"))
        if path and not is_whole(path)
    ]
    for path in found:
        disk.rename(path, path.with_name(path.name + TORN))
    hint = log / _HINT
    if hint.exists() and not _leads_somewhere(hint):
        disk.remove(hint)
        found.append(hint)
    if found:
        disk.sync_directory(log)
    return found


def newest_of(log: Path, pattern: str) -> Path | None:
    """Return the newest of Delta's entries, or of its checkpoints."""
    return max((path for path in log.glob(pattern) if path.name[:20].isdecimal()), default=None)


def is_whole(path: Path) -> bool:
    """Tell whether an entry or checkpoint is all of what was written."""
    if path.suffix != ".json":
        return _is_whole_checkpoint(path)
    return _is_whole_entry(path.read_bytes(), makes_table=not path.name[:20].strip("0"))


def _is_whole_entry(data: bytes, *, makes_table: bool) -> bool:
    try:
        actions = [json.loads(line) for line in data.splitlines()]
        said = [action["commitInfo"].get(ACTIONS) for action in actions if "commitInfo" in action]
    except (ValueError, TypeError, AttributeError):
        return False
    if makes_table and not {name for action in actions for name in action} >= _MAKES_A_TABLE:
        return False
    return bool(actions) and all(count is None or count == str(len(actions) - 1) for count in said)


def _is_whole_checkpoint(path: Path) -> bool:
    try:
        pq.ParquetFile(path, memory_map=False).read()
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno:  # the disk's word, not the file's
            raise
        return False
    return True


def _leads_somewhere(hint: Path) -> bool:
    try:
        version = json.loads(hint.read_bytes())["version"]
        return (hint.parent / f"{int(version):020d}.checkpoint.parquet").exists()
    except (ValueError, KeyError, TypeError):
        return False
