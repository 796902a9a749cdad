"""A stage's figures come from what was received and from the disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.acceptance import faults
from cluster.acceptance.faults import TARGETS, Ran, figures
from cluster.acceptance.load import Load, Outcome
from tests.shells.cluster.acceptance.decisions import decided
from tests.unit.actors.consensus.world import NOW_S, World


async def test_every_received_answer_is_looked_for_on_disk(make_world: Callable[..., World]) -> None:
    """Answers are checked, failures told by cause, and recovery counts only requests sent after the kill."""
    one = await decided(make_world)
    early = Outcome(9.0, 10.5, 200, one.decision_id)
    late = Outcome(12.0, 14.0, 200, one.decision_id)
    ran = Ran(Load([early, Outcome(10.2, 10.3, 0, "", "connection refused"), late]), 1, 10.0, recovered=True)
    told = figures(ran, one.records, one.world.trust, NOW_S)
    assert (told["requests"], told["answered"], told["failed"]) == (3, 2, 1)
    assert told["failures"] == {"connection refused": 1}
    assert told["first_answer_after_s"] == 4.0
    assert (told["checked_on_disk"], told["answers_without_verifiable_record"]) == (2, 0)
    lost = figures(ran, {}, one.world.trust, NOW_S)
    assert lost["answers_without_verifiable_record"] == 2
    assert lost["examples"] == [f"{one.decision_id}: no record on disk"] * 2


class Campaign:
    """The campaign with no system behind it: what happened, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails_at: str = "") -> None:
        self.told: list[str] = []

        @contextmanager
        def running(*_: object) -> Iterator[Any]:
            try:
                yield SimpleNamespace(up_s=1.0, trust=None)
            finally:
                self.told.append("down")

        async def stage(_: object, target: object) -> Ran:
            if target is TARGETS.get(fails_at):
                raise OSError(fails_at)
            return Ran(Load(), 1, 0.0, recovered=True)

        def records_of(_: object) -> dict[str, Any]:
            self.told.append("read the disk")
            return {}

        for name, value in {
            "running": running, "_stage": stage, "records_of": records_of, "pss_mib": lambda _: 1.0,
        }.items():  # fmt: skip
            monkeypatch.setattr(faults, name, value)

    def save(self, stage: str, _: dict[str, Any]) -> None:
        """Note that a stage is done."""
        self.told.append(stage)


def test_the_disk_is_read_when_the_system_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stage is done before the system is down and its disk has been read."""
    campaign = Campaign(monkeypatch)
    faults.stages(campaign.save, {"up", "vLLM engine"})
    assert campaign.told == ["up", "down", "read the disk", "gateway replica", "whole Ray node"]


def test_stages_that_ran_are_kept_when_a_later_one_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is checked and kept, so that the campaign goes on where it was."""
    campaign = Campaign(monkeypatch, fails_at="vLLM engine")
    with pytest.raises(OSError, match="vLLM engine"):
        faults.stages(campaign.save, set())
    assert campaign.told == ["up", "down", "read the disk", "gateway replica"]
