"""Records are read where they lie: in the log, in the table, and half here, half there."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.consensus.audit import Recorded
from actors.spans.adapters.wal import WalWriter
from actors.spans.span import Span
from cluster.acceptance import disk
from cluster.acceptance.disk import commits_in, records_in, records_of
from tests.unit.actors.spans.conftest import home
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import SMALL, Home, at, builder, decision, identity, writer_id

__all__ = ["home"]


def signed(seq: int) -> list[Span]:
    """Return the one row of a frame, signed by its writer: what is not goes to quarantine and not into the table."""
    return [signed_row(writer_id(1), seq)]


def row(seq: int, batch: int | None) -> list[Recorded]:
    """Return what is to be found of a decision; its row is in a batch once it is in the table."""
    return [Recorded(writer_id(1), seq, decision(seq), signed(seq)[0].record, batch)]


async def test_a_record_is_found_in_the_log_and_in_the_table(home: Home) -> None:
    """Before the rows reach the table the log has them, after it the table, and while both do they count once."""
    wal = WalWriter(home.wal, identity(), SMALL)
    await wal.append(1, signed)
    await wal.append(2, builder(2))
    wanted = {decision(1): row(1, None)}
    assert commits_in(home.path) == 0
    assert records_in(home.path) == wanted
    actor = home.actor()
    actor.tick(at())
    wanted = {decision(1): row(1, 0)}
    assert records_in(home.path) == wanted
    await wal.append(1, signed)
    wal.close()
    assert records_in(home.path) == wanted | {decision(4): row(4, None)}
    commits = commits_in(home.path)
    actor.tick(at(1))
    wanted |= {decision(4): row(4, 1)}
    assert list(home.wal.iterdir()) == []
    assert records_in(home.path) == wanted
    assert commits_in(home.path) > commits


def test_the_disk_of_a_system_that_still_runs_is_not_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found while a process remembers proves nothing, so it is refused; once all have ended it is read."""
    system: Any = SimpleNamespace(home=SimpleNamespace(root=home.path))
    monkeypatch.setattr(disk, "processes", lambda _: ["one"])
    with pytest.raises(RuntimeError, match="1 processes still run"):
        records_of(system)
    monkeypatch.setattr(disk, "processes", lambda _: [])
    assert records_of(system) == {}
