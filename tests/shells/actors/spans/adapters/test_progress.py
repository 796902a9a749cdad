"""What ingest counts."""

from actors.spans.adapters.progress import IngestReport


def test_reports_add_up_count_by_count() -> None:
    """What all ticks did together is the sum of what each did."""
    total = IngestReport(rows_read=3, commits=1) + IngestReport(rows_read=2, damage=1, batches_sealed=4)
    assert total == IngestReport(rows_read=5, commits=1, damage=1, batches_sealed=4)
