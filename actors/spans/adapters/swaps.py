"""Files of the spans table that stand for others, and the removal of those others once no reader needs them.

Rules:
- What a swap takes out of the table stays on the disk for a while: readers hold lists from before. So before a swap's files
  get their names, a note of both sides is made durable in ``_removed/`` on the desk (``files``); Delta ignores names that
  begin so.
- Whether a swap took effect is what the table says, never the note: its inputs are removed only if none of them is current,
  its outputs only if none is current and every input is current and there. Else nobody can tell, and nothing is removed.
- What says of a swap that it was made stands in the commit that makes it, and in no other: rows that are committed without it
  say ``weavergen.table.unchanged`` under the same number.
- A note goes last, after what it names is durably gone.

Left out: when there is a swap (``compaction``), and committing it (``table``).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from deltalake.transaction import AddAction, RemoveAction

from actors.base.files import Folders
from actors.base.ids import new_ulid
from actors.spans.adapters.files import Files
from actors.spans.adapters.parquet import Statistics
from actors.spans.adapters.segments import Disk
from actors.spans.columns import PARTITION, Rows
from actors.spans.compaction import TableFile
from actors.spans.conventions import TABLE_COMPACTED, TABLE_EXPIRED, TABLE_UNCHANGED
from actors.spans.place import Place, below
from actors.spans.span import Span

NOTES = "_removed"
SAYING = (TABLE_COMPACTED, TABLE_EXPIRED)
"""Names of the rows that say what a swap made of files."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that holds rows of others."""

    name: str
    """Where it lies, below the table."""
    day: str
    size: int
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Swap:
    """Files that take others' place in the next commit."""

    outputs: tuple[Output, ...]
    inputs: tuple[TableFile, ...]

    @property
    def names(self) -> list[str]:
        """Return where the outputs lie, below the table."""
        return [output.name for output in self.outputs]

    def actions(self, root: Place, now_ms: int) -> list[AddAction | RemoveAction]:
        """Return what Delta is told."""
        added = [
            output.statistics.action(output.name, output.size, output.day, now_ms, new_rows=False)
            for output in self.outputs
        ]
        return [*added, *(_removed(file, root, now_ms) for file in self.inputs)]


def unmade(rows: Sequence[Rows]) -> list[Rows]:
    """Return the rows of a commit that makes no swap after all. Pure."""
    return [replace(part, spans=[_unmade(span) for span in part.spans]) for part in rows]


def says_of_files(rows: Sequence[Rows]) -> bool:
    """Tell whether a row says that a swap was made. Pure."""
    return any(span.name in SAYING for part in rows for span in part.spans)


def _unmade(span: Span) -> Span:
    if span.name not in SAYING:
        return span
    return msgspec.structs.replace(span, name=TABLE_UNCHANGED, attributes={})


def _removed(file: TableFile, root: Place, now_ms: int) -> RemoveAction:
    name, values = below(root, file.path), dict[str, str | None]({PARTITION: file.day})
    return RemoveAction(name, data_change=False, deletion_timestamp=now_ms, size=file.bytes, partition_values=values)


@dataclass(frozen=True, slots=True)
class _Note:
    noted_ms: int
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]


class Swaps:
    """The notes of one table."""

    def __init__(self, files: Files, root: Place, disk: Disk) -> None:
        self._files, self._root, self._disk = files, root, disk
        self._folders = Folders(files.desk, disk.sync_directory)
        self._notes: dict[Path, _Note] | None = None
        """Those that lie there; ``None`` until they were looked for."""

    def note(self, outputs: Sequence[str], inputs: Sequence[str], now_ms: int) -> None:
        """Remember durably that files are about to take others' place."""
        folder = self._files.desk / NOTES
        self._folders.ensure(folder)
        place = folder / f"{new_ulid()}.json"
        place.write_bytes(json.dumps({"unix_ms": now_ms, "outputs": list(outputs), "inputs": list(inputs)}).encode())
        self._disk.sync_file(place)
        self._disk.sync_directory(folder)
        self._known()[place] = _Note(now_ms, tuple(outputs), tuple(inputs))

    def settle(self, current: Collection[str], now_ms: int, keep_ms: int, pending: Collection[str] = ()) -> list[Place]:
        """Remove what swaps left that were committed ``keep_ms`` ago, or never; return what was removed.

        ``current`` are the table's files now, below the table; ``pending`` are the inputs of a swap that is still to come.
        """
        removed: list[Place] = []
        for place, note in list(self._known().items()):
            if set(note.inputs) & set(pending):
                continue
            there = [name in current for name in note.inputs]
            never = all(there) and all((self._root / name).exists() for name in note.inputs)
            if never and not set(note.outputs) & set(current):
                gone = list(note.outputs)
            elif not any(there) and now_ms - note.noted_ms >= keep_ms:
                gone = list(note.inputs)
            else:
                continue
            removed += self._files.remove(gone)
            self._disk.remove(place)
            del self._known()[place]
        return removed

    def _known(self) -> dict[Path, _Note]:
        if self._notes is None:
            self._notes = {}
            for place in sorted((self._files.desk / NOTES).glob("*.json")):
                if (note := _read(place)) is None:  # cut while it was written: its swap was never begun
                    self._disk.remove(place)
                else:
                    self._notes[place] = note
        return self._notes


def _read(place: Path) -> _Note | None:
    try:
        held: dict[str, Any] = json.loads(place.read_bytes())
        return _Note(int(held["unix_ms"]), tuple(map(str, held["outputs"])), tuple(map(str, held["inputs"])))
    except (ValueError, KeyError, TypeError):
        return None
