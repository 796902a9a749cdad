"""The section on learning, and the spans that it is measured on."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from actors.spans.record import policy_named
from cluster.bench import learning
from cluster.bench.learning import Cell, queried, section
from cluster.bench.spans import POLICIES, SPANS, write_spans


def test_the_section_has_a_row_a_cell_with_its_ratio() -> None:
    """Times of both, and how many times longer ours took."""
    text = section(1000, [Cell(1, 0, 5.0, 1.5, 0.5), Cell(500, 1, 6.0, 2.0, 4.0)], 3, {"ray": "2"})
    assert "| 1 | nothing | 5.00 s | 1.50 s | 0.50 s | 3.0 |" in text
    assert "| 500 | decisions under a policy that froze learning, a quarter | 6.00 s | 2.00 s | 4.00 s | 0.5 |" in text
    assert "1000 generated spans" in text
    assert text.endswith("ray 2.")


def test_the_same_spans_lie_in_one_file_or_many(tmp_path: Path) -> None:
    """The seed says which; of many files the last alone know how long a call took, and a record names its policy."""
    (tmp_path / "many").mkdir()
    (one,), many = write_spans(tmp_path, 200, 1, seed=1), write_spans(tmp_path / "many", 200, 30, seed=1)
    named = ["trace_id", "span_id", "writer_seq", "decision_id", "voter", "outcome", "record"]
    whole = pq.read_table(one)
    assert len(whole) == 200 * SPANS
    rows = [row for path in many for row in pq.read_table(path, columns=named).to_pylist()]
    assert rows == whole.select(named).to_pylist()
    late = ["latency_ms" in pq.read_schema(path).names for path in many]
    assert late == [False] * 29 + [True]
    policies = {policy_named(row["record"]) for row in rows if row["record"] is not None}
    assert policies == set(POLICIES)


def test_a_difference_is_never_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts that are not those of the query end the run."""
    paths = write_spans(tmp_path, 50, 1, seed=1)
    monkeypatch.setattr(learning, "count_files", lambda *_: learning.Counts({}, {}))
    assert queried(paths, 0, ())[0]
    with pytest.raises(SystemExit, match="differ"):
        learning._cell(paths, (), 1, 1)
