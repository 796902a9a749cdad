"""Every application transaction that a Delta table's log holds: the library only tells those whose ids one knows.

Rules:
- The newest checkpoint has all up to its version, and every entry since has its own; what is not in the log was never
  committed. What was read before is not read again.

Left out: versions that somebody else commits while this reads (the actor's lock sees to that).
"""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from actors.base.errors import IntegrityError
from actors.spans.adapters.parquet import UNREADABLE, source
from actors.spans.place import Place
from actors.spans.remembered import NOTHING, Transactions


def read_transactions(log: Place, version: int, known: Transactions = NOTHING) -> Transactions:
    """Return all transactions up to a version, going on from those that are known.

    Raises ``OSError`` or ``pyarrow.ArrowException`` if the log cannot be read, ``IntegrityError`` if it is none.
    """
    numbers, start = dict(known.numbers), known.version + 1
    checkpoint = newest_checkpoint(log, version)
    if checkpoint is not None and checkpoint >= start:
        numbers, start = _in_checkpoint(log / f"{checkpoint:020d}.checkpoint.parquet"), checkpoint + 1
    for each in range(start, version + 1):
        numbers |= _in_entry(log / f"{each:020d}.json")
    return Transactions(version, numbers)


def newest_checkpoint(log: Place, version: int) -> int | None:
    """Return the version of the newest checkpoint up to a version; ``None`` if there is none."""
    found = (int(path.name.split(".")[0]) for path in log.glob("*.checkpoint.parquet"))
    return max((each for each in found if each <= version), default=None)


def _in_checkpoint(path: Place) -> dict[str, int]:
    try:
        rows = pq.ParquetFile(source(path), pre_buffer=True).read(columns=["txn"])["txn"].to_pylist()
        return {row["appId"]: int(row["version"]) for row in rows if row is not None and row["appId"] is not None}
    except (OSError, pa.ArrowException):
        raise
    except UNREADABLE as error:
        raise IntegrityError(f"checkpoint {path.name} of the span table is none: {error}", "table") from error


def _in_entry(path: Place) -> dict[str, int]:
    try:
        actions = [json.loads(line) for line in path.read_bytes().decode().splitlines() if '"txn"' in line]
        told = [action["txn"] for action in actions if "txn" in action]
        return {each["appId"]: int(each["version"]) for each in told}
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"log entry {path.name} of the span table is none: {error}", "table") from error
