"""What operators see of quarantine is what the table says."""

from pathlib import Path

import pytest

from actors.base.errors import NotReady
from actors.spans.adapters.table import SpanTable
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind, encode_spans
from serve_apps.gateway.quarantine import QuarantineView
from tests.unit.actors.spans.telemetry import Home, SegmentBytes, at, span, writer_id


async def test_entries_are_shown_and_a_damaged_table_says_so(tmp_path: Path) -> None:
    """Before there is a table there is nothing; a file that does not check is no empty list."""
    home = Home(tmp_path)
    view = QuarantineView(tmp_path, SpansConfig(), home.authority.trust)
    assert await view.listed() == {"total": 0, "rows_in_table": 0, "entries": []}
    rows = encode_spans([span(1), span(2, latency_ms=9999)])
    SegmentBytes(1).raw(1, 2, rows).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor()
    actor.tick(at(), flush=True)
    actor.close()
    found = await view.listed()
    assert [(entry["writer_id"], entry["first_seq"]) for entry in found["entries"]] == [(writer_id(1), 2)]
    assert await view.listed() == found
    view.close()
    (path,) = SpanTable(tmp_path / "spans", 10).current_files()
    path.write_bytes(path.read_bytes()[:-9])
    view = QuarantineView(tmp_path, SpansConfig(), home.authority.trust)
    with pytest.raises(NotReady, match="log verify"):
        await view.listed()
    view.close()
