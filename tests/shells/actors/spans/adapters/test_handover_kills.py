"""The actor is killed at every step of a failover and of the way back: there is one truth each time, and every row once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]


@pytest.mark.parametrize(("kind", "at_least"), [("over", 20), ("back", 40)])
def test_a_kill_at_any_step_leaves_one_truth(tmp_path: Path, kind: str, at_least: int) -> None:
    """Readers find no row twice and none damaged; who begins again comes to all rows, sealed, in the first storage."""
    module = "tests.shells.actors.spans.adapters.handover_kills"
    done = subprocess.run(  # noqa: S603 - this interpreter and a module of these tests
        [sys.executable, "-m", module, kind, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line for line in lines if line[2] != "0"] == [], done.stderr
    assert [line[1] for line in lines[:-1]] == ["killed"] * (len(lines) - 1)
    assert (lines[-1][1], len(lines) > at_least) == ("ended", True), done.stderr
