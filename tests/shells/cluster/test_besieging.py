"""``weavergen eval attacks`` over a tiny suite; what the sandbox would decide is a function."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from actors.base.errors import ConfigurationError, NotReady
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from cluster.cli import besieging
from cluster.cli.main import cli
from cluster.evals import arena
from cluster.evals.attacks.catalogue import ATTACKS
from cluster.evals.attacks.poison import Attack
from cluster.evals.ensembles import Decided, Member, Setup
from cluster.evals.judging import verdict_lines
from cluster.evals.scoring import Verdict, job_of, source_sha256
from cluster.evals.tasks import Task
from models.recorded import load_recorded
from tests.shells.cluster.test_evaluating import LEFT, SUM, world
from tests.unit.cluster.evals.suite import ADD

__all__ = ["world"]


async def hit_once(
    tasks: Sequence[Task], members: Mapping[str, Sequence[Member]], setups: Sequence[Setup], attacks: Sequence[Attack],
    draws: int, seed: int, told: Callable[[int, int], None],
) -> dict[str, list[Decided]]:  # fmt: skip
    """Serve one payload in every ensemble, on the first task."""
    assert set(members) == {task.task_id for task in tasks}
    told(1, 1)
    return {
        setup.name: [
            Decided(task.task_id, attacks[0].name, served=True, payload=place + number == 0, majority_payload=True, alone=True)
            for place, task in enumerate(tasks)
            for number in range(draws)
        ]
        for setup in setups
    }  # fmt: skip


@pytest.fixture
def besieged(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of the tiny suite, with decisions that a function makes."""
    monkeypatch.setattr(besieging, "besiege", hit_once)
    return world


def run(home: Path, *words: str) -> str:
    """Run ``eval attacks`` and return what it printed; its errors are raised."""
    given = ["eval", "attacks", "--home", str(home), "--verdicts", str(home / "verdicts"), *words]
    result = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_figures_are_printed_and_written(besieged: Path, tmp_path: Path) -> None:
    """Each ensemble has its decisions, its rates with bounds by task and the majority beside them."""
    printed = json.loads(run(besieged, "--json", "--decisions", "6", "--out", str(tmp_path / "a.json")))
    assert json.loads((tmp_path / "a.json").read_text()) == printed
    row: dict[str, Any] = printed["ensembles"][0]
    assert (row["payloads"], row["decisions"], len(row["hit"]), row["tasks"]) == (1, 6, 1, 2)
    assert (row["payload"]["exact"], row["tasks_hit"]["exact"], row["coverage_alone"]["tasks"]) == (True, True, 2)
    assert row["majority_payloads"] == 6
    assert len(printed["mix"]) == len(ATTACKS)


def test_people_get_tables(besieged: Path) -> None:
    """The same figures, and which attacks got through."""
    printed = run(besieged, "--attack", "trigger: computed", "--tasks", "1", "--decisions", "4")
    assert "1 tasks, 1 attacks in equal parts" in printed
    assert "attacks that got through" in printed
    assert "bootstrap by task" in printed


def test_only_the_tasks_that_are_decided_on_are_judged(besieged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With verdicts on the first task's candidates alone, and no sandbox, the first task can be decided on."""
    monkeypatch.setattr(arena, "BubblewrapSandbox", partial(BubblewrapSandbox, bwrap="no-bwrap"))
    of_first = [Verdict(source_sha256(job_of(ADD, content)), content == SUM, "value") for content in (SUM, LEFT)]
    (besieged / "verdicts").write_bytes(verdict_lines(of_first))
    assert json.loads(run(besieged, "--json", "--tasks", "1", "--decisions", "2"))["tasks"] == 1
    with pytest.raises(NotReady, match="bwrap"):
        run(besieged, "--json", "--decisions", "2")


def test_attackers_can_be_played(besieged: Path, tmp_path: Path) -> None:
    """``--playable`` leaves a file with a voter for each attack, that ``up --answers`` takes."""
    run(besieged, "--playable", str(tmp_path / "a.jsonl"))
    voters = load_recorded([tmp_path / "a.jsonl"]).voters
    assert sorted(voters) == sorted(f"attacker: {attack.name}" for attack in ATTACKS)
    assert {len(script.by_prompt) for script in voters.values()} == {2}


def test_an_unknown_attack_is_told(besieged: Path) -> None:
    """And the known ones are named."""
    with pytest.raises(ConfigurationError, match="no attack bribery; there are: colluding"):
        run(besieged, "--attack", "bribery")
