"""The command line's form: help, exit codes, output that is safe to show."""

import json
import re
import shlex
import sys
from itertools import takewhile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from actors.base.errors import ConfigurationError, HomeError, IntegrityError, InvalidRequest, WeaverGenError
from actors.base.files import write_atomic
from cluster.cli.context import safe
from cluster.cli.main import cli, exit_code, main, system_error
from cluster.client import NotRunning
from cluster.status import NotServing

ROOT = Path(__file__).resolve().parents[3]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every command and group with the words that lead to it."""
    found = []
    for name, command in group.commands.items():
        here = (*path, name)
        found += [(here, command), *(commands(command, here) if isinstance(command, click.Group) else [])]
    return found


@pytest.mark.parametrize(
    ("words", "command"), commands(cli), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help_with_an_example(words: tuple[str, ...], command: click.Command) -> None:
    """Each says what it does and shows one whole command line that begins with its own words."""
    result = CliRunner().invoke(cli, [*words, "--help"])
    assert result.exit_code == 0
    assert command.help
    assert f"Example: weavergen {' '.join(words)}" in " ".join(result.output.split())


def parsed(program: str, words: list[str]) -> None:
    """Let the command that is meant take its words; raise what it says to a person if it does not."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context(program, words)


@pytest.mark.parametrize("command", [command for _, command in commands(cli)], ids=lambda command: command.name)
def test_every_example_can_be_typed_as_it_stands(command: click.Command) -> None:
    """It has every option and argument that is asked for, and none that there is not."""
    program, *words = shlex.split((command.epilog or "").removeprefix("Example: "))
    assert program == "weavergen"
    parsed(program, words)


@pytest.mark.parametrize(
    "command", [command for _, command in commands(cli) if not isinstance(command, click.Group)], ids=lambda c: c.name
)
def test_every_command_reports_to_programs_too(command: click.Command) -> None:
    """What a command says to people it says as JSON where it is asked to."""
    assert "--json" in {option for parameter in command.params for option in parameter.opts}


def readme_lines() -> list[tuple[list[str], bool]]:
    """Return every command line of ours in README's blocks, as words, and whether a block's line before it sets PATH."""
    found = []
    for block in re.findall(r"^```\w*\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE):
        reachable = False
        for line in block.splitlines():
            reachable = reachable or line.startswith("export PATH=")
            if re.match(r"\S*weavergen ", line):
                words = takewhile(lambda word: word != "|", shlex.split(line, comments=True))
                found.append((list(words), reachable))
    return found


def test_the_readme_s_lines_can_be_typed_as_they_stand() -> None:
    """Each finds its program, and has every option and argument that its command asks for."""
    lines = readme_lines()
    assert {"rollback", "recover", "pin", "verify", "ask"} <= {word for words, _ in lines for word in words}
    for (program, *words), reachable in lines:
        assert reachable or program == ".venv/bin/weavergen"
        parsed(program, words)


def test_the_commands_are_those_documented() -> None:
    """A command cannot be lost by accident."""
    expected = (
        "up down status ask audit keys verify log quarantine learn halt resume isolate readmit policy eval simulate "
        "tenants witnesses spans"
    )
    assert set(cli.commands) == set(expected.split())
    subcommands = {
        "keys": {"create", "list", "revoke", "rotate"},
        "log": {"verify"},
        "quarantine": {"list", "show", "release", "set", "seal"},
        "spans": {"export"},
        "policy": {"show", "pin", "freeze", "unfreeze", "rollback", "recover"},
        "tenants": {"erase"},
        "witnesses": {"list", "add", "revoke"},
    }
    for name, names in subcommands.items():
        group = cli.commands[name]
        assert isinstance(group, click.Group)
        assert set(group.commands) == names


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), 1),
        (IntegrityError("x"), 1),
        (NotServing("x"), 1),
        (ConfigurationError("x"), 2),
        (HomeError("x"), 2),
        (NotRunning("x"), 3),
    ],
)
def test_exit_codes_say_who_can_mend_it(error: WeaverGenError, code: int) -> None:
    """1 failed or refused, 2 usage or configuration, 3 not running."""
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nonsense"], 2, "No such command"),
        (["up", "--port", "80"], 2, "--port"),
        (["up", "--profile", "nonsense"], 2, "no profile 'nonsense'"),
        (["down"], 3, "nothing runs"),
        (["status"], 3, "weavergen up"),
        (["verify", "nonsense"], 2, "neither a file nor a decision id"),
    ],
)
def test_mistakes_are_one_line_and_a_code(
    arguments: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is started, nothing is written, and the line says what to do."""
    monkeypatch.setenv("WEAVERGEN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", ["weavergen", *arguments])
    with pytest.raises(SystemExit) as caught:
        main(sys.exit)
    assert caught.value.code == code
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (tmp_path / "home").exists()


def test_model_text_cannot_steer_the_terminal() -> None:
    """Escape sequences and markup in what a model said are shown, not obeyed."""
    assert "\x1b" not in safe("\x1b[2Jhello\a")
    assert safe("[red]hello[/red]") == r"\[red]hello\[/red]"
    assert safe("two\nlines") == "two\nlines"


def test_a_damaged_envelope_fails_by_name(tmp_path: Path) -> None:
    """Verification of garbage fails at its first step, exit code 1, also as JSON."""
    from actors.base.canonical import canonical_json
    from actors.base.certificates import TrustBundle
    from actors.base.signing import SigningKey

    trust = TrustBundle("weavergen.trust/1", SigningKey.generate().public.hex, [], [])
    (tmp_path / "trust.json").write_bytes(canonical_json(trust))
    (tmp_path / "decision.json").write_text("{}")
    command = ["verify", str(tmp_path / "decision.json"), "--trust", str(tmp_path / "trust.json"), "--json"]
    result = CliRunner().invoke(cli, command, standalone_mode=False)
    assert (result.return_value, json.loads(result.output)["failed_step"]) == (1, "envelope")


def ended(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command line; return its exit code."""
    monkeypatch.setattr("sys.argv", ["weavergen", *arguments])
    with pytest.raises(SystemExit) as caught:
        main(sys.exit)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_what_the_system_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory that is not there, a full disk: exit code 2, path and reason, and a traceback only for who asks for it."""
    envelope, missing = tmp_path / "decision.json", tmp_path / "none" / "x"
    envelope.write_text("{}")
    save = ["verify", str(envelope), "--save", str(missing)]
    assert ended(save, monkeypatch) == 2
    told = capsys.readouterr().err
    assert (f"{missing}: No such file or directory" in told, "Traceback" in told, told.count("\n")) == (True, False, 1)
    monkeypatch.setenv("WEAVERGEN_DEBUG", "1")
    monkeypatch.setattr("sys.argv", ["weavergen", *save])
    with pytest.raises(FileNotFoundError):
        main(sys.exit)


def test_a_full_disk_names_the_file_that_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's error names no file; the line that people see does."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_atomic(tmp_path / "config.yaml", b"x")
    assert system_error(caught.value).startswith(f"{tmp_path / 'config.yaml'}: No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_was_never_a_home_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that were fetched ahead make no home: `down` finds nothing to end, and leaves everything."""
    (tmp_path / "models").mkdir()
    assert ended(["down", "--home", str(tmp_path)], monkeypatch) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_a_profile_that_is_no_text_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, before anything is made."""
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe")
    home = tmp_path / "home"
    assert ended(["up", "--profile", str(tmp_path / "p.yaml"), "--home", str(home)], monkeypatch) == 2
    assert not home.exists()
