"""Tests that run beside others, in a process of their own: one account of all, whatever becomes of that process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSES = "def test_it():\n    assert True\n"


def ran(folder: Path, here: str, beside: str) -> "subprocess.CompletedProcess[str]":
    """Run two files side by side."""
    (folder / "test_here.py").write_text(here)
    (folder / "beside").mkdir()
    (folder / "beside" / "test_beside.py").write_text(beside)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.beside", "--beside=beside", "test_here.py"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def closing(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the closing line without its frame and its time."""
    return done.stdout.splitlines()[-1].strip(" =").partition(" in ")[0]


def test_one_closing_line_counts_both(tmp_path: Path) -> None:
    """Nothing failed: the exit code is that of a run of all, and every file is named."""
    done = ran(tmp_path, PASSES, PASSES)
    assert (done.returncode, closing(done)) == (0, "2 passed"), done.stdout
    assert "test_here.py ." in done.stdout
    assert "test_beside.py ." in done.stdout


def test_what_failed_beside_is_shown_and_fails_the_whole(tmp_path: Path) -> None:
    """With its traceback; what was skipped or expected to fail is counted as such."""
    other = """
import pytest
def test_wrong():
    assert 6 * 7 == 43, "arithmetic"
def test_skipped():
    pytest.skip("nothing to do")
@pytest.mark.xfail
def test_expected():
    assert False
@pytest.fixture
def broken():
    raise OSError("no disk")
def test_error(broken):
    pass
"""
    done = ran(tmp_path, PASSES, other)
    assert (done.returncode, closing(done)) == (1, "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error"), done.stdout
    assert "AssertionError: arithmetic" in done.stdout
    assert "OSError: no disk" in done.stdout


@pytest.mark.parametrize(
    "other",
    [
        f"import os\n{PASSES}def test_gone():\n    os._exit(0)\n",
        f"import pytest\n{PASSES}def test_gone():\n    pytest.exit('enough', 0)\n",
        f"import os\ndef test_wrong():\n    assert False\ndef test_gone():\n    os._exit(1)\n{PASSES}",
        "import nothing_of_that_name\n",
        "",
    ],
    ids=["ends without a word", "leaves", "ends after a failure", "cannot be read", "has no tests"],
)
def test_what_breaks_off_beside_is_no_success(tmp_path: Path, other: str) -> None:
    """Whatever was told until then, there is an error that shows the end of what it said."""
    done = ran(tmp_path, PASSES, other)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "what ran beside broke off (exit code " in done.stdout
    assert "error" in closing(done)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """What cannot be collected here ends both at once."""
    waits = "import time\ndef test_long():\n    time.sleep(600)\n"
    done = ran(tmp_path, "import nothing_of_that_name\n", waits)
    assert (done.returncode, closing(done)) == (pytest.ExitCode.INTERRUPTED, "1 error"), done.stdout
