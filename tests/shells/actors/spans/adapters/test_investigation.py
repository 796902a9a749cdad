"""An investigation gathers what is known around a row, and is bounded."""

import json
from pathlib import Path

from actors.spans.adapters.investigation import MAX_ROWS, REACH, Investigations, gathered
from actors.spans.adapters.segments import Disk
from actors.spans.checkers.finding import Finding, Severity, judge
from actors.spans.columns import Rows
from tests.unit.actors.spans.telemetry import span, spans_from, writer_id

W, X = writer_id(1), writer_id(2)
ROWS = Rows(W, 101, 1, spans_from(101, 3))
BAD = judge([Finding(W, 102, "C", "odd", Severity.CRITICAL, {"seen": "7"})], 0.5)
DOUBT = judge([Finding(W, 100, "C", "slight", Severity.NOTICE)], 0.5)


def test_it_holds_the_row_its_decision_s_rows_and_its_writer_s_neighbours() -> None:
    """The row first, with its findings; doubts about rows that were accepted too; neither attributes nor records."""
    around = [
        Rows(W, 1, 1, spans_from(1, 100)), ROWS, Rows(X, 1, 1, [span(7), span(9, decision_id=span(102).decision_id)]),
    ]  # fmt: skip
    found = gathered(ROWS, [102], around, {(W, 102): BAD, (W, 100): DOUBT}, 5)
    rows = {(row["writer_id"], row["seq"]): row for row in found["around"]}
    assert set(rows) == {(W, seq) for seq in range(102 - REACH, 104)} | {(X, 2)}
    assert found["around"][0]["seq"] == 102
    assert (rows[W, 102]["action"], rows[W, 102]["findings"][0]["evidence"]) == ("quarantine", {"seen": "7"})
    assert (rows[W, 100]["action"], rows[W, 100]["score"], rows[W, 101]["findings"]) == ("accept", 0.9, [])
    assert found["decisions"] == [span(102).decision_id]
    assert not {"attributes", "record"} & set(rows[W, 102])


def test_however_many_rows_there_are_it_stays_small() -> None:
    """What was left out is counted."""
    many = Rows(W, 1, 1, spans_from(1, 5000))
    found = gathered(many, list(range(1, 5001)), [many], {}, 5)
    assert (len(found["rows"]), len(found["around"])) == (MAX_ROWS, MAX_ROWS)
    assert (found["rows_total"], found["around_total"] > MAX_ROWS) == (5000, True)


def test_there_is_room_for_so_many_and_no_more(tmp_path: Path) -> None:
    """The same frame again is the same record; beyond the bound none is begun, and it is said."""
    kept = Investigations(tmp_path / "quarantine" / "investigations", 2, Disk())
    assert [kept.begin(Rows(W, seq, 1, spans_from(seq, 1)), [seq], [], {}, 5) for seq in (1, 2, 2, 3)] == [
        True, True, True, False,
    ]  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "quarantine" / "investigations").iterdir())
    assert names == [f"{W}-000000000001.json", f"{W}-000000000002.json"]
    assert json.loads((tmp_path / "quarantine" / "investigations" / names[0]).read_bytes())["rows"] == [1]
