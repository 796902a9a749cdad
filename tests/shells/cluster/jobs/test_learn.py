"""The learning job on real files: equal to a query over the same files."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from actors.learning.counts import merge
from actors.spans.columns import Rows, by_date
from actors.spans.span import Span
from cluster.jobs.learn import count_batch, count_file
from tests.unit.actors.spans.telemetry import span

VOTERS = """
with seats as (
  select decision_id, answer_kind kind, voter, max(outcome = 'agreed') agreed, max(latency_ms) latency
  from read_parquet({files}, union_by_name = true)
  where voter is not null and latency_ms is not null and outcome in ('agreed', 'dissented') group by all),
won as (select decision_id, kind from seats group by all having max(agreed))
select voter, kind, count(*), count(*) filter (agreed), sum(latency)::bigint
from seats join won using (decision_id, kind) group by all order by all
"""


def spans_of(decision: int) -> list[Span]:
    """Return the ballots of one decision: sometimes nobody wins, sometimes one is cut off."""
    said = [("agreed", "dissented", "cancelled")[(decision * seat + seat) % 3] for seat in range(4)]
    return [
        span(decision * 4 + seat, decision_id=f"d{decision}", voter=f"v{seat}", outcome=outcome,
             latency_ms=decision + seat, answer_kind=("value", "json")[decision % 2])
        for seat, outcome in enumerate(said)
    ]  # fmt: skip


@pytest.mark.parametrize("files", [1, 40])
def test_counts_equal_a_query_over_the_same_files(tmp_path: Path, files: int) -> None:
    """One file or many, also where a column appears only in the later files, sums are those of DuckDB."""
    decisions, paths = [spans_of(n) for n in range(120)], []
    for part in range(files):
        rows = [one for n, spans in enumerate(decisions) if n % files == part for one in spans]
        (_, table), = by_date([Rows("w", 0, 1, rows)])  # fmt: skip
        paths.append(tmp_path / f"{part}.parquet")
        late = part < 20 and files > 1
        pq.write_table(table.drop_columns(["latency_ms"]) if late else table, paths[-1], write_page_checksum=True)
    counts = merge(count_file(path, 0) for path in paths)
    expected = duckdb.sql(VOTERS.format(files=[str(path) for path in paths])).fetchall()
    found = [(v, k, s.n, s.agreed, s.latency_ms) for v, kinds in counts.voters.items() for k, s in kinds.items()]
    assert found == expected
    assert expected
    assert count_batch({"item": [str(path) for path in paths]}, 2**62)["counts"] == [b"\x82\xa6voters\x80\xa5pairs\x80"]
