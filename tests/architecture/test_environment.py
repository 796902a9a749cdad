"""The installer: what is skipped, what is done again, what is left clean."""

import subprocess
import sys
import tomllib
from pathlib import Path

import environment as installer
import pytest
from environment import Environment, InstallError, build, digest, locked_names, normalised, relaunch, usable
from tree import ROOT


class Recorded(Environment):
    """An environment whose commands are written down; ``failing`` names an argument that makes pip fail."""

    def __init__(self, path: Path, failing: str = "") -> None:
        super().__init__(path)
        self.commands: list[list[str]] = []
        self.failing = failing

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:  # type: ignore[override]
        """Write down instead of running."""
        self.commands.append(command)
        if command[1:3] == ["-m", "venv"]:
            self.path.mkdir()
        if self.failing and self.failing in command:
            raise InstallError("pip failed")
        listed = "stray-package==1\nray==2.60.0\n" if "list" in command else ""
        return subprocess.CompletedProcess(command, 0, listed, "")


def test_a_warm_environment_runs_nothing(tmp_path: Path) -> None:
    """The second run finds every stamp as wanted and starts no command."""
    build(Recorded(tmp_path / "v"), ["cpu", "test"], project=True)
    again = Recorded(tmp_path / "v")
    build(again, ["cpu", "test"], project=True)
    assert again.commands == []


def test_locks_are_installed_as_they_stand(tmp_path: Path) -> None:
    """Locked packages are installed unresolved and with their hashes required; strays leave."""
    environment = Recorded(tmp_path / "v")
    build(environment, ["cpu"], project=True)
    lock = next(command for command in environment.commands if str(installer.lock_file("cpu")) in command)
    assert {"--no-deps", "--require-hashes"} <= set(lock)
    assert [c[-1] for c in environment.commands if "uninstall" in c] == ["stray-package"]


def test_a_killed_installation_starts_anew(tmp_path: Path) -> None:
    """A marker that was left behind makes the next run build the environment from nothing."""
    build(Recorded(tmp_path / "v"), ["cpu"], project=False)
    (tmp_path / "v" / ".installing").touch()
    again = Recorded(tmp_path / "v")
    build(again, ["cpu"], project=False)
    assert again.commands[0][1:3] == ["-m", "venv"]


def test_a_failed_installation_leaves_no_stamp(tmp_path: Path) -> None:
    """When pip fails the part counts as missing, and the environment as whole."""
    environment = Recorded(tmp_path / "v", failing="--require-hashes")
    with pytest.raises(InstallError):
        build(environment, ["cpu"], project=False)
    assert not environment.stamp("cpu").exists()
    assert not environment.marker.exists()


def test_torch_comes_from_the_configured_index_first(tmp_path: Path) -> None:
    """PyTorch's own index is asked only after the configured one had none."""
    environment = Recorded(tmp_path / "v")
    attempts = [["--requirement", "a"], ["--requirement", "b"]]
    environment.prepare()
    environment.install("torch", "x", attempts)
    assert environment.commands[-1][-1] == "a"
    environment.failing = "a"
    environment.install("torch", "y", attempts)
    assert [command[-1] for command in environment.commands[-2:]] == ["a", "b"]


def test_a_command_that_fails_is_told_with_its_output() -> None:
    """The error carries the end of what the command said."""
    with pytest.raises(InstallError, match="no luck"):
        Environment.run([sys.executable, "-c", "import sys; sys.exit('no luck')"])


def test_an_unusable_interpreter_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Python 3.11 or newer the message says what to install."""
    monkeypatch.delenv(installer.RELAUNCHED, raising=False)
    monkeypatch.delenv("PYTHON", raising=False)
    assert usable(sys.executable)
    assert not usable("/nonexistent/python")
    with pytest.raises(InstallError, match=r"3\.11 or newer.*install one"):
        relaunch(("no-such-python",))


def test_names_are_read_as_indexes_write_them() -> None:
    """Names are normalised, extras and hashes left out."""
    assert locked_names("Ray[serve]==2 \\\n    --hash=sha256:0==\nruamel.yaml==1\n# x==1\n") == {"ray", "ruamel-yaml"}
    assert normalised("A__b.C") == "a-b-c"
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_both_locks_hold_what_the_project_declares() -> None:
    """Every dependency of pyproject.toml is pinned for CPU and GPU; both share Ray's version; CPU takes no CUDA build."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {normalised(item.split("[")[0].split("==")[0]) for item in declared}
    cpu, gpu = (installer.lock_file(name).read_text() for name in ("cpu", "gpu"))
    assert names - locked_names(cpu) == set()
    assert names - locked_names(gpu) == set()
    assert "\nray==2.60.0 " in cpu
    assert "\nray==2.60.0 " in gpu
    assert locked_names(cpu) & {"torch", "torchvision", "torchaudio", "torchcodec", "triton"} == set()
