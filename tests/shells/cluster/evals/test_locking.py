"""Locks between real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError
from cluster.evals.locking import hold_folder

HOLDER = """
import sys
from pathlib import Path
from cluster.evals.locking import hold_folder
held = hold_folder(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_is_held_until_its_process_ends(tmp_path: Path) -> None:
    """While another process lives the folder is refused at once, by name; killed, it has let go."""
    folder = tmp_path / "home" / "evals"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: S603 - our own code
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigurationError, match=f"another evaluation is using {folder}"):
            hold_folder(folder)
        other.kill()
    hold_folder(folder).close()


def test_a_folder_is_let_go_when_an_evaluation_is_over(tmp_path: Path) -> None:
    """One after the other may have it."""
    for _ in range(2):
        with hold_folder(tmp_path), pytest.raises(ConfigurationError, match="another evaluation"):
            hold_folder(tmp_path)
