"""The actor is killed at steps of a failover and of the way back: there is one truth each time, and every row once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
MODULE = "tests.shells.actors.spans.adapters.handover_kills"
AT_LEAST = {"over": 6, "back": 13}
"""Of what is killed → at how many steps, at least."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """Begin both at once: each waits for its children most of the time."""
    begun = {
        kind: subprocess.Popen(  # noqa: S603 - this interpreter and a module of these tests
            [sys.executable, "-m", MODULE, kind, str(tmp_path_factory.mktemp(kind))],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for kind in AT_LEAST
    }  # fmt: skip
    yield begun
    for process in begun.values():
        process.kill()
        process.communicate()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", AT_LEAST)
def test_a_kill_at_any_step_leaves_one_truth(killed: dict[str, "subprocess.Popen[str]"], kind: str) -> None:
    """Readers find no row twice and none damaged; who begins again comes to all rows, sealed, in the first storage."""
    said, complained = killed[kind].communicate()
    lines = [line.split() for line in said.splitlines()]
    assert [line for line in lines if line[2] != "0"] == [], complained
    assert [line[1] for line in lines[:-1]] == ["killed"] * (len(lines) - 1)
    assert (lines[-1][1], len(lines) > AT_LEAST[kind]) == ("ended", True), complained
