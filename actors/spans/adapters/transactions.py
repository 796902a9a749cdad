"""Every application transaction that a Delta table's log holds: the library only tells those whose ids one knows.

Rules:
- The newest checkpoint has all up to its version, and every entry since has its own; what is not in the log was never
  committed. What was read before is not read again.
- An entry is read like any other reader of Delta would, or not at all: one that says something twice is none.

Left out: versions that somebody else commits while this reads (the actor's lock sees to that).
"""

import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actors.base.errors import IntegrityError
from actors.spans.adapters.parquet import UNREADABLE, source
from actors.spans.place import Place
from actors.spans.remembered import NOTHING, Transactions

_PLAIN = re.compile(
    r'\{"txn":\{"appId":"([0-9A-Za-z:./-]+)","version":(0|[1-9][0-9]{0,17})(?:,"lastUpdated":[0-9]+)?\}\}'
)
"""A transaction as the library writes it."""


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
    found: dict[str, int] = {}
    try:
        for line in path.read_bytes().decode().splitlines():
            if (plain := _PLAIN.fullmatch(line)) is not None:
                found[plain[1]] = int(plain[2])
            elif "txn" in line or "\\u" in line:
                action = json.loads(line, object_pairs_hook=_once)
                if "txn" in action:
                    found[_word(action["txn"]["appId"])] = int(action["txn"]["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"log entry {path.name} of the span table is none: {error}", "table") from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; refuse one that says something twice, for others may take the other word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it says something twice")
    return found


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no application id")
    return value
