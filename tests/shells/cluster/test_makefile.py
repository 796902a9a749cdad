"""The make targets that start, stop and remove: which environment they take, and what they leave alone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a directory with what the targets read."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("requirements", "cluster/profiles"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "requirements" / "lock-of.sh", tmp_path / "requirements")
    for profile in (ROOT / "cluster" / "profiles").glob("*.yaml"):
        shutil.copy(profile, tmp_path / "cluster" / "profiles")
    return tmp_path


def environment(checkout: Path, name: str, code: int = 0) -> Path:
    """Make an environment whose `weavergen` notes what it is told and ends with ``code``."""
    program = checkout / name / "bin" / "weavergen"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\n[ "$1" = --help ] && exit 0\necho "{name} $*" >> told\nexit {code}\n')
    program.chmod(0o755)
    return program


def make(checkout: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run make without what the outer one or the caller has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "WEAVERGEN_"))}
    return subprocess.run(  # noqa: S603 - fixed words
        [shutil.which("make") or "make", *words], cwd=checkout, env=kept, capture_output=True, text=True, check=False
    )


def test_every_suite_is_run() -> None:
    """`make test` names every folder that holds tests, once."""
    suites = {path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"tests/(\w+)(?= |\))", (ROOT / "Makefile").read_text().partition("\nhelp:")[0])
    assert sorted(named) == sorted(suites)


@pytest.mark.parametrize(
    ("profile", "lock"),
    [("", "cpu"), ("cpu", "cpu"), ("replay", "cpu"), ("gpu", "gpu"), ("cluster", "gpu"), ("none", "cpu")],
)
def test_a_profile_takes_the_lock_that_its_engines_need(profile: str, lock: str) -> None:
    """What is gpu, or extends it, takes CUDA builds; everything else does not."""
    found = subprocess.run([ROOT / "requirements" / "lock-of.sh", profile], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout == f"{lock}\n"


def test_a_profile_file_counts_too(tmp_path: Path) -> None:
    """A file of the operator's is followed through what it extends, and its own engines count."""
    for text, lock in (
        ("extends: cluster\n", "gpu"),
        ("extends: cpu\n", "cpu"),
        ("voters: [{id: a, pool: gpu}]\n", "gpu"),
    ):
        (tmp_path / "p.yaml").write_text(text)
        command = [ROOT / "requirements" / "lock-of.sh", tmp_path / "p.yaml"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{lock}\n"  # noqa: S603


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "up"),
        (["PROFILE=replay", "ANSWERS=a.jsonl b.jsonl"], "up --profile replay --answers a.jsonl --answers b.jsonl"),
    ],
)
def test_up_passes_on_profile_and_recorded_answers(checkout: Path, words: list[str], told: str) -> None:
    """Every file that is given reaches the program, and nothing that is not."""
    environment(checkout, ".venv")
    (checkout / "requirements" / "environment.py").write_text("")
    assert make(checkout, "up", *words).returncode == 0
    assert (checkout / "told").read_text().split() == [".venv", *told.split()]


def test_help_says_how_recorded_answers_are_played(checkout: Path) -> None:
    """The line of `up` names both variables that `replay` needs."""
    (line,) = [line for line in make(checkout, "help").stdout.splitlines() if line.startswith("up ")]
    assert "PROFILE=replay ANSWERS=" in line


def test_down_takes_whichever_environment_there_is(checkout: Path) -> None:
    """What `make up PROFILE=gpu` started is stopped by a plain `make down`."""
    environment(checkout, ".venv-gpu")
    assert make(checkout, "down").returncode == 0
    assert (checkout / "told").read_text() == ".venv-gpu down\n"


def test_down_that_fails_is_a_failure_and_not_running_is_none(checkout: Path) -> None:
    """Exit code 3 means that there was nothing to stop; any other is passed on."""
    program = environment(checkout, ".venv", code=3)
    assert make(checkout, "down").returncode == 0
    program.write_text(program.read_text().replace("exit 3", "exit 2"))
    assert make(checkout, "down").returncode != 0


def test_nothing_to_stop_with_is_no_success_while_something_may_run(checkout: Path) -> None:
    """Without an environment, a home that was not brought down is said; one that never was up is fine."""
    assert make(checkout, "down").returncode == 0
    (checkout / "var" / "run").mkdir(parents=True)
    (checkout / "var" / "run" / "session.json").write_text("{}")
    assert make(checkout, "down").returncode != 0


def test_clean_stops_first_and_removes_nothing_in_use(checkout: Path) -> None:
    """Environments go only after `down` worked and no process runs from them; ``var`` stays."""
    program = environment(checkout, ".venv-gpu", code=1)
    (checkout / "var").mkdir()
    assert make(checkout, "clean").returncode != 0
    assert program.exists()
    program.write_text(program.read_text().replace("exit 1", "exit 0"))
    running = checkout / ".venv-gpu" / "bin" / "python"
    running.symlink_to(sys.executable)
    command = [running, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:  # noqa: S603
        assert user.stdout is not None
        assert user.stdout.readline() == "up\n"
        refused = make(checkout, "clean")
        assert (refused.returncode != 0, f"process {user.pid} runs from" in refused.stderr) == (True, True)
        assert program.exists()
        user.communicate("\n")
    assert make(checkout, "clean").returncode == 0
    assert not (checkout / ".venv-gpu").exists()
    assert (checkout / "var").exists()
