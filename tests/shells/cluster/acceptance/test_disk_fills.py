"""The figures of a disk that fills, and whoever fills it."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.acceptance import small_disk
from cluster.acceptance.disk_fills import Ran, figures
from cluster.acceptance.load import Load, Outcome
from cluster.acceptance.small_disk import CHUNK, Filler
from tests.shells.cluster.acceptance.decisions import decided
from tests.unit.actors.consensus.world import NOW_S, World

FORETOLD: dict[str, Any] = {
    "kind": "infrastructure_breach_predicted", "occurrences": 1,
    "evidence": {"signal": "disk", "level": "0.3", "probability": "1.000", "within_s": "900", "mitigation": "removed 3"},
}  # fmt: skip


async def test_lead_refusals_and_recovery_are_told_from_what_was_seen(make_world: Callable[..., World]) -> None:
    """The lead ends where the limit was passed; an answer at full counts as one, and every answer is looked for on disk."""
    one = await decided(make_world)
    answer = Outcome(0.0, 1900.0, 200, one.decision_id)
    ran = Ran(
        limit=0.9, began_s=1000.0, predicted_s=1300.0, passed_s=1700.0, full_s=1800.0, freed_s=2000.0,
        filling=Load([answer]),
        full=Load([answer, Outcome(0, 1920.0, 503, "", "503 not_ready"), Outcome(0, 1921.0, 0, "", "connection cut")]),
        after=Load([Outcome(0, 2001.0, 503, "", "503 not_ready"), Outcome(0, 2002.5, 200, "lost")]),
        incidents=[FORETOLD, {"kind": "else", "occurrences": 4, "evidence": {}}], phase_after="ready",
    )  # fmt: skip
    told = figures(ran, one.records, one.world.trust, NOW_S)
    prediction = told["prediction"]
    assert (prediction["limit_passed_after_s"], prediction["predicted_after_s"]) == (700.0, 300.0)
    assert (prediction["lead_s"], prediction["five_minutes_ahead"]) == (400.0, True)
    assert (prediction["incidents"], prediction["occurrences"], prediction["mitigation"]) == (1, 1, "removed 3")
    assert prediction["incidents_of_all_kinds"] == {"infrastructure_breach_predicted": 1, "else": 4}
    full = told["full"]
    assert (full["answered"], full["first_503_after_s"], full["last_answer_after_s"]) == (1, 120.0, 100.0)
    assert full["neither_answer_nor_503"] == 1
    assert told["recovery"]["first_answer_after_s"] == 2.5
    assert told["disk"] == {
        "checked_on_disk": 3, "answers_without_verifiable_record": 1, "examples": ["lost: no record on disk"],
    }  # fmt: skip


async def test_what_was_never_foretold_has_no_lead(make_world: Callable[..., World]) -> None:
    """It is not taken for well foreseen."""
    one = await decided(make_world)
    prediction = figures(Ran(limit=0.9, began_s=0.0, passed_s=9.0), {}, one.world.trust, NOW_S)["prediction"]
    assert (prediction["incidents"], prediction["lead_s"], prediction["five_minutes_ahead"]) == (0, None, False)


def test_it_writes_at_its_rate_until_nothing_goes_in_and_gives_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk of ten chunks: filled, held full, and freed."""
    write, room, refused = os.write, [CHUNK] * 10, threading.Event()

    def bounded(descriptor: int, data: bytes) -> int:
        if not room:
            refused.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, room.pop())

    monkeypatch.setattr(small_disk.os, "write", bounded)
    monkeypatch.setattr(small_disk, "STEP_S", 0.005)
    filler = Filler(tmp_path / "big", limit=0.0, rate_bytes_s=100 * len(CHUNK))
    filler.start()
    assert refused.wait(10)
    assert (tmp_path / "big").stat().st_size == 10 * len(CHUNK)
    assert filler.free() == 10 * len(CHUNK)
    assert filler.full_s is not None
    assert filler.full_s - filler.began_s >= 0.09
    assert filler.passed_s is not None
    assert not (tmp_path / "big").exists()
