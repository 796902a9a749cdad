"""What was set aside is found again whole, and what is no such file says so."""

from pathlib import Path

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.quarantine import QuarantinedRows
from actors.spans.checkers.finding import Finding, Severity, judge
from actors.spans.columns import Rows
from tests.unit.actors.spans.telemetry import spans_from, writer_id

W = writer_id(1)


def test_a_row_comes_back_as_it_was_with_what_was_found(tmp_path: Path) -> None:
    """Row, number, score, every finding with its evidence."""
    kept, rows = QuarantinedRows(tmp_path / "quarantine" / "rows"), Rows(W, 5, 1, spans_from(5, 3))
    result = judge([Finding(W, 6, "C", "odd", Severity.CRITICAL, {"seen": "7"})], 0.5)
    assert list(kept.all()) == []
    kept.put(rows, {6: result})
    row = kept.find(W, 6)
    assert row is not None
    assert (row.rows(), row.score, row.reason) == (Rows(W, 6, 1, [rows.spans[1]]), 0.0, "odd (seen 7)")
    assert [(one.checker, one.kind, one.severity, one.evidence) for one in row.findings] == [
        ("C", "odd", "CRITICAL", {"seen": "7"})
    ]
    assert kept.find(W, 5) is None


def test_what_an_earlier_version_kept_is_read(tmp_path: Path) -> None:
    """It said no findings and no score."""
    folder = tmp_path / "rows"
    folder.mkdir()
    name = f"{W}-000000000002.json"
    (folder / name).write_text(f'[{{"writer_id":"{W}","seq":2,"schema_version":1,"reason":"forged","span":"kA=="}}]')
    (row,) = QuarantinedRows(folder).all()
    assert (row.reason, row.findings) == ("forged", [])
    with pytest.raises(IntegrityError, match="cannot be read"):
        row.rows()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Files that are half written are not looked at; a name that is no writer's is refused."""
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / f".{W}-000000000002.json").write_text("[")
    kept = QuarantinedRows(folder)
    assert list(kept.all()) == []
    (folder / f"{W}-000000000002.json").write_text("[")
    with pytest.raises(IntegrityError, match=W):
        list(kept.all())
    with pytest.raises(ValueError, match="no writer's id"):
        kept.put(Rows("../x", 1, 1, spans_from(1, 1)), {1: judge([], 0.5)})


def test_its_room_is_bounded_and_nothing_makes_way(tmp_path: Path) -> None:
    """Beyond it nothing is kept and nothing goes; the same file again takes no more, and what is moved away by hand is room."""
    folder, fault = tmp_path / "rows", judge([Finding(W, 1, "C", "odd", Severity.CRITICAL)], 0.5)
    QuarantinedRows(folder).put(Rows(W, 1, 1, spans_from(1, 1)), {1: fault})
    (first,) = folder.iterdir()
    kept = QuarantinedRows(folder, max_bytes=2 * first.stat().st_size + 100)
    kept.room.begin()
    assert 0.3 < kept.room.used_share < 0.5
    for _ in range(2):
        kept.put(Rows(W, 1, 1, spans_from(1, 1)), {1: fault})
    kept.put(Rows(W, 2, 1, spans_from(2, 1)), {2: fault})
    third, lying = Rows(W, 3, 1, spans_from(3, 1)), sorted(folder.iterdir())
    with pytest.raises(StorageUnavailable, match="quarantine_max_bytes"):
        kept.put(third, {3: fault})
    assert (sorted(folder.iterdir()), "no room" in kept.room.full) == (lying, True)
    kept.room.begin()
    assert kept.room.full == "", "it is told anew by who finds none"
    first.rename(tmp_path / first.name)
    kept.put(third, {3: fault})
    assert [row.seq for row in kept.all()] == [2, 3]
    assert kept.room.used_bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_a_frame_that_is_judged_anew_leaves_no_row_there_twice(tmp_path: Path) -> None:
    """A process that was killed before its commit had found more of it: what other frames left stays."""
    folder, fault = tmp_path / "rows", judge([Finding(W, 1, "C", "odd", Severity.CRITICAL)], 0.5)
    kept = QuarantinedRows(folder)
    kept.put(Rows(W, 1, 1, spans_from(1, 2)), {2: fault})
    kept.put(Rows(W, 3, 1, spans_from(3, 4)), {4: fault, 6: fault})
    kept.put(Rows(W, 7, 1, spans_from(7, 2)), {8: fault})
    kept = QuarantinedRows(folder)
    kept.room.begin()
    kept.put(Rows(W, 3, 1, spans_from(3, 4)), {6: fault})
    assert [row.seq for row in kept.all()] == [2, 6, 8]
    assert kept.room.used_bytes == sum(path.stat().st_size for path in folder.iterdir())
