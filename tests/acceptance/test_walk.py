"""README's walk, run as it stands there, in a home of its own."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.ray.world import ROOT, free_port

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def block() -> str:
    """Return the commands of the walk."""
    section = (ROOT / "README.md").read_text().split("\n## A walk through it\n")[1]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_the_walk_of_the_readme_ends_as_it_says(tmp_path: Path) -> None:
    """Weights fall for who was wrong, the record names the policy that says so, all verifies, one changed byte is named."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environ = inherited | {
        "WEAVERGEN_HOME": str(tmp_path / "home"), "WEAVERGEN_OPERATOR_DIR": str(tmp_path / "operator"), "PORT": str(free_port()),
    }  # fmt: skip
    try:
        walked = subprocess.run(  # noqa: S603 - our own commands
            ["bash", "-euo", "pipefail", "-c", block()], env=environ, cwd=ROOT,  # noqa: S607
            capture_output=True, text=True, check=False, timeout=540,
        )  # fmt: skip
    finally:
        subprocess.run(["make", "down"], env=environ, cwd=ROOT, capture_output=True, check=False, timeout=120)  # noqa: S607
    shown = walked.stdout + walked.stderr
    assert walked.returncode == 0, shown
    assert re.search(r"^m3 +value +\d{3} +0\.2\d+ 0\.500000 -> 0\.400000 ", walked.stdout, re.MULTILINE), shown
    assert "policy version 2 is in force" in walked.stdout, shown
    assert "policy strict version 2" in walked.stdout, shown
    assert "all verified; report:" in walked.stdout, shown
    green, red, again = walked.stdout.rsplit("log of ", 3)[1:]
    assert "DAMAGED" not in green + again, shown
    assert re.search(r"^DAMAGED  batch \d+: ", red, re.MULTILINE), shown
    assert "exit code 1" in red, shown
