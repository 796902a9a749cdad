"""The measurement of the way of spans: a log in portions is taken in whole, on one processor, and nothing is wrong with it."""

import json
from pathlib import Path

import pytest

from actors.spans.adapters.table import SpanTable
from cluster.bench import ingest
from cluster.bench.ingest import measure, section


@pytest.mark.parametrize("step_s", [0.0002, 50])
def test_portions_of_a_log_are_taken_in_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    """Each is a writer of its own, however long ago the first began; the page says what came of all of them."""
    monkeypatch.setattr(ingest, "PORTION_ROWS", 300)
    monkeypatch.setattr(ingest, "_STEP_NS", int(step_s * 1e9))
    found = measure(tmp_path, 700)
    rows = SpanTable(tmp_path / "home" / "spans", 100).read()
    assert 700 <= found.rows == rows.num_rows < 800
    assert len(set(rows["writer_id"].to_pylist())) == 3
    assert rows.num_rows - rows["record"].null_count == found.decisions
    assert len(found.taken.rss_mib) == len(found.taken.tenths) == 3
    assert (found.taken.tenths[-1][0], min(found.taken.us) > 0) == (found.rows, True)
    assert not list((tmp_path / "home" / "wal").iterdir())
    assert min(found.taken.cpu_s, found.plain_s or 0, found.table_bytes, found.log_bytes, found.otlp_bytes) > 0
    assert f"| {found.rows:,} |" in section([found], {"processor": "one"})
    assert json.loads(json.dumps(ingest._plain(found)))["rows"] == found.rows
