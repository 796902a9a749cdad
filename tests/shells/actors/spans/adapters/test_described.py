"""What Delta's log says of the table, held against the table: each lie is told, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.described import misdescribed
from actors.spans.adapters.reading import TableReader
from actors.spans.adapters.table import LOG
from actors.spans.columns import Rows
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W
from tests.unit.actors.spans.telemetry import span, spans_from, writer_id

Action = dict[str, Any]
V = writer_id(2)


def faults(made: Sealed) -> list[str]:
    """Return what is said of Delta's log."""
    sealed = {W: made.sealer.size * 3}
    return [why for _, why in misdescribed(TableReader(made.home / "spans", 10), made.sealer.size, sealed)]


def amend(made: Sealed, change: Callable[[Action], Action]) -> None:
    """Write the newest entry of Delta's log otherwise."""
    entry = max((made.home / "spans" / "_delta_log").glob("*.json"))
    actions = [change(json.loads(line)) for line in entry.read_text().splitlines()]
    entry.write_text("\n".join(map(json.dumps, actions)))


def added(**changes: object) -> Callable[[Action], Action]:
    """Change what it says of a file."""
    return lambda action: action | {"add": action["add"] | changes} if "add" in action else action


def statistics(column: str, kind: str, value: object) -> Callable[[Action], Action]:
    """Change what it says of a column."""

    def change(action: Action) -> Action:
        if "add" not in action:
            return action
        stats = json.loads(action["add"]["stats"])
        stats[kind][column] = value
        return action | {"add": action["add"] | {"stats": json.dumps(stats)}}

    return change


def reached(app_id: str, number: int) -> Callable[[Action], Action]:
    """Change how far it says that an application id is."""
    return lambda action: (
        action | {"txn": action["txn"] | {"version": number}}
        if action.get("txn", {}).get("appId") == app_id
        else action
    )


@pytest.fixture
def made(tmp_path: Path) -> Sealed:
    """Return two sealed batches, and one that waits."""
    made = Sealed(tmp_path)
    made.batches(2)
    made.commit()
    return made


def test_what_the_table_writes_of_itself_is_true(made: Sealed) -> None:
    """Whatever is in it: several writers and dates, gaps, nothing at all."""
    assert faults(made) == []
    day_ns = 86_400 * 10**9
    rows = [
        span(seq, start_unix_nano=seq * day_ns, end_unix_nano=seq * day_ns + 1, decision_id="") for seq in range(1, 4)
    ]
    made.table.append([Rows(V, 1, 1, rows)], {V: 3}, NOW_MS)
    made.table.append([Rows(V, 7, 1, spans_from(7, 1))], {V: 7}, NOW_MS)
    assert faults(made) == []
    assert list(misdescribed(TableReader(made.home / "none", 10), 0, {})) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (added(size=7), "size_bytes"), (added(partitionValues={"date": "2020-01-01"}), "partition.date"),
        (statistics("decision_id", "maxValues", "0"), "max.decision_id"),
        (statistics("log_index", "minValues", 0), "min.log_index"),
        (statistics("writer_seq", "nullCount", 1), "null_count.writer_seq"),
        (statistics("writer_id", "minValues", V), "min.writer_id"),
        (reached(W, 8), "reached row 8, and its last row is 9"), (reached(W, 4000), "reached row 4000, and its last row is 9"),
        (reached(LOG, 1), "2 batches were numbered, and rows are of 3"), (reached(LOG, 9), "10 batches were numbered"),
    ],
)  # fmt: skip
def test_each_lie_is_told(made: Sealed, change: Callable[[Action], Action], said: str) -> None:
    """By what is not so, and of which file; a check of the log names it as damage of the table."""
    amend(made, change)
    (why,) = faults(made)
    assert said in why
    damage = made.damage()
    assert damage
    assert {kind for _, kind in damage} <= ({"missing", "unsealed"} if "numbered" in said else {"table"})


def test_a_column_of_another_name_is_told(made: Sealed) -> None:
    """The schema is in the first entry alone."""
    entry = min((made.home / "spans" / "_delta_log").glob("*.json"))
    entry.write_text(entry.read_text().replace("decision_id", "decision_ie"))
    assert faults(made)[0] == "the table's columns are not those that it was made with"


@pytest.mark.parametrize("name", [names.ROW_QUARANTINED, names.WAL_DAMAGED, "weavergen.breaker"])
def test_rows_that_were_lost_or_set_aside_explain_a_number(made: Sealed, name: str) -> None:
    """If an entry says whose; other rows explain nothing."""
    entry = span(1, name=name, attributes={names.WAL_WRITER: W}, decision_id="")
    made.table.append([Rows(V, 1, 1, [entry])], {V: 1, W: 12}, NOW_MS)
    assert len(faults(made)) == (name == "weavergen.breaker")


def test_a_file_that_does_not_read_is_left_to_who_reads_its_rows(made: Sealed) -> None:
    """A check tells of Delta's log where all else is whole."""
    amend(made, added(size=7))
    made.file_of(2).write_bytes(b"PAR1")
    assert not any("size" in why for why in faults(made))
    assert (-1, "table") not in made.damage()


def test_a_log_of_delta_that_does_not_read_is_said(made: Sealed) -> None:
    """It is no reason to end in a trace."""
    entry = max((made.home / "spans" / "_delta_log").glob("*.json"))
    entry.write_text("{")
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        faults(made)
