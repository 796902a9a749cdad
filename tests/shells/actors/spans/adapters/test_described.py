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


@pytest.mark.parametrize("change", [("logRetentionDuration", "logRetentionDuratign"), ("deletedFile", "deletedFilf")])
def test_a_property_of_another_name_is_told(made: Sealed, change: tuple[str, str]) -> None:
    """What keeps the table as it was meant to be is not there any more, and something else may be."""
    entry = min((made.home / "spans" / "_delta_log").glob("*.json"))
    assert change[0] in entry.read_text()
    entry.write_text(entry.read_text().replace(*change))
    (why,) = faults(made)
    assert why.startswith("the table's properties are not those that it was made with: delta.")
    assert made.damage() == [(-1, "table")]


def test_a_number_that_is_forgotten_is_told(made: Sealed) -> None:
    """A writer with rows has one; without it all that lies in its log would be taken for new."""
    for entry in (made.home / "spans" / "_delta_log").glob("*.json"):
        entry.write_text(entry.read_text().replace(f'"appId":"{W}"', '"appId":"x"'))
    assert faults(made) == [f"Delta's log says that {W} reached row none, and its last row is 9"]
    assert made.damage() == [(-1, "table")]


LOST = {names.WAL_WRITER: W, names.WAL_NEXT_SEQ: "10", names.WAL_LOST_ROWS: "3"}
ASIDE = {names.ROW_WRITER: W, names.ROW_FIRST: "12", names.ROW_LAST: "12", names.ROW_PLACE: "aside"}
ANSWERED = {names.ROW_WRITER: W, names.ROW_FIRST: "7", names.ROW_LAST: "9", names.ROW_PLACE: "table"}


def entered(made: Sealed, name: str, said: dict[str, str], **reached: int) -> None:
    """Commit an entry, and beside it how far others are."""
    entry = span(1, name=name, attributes=said, decision_id="")
    made.table.append([Rows(V, 1, 1, [entry])], {V: 1, **reached}, NOW_MS)


@pytest.mark.parametrize(
    ("name", "said", "explains"),
    [
        (names.WAL_DAMAGED, LOST, True), (names.ROW_QUARANTINED, ASIDE, True), (names.BATCH_ANSWERED, ANSWERED, True),
        (names.WAL_DAMAGED, LOST | {names.WAL_LOST_ROWS: "2"}, False), (names.WAL_DAMAGED, {names.WAL_WRITER: W}, False),
        (names.ROW_QUARANTINED, ASIDE | {names.ROW_LAST: "11"}, False),
        (names.ROW_QUARANTINED, ASIDE | {names.ROW_PLACE: "table"}, False),
        (names.ROW_QUARANTINED, ASIDE | {names.ROW_WRITER: V}, False),
        (names.BATCH_ANSWERED, ANSWERED | {names.ROW_LAST: "6"}, False), ("weavergen.breaker", ASIDE, False),
    ],
)  # fmt: skip
def test_an_entry_explains_the_number_of_the_row_that_it_tells_of(
    made: Sealed, name: str, said: dict[str, str], explains: bool
) -> None:
    """Whose row that was and which: an entry of another, or of an earlier one, explains nothing; nor does any other row."""
    entered(made, name, said, **{W: 12})
    wanted = [] if explains else [f"Delta's log says that {W} reached row 12, and its last row is 9"]
    assert faults(made) == wanted


def test_a_writer_without_a_row_is_held_against_that(made: Sealed) -> None:
    """One that was just opened: unless all of its rows were lost or set aside, or may have expired with what was said of them."""
    fresh = writer_id(3)
    entered(made, names.WAL_DAMAGED, LOST | {names.WAL_WRITER: writer_id(4)}, **{fresh: 5, writer_id(4): 12})
    assert [f"{fresh} reached row 5, and its last row is none" in why for why in faults(made)] == [True]
    sealed, size = {W: made.sealer.size * 3}, made.sealer.size
    assert list(misdescribed(made.table, size, sealed, None, {W})) == []
    made.table.append([Rows(fresh, 9, 1, spans_from(9, 1))], {fresh: 20}, NOW_MS)
    (told,) = misdescribed(made.table, size, sealed, None, {W})
    assert f"{fresh} reached row 20, and its last row is 9" in told[1]


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
