"""A live replica's layers: the last that may be asked has all of the time, and silence behind a disagreement unsays nothing."""

import time
from pathlib import Path

import pytest

from models.protocol_servers.faults import Fault
from tests.shells.serve_apps.gateway.live import live

DIVIDED = {"a": "Paris", "b": "Rome", "c": "Paris", "d": "Paris"}
LAYERS = [
    {"name": "primary", "members": ["a", "b"], "quorum": 0.6, "time_share": 0.5},
    {"name": "backup", "members": ["c", "d"], "quorum": 0.6, "time_share": 0.25},
    {"name": "emergency", "members": ["c", "d"], "quorum": 0.6, "time_share": 0.25},
]
"""Behind the primary's disagreement the backup is the last jury that may be asked: the emergency's lineages are its own."""


async def test_the_last_layer_that_may_be_asked_has_all_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its voters takes two thirds of the deadline, beyond what would be its half of it, and its answer counts."""
    async with live(tmp_path, monkeypatch, says=DIVIDED, layers=LAYERS) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, model="c", delay_s=4.0)
        told = await system.ask(deadline_ms=6_000)
        assert (told.status, told.body["choices"][0]["message"]["content"]) == (200, "Paris")
        record = await system.record(told)
        assert [(tried.name, tried.outcome) for tried in record.layer.tried] == [
            ("primary", "disagreed"), ("backup", "agreed"),
        ]  # fmt: skip
        assert {ballot.voter: ballot.latency_ms > 3_000 for ballot in record.ballots} == {"c": True, "d": False}


async def test_a_jury_that_hangs_behind_a_disagreement_leaves_it_a_disagreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for to the end of the deadline; then 422 says what each layer came to, and the record says the same."""
    async with live(tmp_path, monkeypatch, says=DIVIDED, layers=LAYERS) as system:
        await system.order(fault=Fault.SILENT, model="c")
        began_s = time.monotonic()
        told = await system.ask(deadline_ms=1_500)
        assert time.monotonic() - began_s >= 1.45
        assert (told.status, told.body["error"]["code"]) == (422, "no_consensus")
        message = told.body["error"]["message"]
        assert "layer primary: no group of answers reached the quorum" in message
        assert "layer backup: the deadline passed before a quorum could be formed" in message
        assert [vote["voter"] for vote in told.body["weavergen"]["votes"]] == list("abcd")
        assert (await system.record(told)).result == "no_consensus"
