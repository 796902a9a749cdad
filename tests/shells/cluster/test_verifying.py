"""``weavergen verify`` with content that was kept: grouped again, named where it differs, and said where there is none."""

import asyncio
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, revoke
from actors.base.errors import ConfigurationError
from actors.base.signing import SigningKey
from actors.consensus.retention.content import Content, encode_content
from actors.consensus.retention.rerunning import Rerun
from actors.spans.log.note import KeyKind, NoteKey
from actors.spans.record import DecisionRecord, seal
from cluster.cli import verifying
from cluster.cli.main import cli
from cluster.config import read_config
from cluster.home import create_home
from cluster.trust import certified_as
from tests.unit.actors.consensus.conftest import make_world, trust_chain
from tests.unit.actors.consensus.retention.kept import ADDS_ONE, CODE, ONE, TWO, Sink
from tests.unit.actors.consensus.test_verification import witnessed
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, request, says, voter

__all__ = ["make_world", "trust_chain"]


@dataclass
class Case:
    """A decision in files: its envelope, the trust bundle, a home with or without its content."""

    folder: Path
    record: DecisionRecord
    content: Content
    seal: Callable[[DecisionRecord], bytes]

    @property
    def home(self) -> Path:
        """Return the home."""
        return self.folder / "home"

    def keep(self, content: Content) -> Path:
        """Put content where the home keeps it."""
        path = self.home / "content" / f"{self.record.id}.json.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(encode_content(content)))
        return path

    def verify(self, *more: str) -> tuple[int, str]:
        """Verify the envelope; return exit code and output."""
        words = ["verify", str(self.folder / "decision.json"), "--trust", str(self.folder / "trust.json")]
        result = CliRunner().invoke(cli, [*words, "--home", str(self.home), *more], standalone_mode=False)
        if isinstance(result.exception, ConfigurationError):
            return 2, str(result.exception)
        assert result.exception is None, result.exception
        return int(result.return_value), result.output


@pytest.fixture
async def case(make_world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Decide on code that two voters write differently."""
    sink = Sink()
    world = make_world(voter("a", says(ONE)), voter("b", says(TWO)), content=sink)
    world.comparer.behaves = ADDS_ONE
    await world.coordinator.generate(request(CODE), CALLER)
    (committed,) = world.log.committed
    (tmp_path / "decision.json").write_bytes(committed.data)
    (tmp_path / "trust.json").write_bytes(canonical_json(world.trust))
    monkeypatch.setattr(verifying.time, "time", lambda: NOW_S)

    def sealed(record: DecisionRecord) -> bytes:
        return canonical_json(seal(record, world.log.key, world.log.certificate))  # type: ignore[arg-type]

    return Case(tmp_path, committed.record, sink.kept[0], sealed)


def test_without_content_everything_is_as_before(case: Case) -> None:
    """The record verifies, and the grouping is said not to be repeated; asked for by name, content has to be there."""
    code, told = case.verify()
    assert (code, told.splitlines()[-2:]) == (0, ["grouping: not retained: grouping not repeated", "inclusion: none"])
    assert json.loads(case.verify("--json")[1])["grouping"] == "not retained: grouping not repeated"
    for more in (("--content", str(case.folder)), ("--run",)):
        code, told = case.verify(*more)
        assert (code, "no content of decision" in told) == (2, True)


@pytest.mark.parametrize("where", ["home", "file", "folder"])
def test_retained_content_is_grouped_again(case: Case, where: str) -> None:
    """From the home by itself, from a file or a folder by name; the last line stays the one on inclusion."""
    path = case.keep(case.content)
    more = {"home": (), "file": ("--content", str(path)), "folder": ("--content", str(path.parent))}[where]
    code, told = case.verify(*more)
    assert code == 0
    assert [line.split()[1] for line in told.splitlines() if line.startswith("ok")][-7:] == [
        "content", "kind", "reading", "screening", "behaviour", "grouping", "choice",
    ]  # fmt: skip
    assert told.splitlines()[-2:] == ["grouping: repeated, as recorded", "inclusion: none"]


def test_one_changed_byte_is_red_and_names_what_it_is_of(case: Case) -> None:
    """Exit code 1, in words and as JSON."""
    said = [case.content.said[0], replace(case.content.said[1], content=TWO.replace("(x, 1)", "(x, 2)"))]
    case.keep(replace(case.content, said=said))
    code, told = case.verify()
    assert (code, told) == (
        1, "FAILED  content: not what the record commits to: the answer of b (candidate_sha256)\n",
    )  # fmt: skip
    assert json.loads(case.verify("--json")[1])["failed_step"] == "content"


def test_a_signed_record_of_groups_that_the_answers_do_not_make_is_red(case: Case) -> None:
    """Whoever signs records can claim equal forms; nothing but the answers contradicts that, and they do."""
    form = case.record.ballots[0].normal_form_sha256
    ballots = [replace(ballot, normal_form_sha256=form) for ballot in case.record.ballots]
    lie = replace(case.record, ballots=ballots, method="examples" if case.record.method == "examples" else "syntax")
    (case.folder / "decision.json").write_bytes(case.seal(lie))
    assert case.verify()[0] == 0
    case.keep(case.content)
    code, told = case.verify()
    assert (code, told) == (1, "FAILED  reading: not as recorded: b: another normal form\n")


@pytest.mark.parametrize(
    ("ending", "code", "told"),
    [
        ("same", 0, "run again: same: words"),
        ("nondeterministic", 0, "run again: nondeterministic: words"),
        ("could not run", 1, "run again: could not run: words"),
        ("differs", 1, "FAILED  run again: not as recorded: words"),
    ],
)
def test_running_again_is_reported_and_only_a_difference_is_red(
    case: Case, monkeypatch: pytest.MonkeyPatch, ending: str, code: int, told: str
) -> None:
    """What was asked for and could not be done is no success either."""

    async def ran(*_: object) -> Rerun:
        return Rerun(ending, "words")  # type: ignore[arg-type]

    monkeypatch.setattr(verifying, "run_again", ran)
    monkeypatch.setattr(verifying, "BubblewrapSandbox", lambda _: NoSandbox())
    case.keep(case.content)
    ended, output = case.verify("--run")
    assert (ended, told in output) == (code, True)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_retained_code_is_really_run_again(case: Case) -> None:
    """In this machine's own sandbox: both candidates do the same as each other, and pass the question's examples."""
    case.keep(case.content)
    code, told = case.verify("--run")
    assert (code, "run again: same: 2 candidates" in told) == (0, True)
    unlike = [replace(ballot, examples_passed=1) for ballot in case.record.ballots]
    lie = replace(case.record, ballots=unlike, result="no_consensus")
    assert asyncio.run(verifying._run_again(lie, case.content, case.home)).ending == "differs"


class NoSandbox:
    """Neither starts nor ends anything."""

    async def start(self) -> None:
        """Start nothing."""

    async def close(self) -> None:
        """End nothing."""


def test_blind_screening_contradicts_nobody(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the rules here miss their canaries nothing is repeated by them: it is a fault of this machine."""
    monkeypatch.setattr(verifying.canaries, "check", lambda _: ("one",))
    verifying._rules.cache_clear()
    case.keep(case.content)
    code, told = case.verify()
    assert (code, "screening is blind here" in told) == (2, True)


async def test_witnesses_are_counted(
    make_world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are named, else those that root certifies in the bundle; fewer than are required is exit 1."""
    monkeypatch.setattr(verifying.time, "time", lambda: NOW_S)
    world = make_world(voter("a", says("42")), voter("b", says("42")))
    await world.coordinator.generate(request("Six times seven?"), CALLER)
    key = SigningKey.from_seed(b"w" * 32)
    name, file, trust = "witness.example/1", tmp_path / "decision.json", tmp_path / "trust.json"
    file.write_bytes(witnessed(world, key, name))
    trust.write_bytes(canonical_json(world.trust))
    vkey, root = NoteKey(name, KeyKind.COSIGNATURE, key.public).text, SigningKey.from_seed(bytes([1]) * 32)

    def verify(*more: str) -> tuple[int, str]:
        words = ["verify", str(file), "--trust", str(trust), "--home", str(tmp_path / "none"), *more]
        result = CliRunner().invoke(cli, words, standalone_mode=False)
        return (2, str(result.exception)) if result.exception else (int(result.return_value), result.output)

    for more, code, said in (
        ((), 0, ""), (("--witness", vkey), 0, f"witnesses: {name} (1 of 1)"), (("--require-witnesses", "1"), 1, "none (0 of 0)"),
        (("--witness", vkey, "--require-witnesses", "1"), 0, "inclusion: included"),
        (("--witness", vkey, "--require-witnesses", "2"), 1, "(1 of 1)"), (("--witness", "x"), 2, "--witness: "),
    ):  # fmt: skip
        found = verify(*more)
        assert (found[0], said in found[1]) == (code, True), found
    certificate = certified_as(root, "witness", name, key.public, NOW_S)
    known = replace(world.trust, certificates=[*world.trust.certificates, certificate])
    trust.write_bytes(canonical_json(known))
    code, told = verify("--json", "--require-witnesses", "1")
    assert (code, json.loads(told)["witnesses"]) == (0, [name])
    other = NoteKey("witness.example/2", KeyKind.COSIGNATURE, SigningKey.from_seed(b"o" * 32).public).text
    assert verify("--witness", other, "--require-witnesses", "1")[0] == 1
    gone = revoke(root, Revocation(key.public.key_id, NOW_S, "stolen"))
    trust.write_bytes(canonical_json(replace(known, revocations=[gone])))
    code, told = verify("--require-witnesses", "1")
    assert (code, "witnesses: none (0 of 0)" in told) == (1, True)
    code, told = verify("--witness", vkey)
    assert (code, "counts no more" in told) == (2, True)


async def test_a_home_names_no_witnesses_to_those_who_verify(case: Case) -> None:
    """Whoever owns the home writes its profile, and would invent them there."""
    key = NoteKey("witness.example/1", KeyKind.COSIGNATURE, SigningKey.from_seed(b"w" * 32).public)
    log = {"witnesses": [{"url": "https://witness.example/1", "key": key.text}]}
    create_home(case.home).write_config(read_config({"profile": "t", "log": log}, "t"))
    code, told = case.verify("--require-witnesses", "1")
    assert (code, "witnesses: none (0 of 0)" in told) == (1, True)
