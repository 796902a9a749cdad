"""``weavergen eval`` over a tiny suite and recordings of made-up voters."""

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError, NotReady
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from cluster.cli import evaluating
from cluster.cli.main import cli
from cluster.evals import arena, dataset, evaluation, runs, tasks
from cluster.evals.judging import verdict_lines
from cluster.evals.locking import hold_folder
from cluster.evals.recorder import Made, Wanted
from cluster.evals.recording import Header, Recording, Sample, Sampling, TaskAnswers, pack, read_recording, unpacked
from cluster.evals.scoring import Verdict, job_of, source_sha256
from models.recorded import load_recorded
from tests.unit.cluster.evals.suite import ADD, NEGATE, TASKS, answers, fenced, header, recording, sampling

SUM, LEFT = fenced("def add(a, b):\n    return a + b"), fenced("def add(a, b):\n    return a")
MINUS, PLUS = fenced("def negate(a):\n    return -a"), fenced("def negate(a):\n    return a")
RECORDINGS = {
    "m1-greedy": recording("m1", answers(ADD, LEFT), answers(NEGATE, MINUS)),
    "m1-samples": recording("m1", answers(ADD, SUM, SUM, LEFT), answers(NEGATE, MINUS, PLUS, MINUS)),
    "m2-greedy": recording("m2", answers(ADD, SUM), answers(NEGATE, PLUS)),
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay a home with the tiny suite in it, verdicts, and shipped recordings; return the home."""
    suite = gzip.compress(b"\n".join(map(msgspec.json.encode, TASKS)))
    digest = sha256_hex(suite)
    home, shipped = tmp_path / "home", tmp_path / "shipped"
    (home / "evals").mkdir(parents=True)
    shipped.mkdir()
    (home / "evals" / "HumanEval.jsonl.gz").write_bytes(suite)
    monkeypatch.setattr(dataset, "HUMANEVAL", dataset.HUMANEVAL.model_copy(update={"sha256": digest}))
    monkeypatch.setattr(tasks, "DATASET_SHA256", digest)
    monkeypatch.setattr(evaluation, "DATASET_SHA256", digest)
    monkeypatch.setattr(evaluating, "SHIPPED", shipped)
    for name, made in RECORDINGS.items():
        head = msgspec.structs.replace(made.header, dataset_sha256=digest)
        (shipped / f"{name}.jsonl.gz").write_bytes(pack(Recording(head, made.tasks, 0)))
    verdicts = [
        Verdict(source_sha256(job_of(task, content)), content in {SUM, MINUS}, "value")
        for task, contents in ((ADD, (SUM, LEFT)), (NEGATE, (MINUS, PLUS)))
        for content in contents
    ]
    (home / "verdicts").write_bytes(verdict_lines(verdicts))
    return home


YARDSTICKS = {
    "first candidate": 0.5,
    "bare majority of voters, one greedy answer each": 0.5,
    "bare majority of candidates": 1.0,
    "self-consistency of the best voter": 1.0,
}
needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder in which sandboxes of one sort share their proof, as replicas do."""
    return tmp_path_factory.mktemp("proofs")


@pytest.fixture
def sandboxes(proofs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let evaluations prove each sort of sandbox once."""

    def sandbox(config: SandboxConfig) -> BubblewrapSandbox:
        shared = proofs / str(config.call_ms)
        shared.mkdir(exist_ok=True)
        return BubblewrapSandbox(config, shared)

    monkeypatch.setattr(arena, "BubblewrapSandbox", sandbox)


def passes(found: dict[str, Any]) -> dict[str, float]:
    """Return selector → pass@1."""
    return {row["name"]: row["pass_at_1"]["value"] for row in found["selections"]}


def run(home: Path, *words: str, consensus: bool = False) -> str:
    """Run ``eval humaneval`` and return what it printed; its errors are raised. Without ``consensus`` there is no sandbox."""
    with pytest.MonkeyPatch.context() as patched:
        if not consensus:
            patched.setattr(arena, "BubblewrapSandbox", partial(BubblewrapSandbox, bwrap="no-bwrap"))
        return _run(home, *words)


def _run(home: Path, *words: str) -> str:
    given = ["--home", str(home), "--verdicts", str(home / "verdicts")]
    result = CliRunner().invoke(cli, ["eval", "humaneval", *given, *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_recordings_are_scored_from_what_lies_in_the_repository(world: Path) -> None:
    """Without options every shipped recording counts: voters, ceiling, selectors."""
    found = json.loads(run(world, "--json"))
    assert {(row["voter"], row["greedy"]): row["pass_at_1"]["value"] for row in found["voters"]} == {
        ("m1", True): 0.5, ("m1", False): pytest.approx(2 / 3), ("m2", True): 0.5,
    }  # fmt: skip
    assert (found["tasks"], found["oracle"]["value"], found["beta"]) == (2, 1.0, 0.0)
    assert passes(found) == YARDSTICKS


@needs_bwrap
@pytest.mark.usefixtures("sandboxes")
def test_consensus_stands_beside_the_yardsticks(world: Path) -> None:
    """Under both policies, or the one that is named: deliberated on in the sandbox, over the same candidates."""
    assert set(passes(json.loads(run(world, "--json", consensus=True)))) - set(YARDSTICKS) == {
        "consensus, strict", "consensus, evidence",
    }  # fmt: skip
    one = json.loads(run(world, "--json", "--policy", "evidence", consensus=True))
    assert set(passes(one)) - set(YARDSTICKS) == {"consensus, evidence"}


def test_a_policy_that_was_asked_for_is_not_left_out(world: Path) -> None:
    """Without a sandbox there is no consensus, and the error says why."""
    with pytest.raises(NotReady, match="bwrap"):
        run(world, "--json", "--policy", "strict")


def test_people_get_tables(world: Path) -> None:
    """The same figures, as percentages with their intervals."""
    printed = run(world)
    assert "oracle (any candidate passes) 100.0 %" in printed
    assert "m2" in printed
    assert "served" in printed


def test_voters_and_samples_can_be_chosen(world: Path) -> None:
    """Fewer voters and samples make fewer candidates."""
    found = json.loads(run(world, "--voters", "m1", "--samples", "2", "--json"))
    assert {row["voter"] for row in found["voters"]} == {"m1"}
    assert found["candidates"] == 3


def test_figures_and_picture_are_written(world: Path, tmp_path: Path) -> None:
    """``--out`` leaves the JSON that ``--json`` prints, and the curves beside it."""
    printed = json.loads(run(world, "--json", "--out", str(tmp_path / "r.json")))
    assert json.loads((tmp_path / "r.json").read_text()) == printed
    assert (tmp_path / "r.svg").read_text().startswith("<svg")


def test_answers_can_be_played(world: Path, tmp_path: Path) -> None:
    """``--playable`` leaves a file that ``up --answers`` takes."""
    run(world, "--json", "--playable", str(tmp_path / "a.jsonl"))
    voters = load_recorded([tmp_path / "a.jsonl"]).voters
    assert sorted(voters) == ["m1", "m2"]
    assert [len(take.answers) for take in voters["m1"].by_prompt.values()] == [4, 4]


@needs_bwrap
@pytest.mark.usefixtures("sandboxes")
def test_candidates_without_a_verdict_are_run_in_the_sandbox_once(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox says what the verdicts say that this file made up, and is not asked again."""
    words = ["eval", "humaneval", "--home", str(world), "--json"]
    first = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert json.loads(first.stdout) == json.loads(run(world, "--json", consensus=True))
    monkeypatch.setattr(arena, "judge", None)  # a second run that judged anything would fail
    assert CliRunner().invoke(cli, words, catch_exceptions=False).stdout == first.stdout


def test_an_unknown_voter_is_told(world: Path) -> None:
    """A name that no recording has is refused, and the known ones are named."""
    with pytest.raises(ConfigurationError, match="no recording of m9; there are: m1, m2"):
        run(world, "--voters", "m9")


def test_answers_to_another_wording_are_refused(world: Path, tmp_path: Path) -> None:
    """A recording whose voters were asked otherwise is not scored as if they had been asked this."""
    path = tmp_path / "old.jsonl.gz"
    path.write_bytes(
        pack(Recording(msgspec.structs.replace(header(), prompt_version="older"), (answers(ADD, SUM),), 0))
    )
    with pytest.raises(ConfigurationError, match="another wording"):
        run(world, "--answers", str(path))


def test_a_recording_given_twice_is_refused(world: Path, tmp_path: Path) -> None:
    """Neither by its name nor as an unpacked copy that has less of it does it count twice; the error names the file."""
    path, copy = tmp_path / "shipped" / "m1-samples.jsonl.gz", tmp_path / "copy.jsonl"
    recorded = read_recording(path.read_bytes(), str(path))
    copy.write_bytes(unpacked(recorded.header, recorded.tasks[:1]))
    for second in (path, copy):
        with pytest.raises(ConfigurationError, match=f"{second} is the recording of m1 that {path} holds"):
            run(world, "--answers", str(path), "--answers", str(second))


@pytest.mark.parametrize("command", ["humaneval", "attacks"])
def test_a_folder_that_another_evaluation_uses_is_refused(
    world: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that keep verdicts in one file would spoil it, whichever they are."""
    monkeypatch.setattr(arena, "BubblewrapSandbox", partial(BubblewrapSandbox, bwrap="no-bwrap"))
    with hold_folder(world / "evals"), pytest.raises(ConfigurationError, match="another evaluation is using"):
        CliRunner().invoke(cli, ["eval", command, "--home", str(world), "--json"], catch_exceptions=False)


def alone(task: tasks.Task, content: str, *tokens: int) -> TaskAnswers:
    """Return a greedy answer with its tokens."""
    return msgspec.structs.replace(answers(task, content), samples=(Sample(content, "stop", len(tokens), tokens),))


class FakeEngine:
    """Answers the first task as recorded and the second otherwise."""

    def __init__(self, settings: object, how: Sampling) -> None:
        assert how.concurrency == 1

    def answers(self, wanted: Iterable[Wanted]) -> Iterator[Made]:
        """Yield one answer after another."""
        for one in wanted:
            content, tokens = (SUM, (1, 2)) if one.task_id == ADD.task_id else (PLUS, (3, 9))
            yield Made(one, Sample(content, "stop", 2, tokens), 20)


@pytest.fixture
def made_alone(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a recording made one answer at a time, by a voter that an engine of this file plays."""
    run = runs.RUNS["coder-greedy"]
    head = msgspec.structs.replace(
        header(run.voter, sampling(concurrency=1)), dataset_sha256=tasks.DATASET_SHA256, dtype="float32"
    )
    now: Header = msgspec.structs.replace(head, dtype="bfloat16")
    monkeypatch.setattr(evaluating, "prepare", lambda *_: (now, None))
    monkeypatch.setattr(evaluating, "LocalEngine", FakeEngine)
    path = tmp_path / "alone.jsonl.gz"
    path.write_bytes(pack(Recording(head, (alone(ADD, SUM, 1, 2), alone(NEGATE, MINUS, 3, 4, 5)), 0)))
    return path


def again(home: Path, answers_file: Path) -> list[str]:
    """Return the command that makes both recorded answers anew."""
    given = ["--home", str(home), "--verdicts", str(home / "verdicts"), "--answers", str(answers_file)]
    return ["eval", "humaneval", *given, "--regenerate", "2"]


def test_recorded_answers_can_be_made_again(world: Path, made_alone: Path) -> None:
    """Tokens that agree and both verdicts are told, and what has changed since; half equal is too few."""
    words = [*again(world, made_alone), "--json"]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert result.return_value == 1
    assert "dtype is float32, now bfloat16" in result.stderr
    found = json.loads(result.stdout)
    assert found["same_verdicts"] == 1
    by_task = {one["task_id"]: one for one in found["answers"]}
    assert by_task[ADD.task_id]["agreeing_tokens"] == by_task[ADD.task_id]["recorded_tokens"] == 2
    changed = by_task[NEGATE.task_id]
    assert (changed["agreeing_tokens"], changed["recorded_passed"], changed["made_passed"]) == (1, True, False)


def test_people_see_what_was_made_again(world: Path, made_alone: Path) -> None:
    """The same as a table."""
    words = again(world, made_alone)
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert "1 of 2 verdicts are equal" in result.stdout
    assert "1 of 3" in result.stdout


def test_each_selector_stands_again_with_one_voter_poisoned(world: Path) -> None:
    """The voter that is not the best is replaced by attacks; one voter alone has nobody to poison."""
    found = json.loads(run(world, "--json"))
    assert [row["name"] for row in found["poisoned"]] == list(passes(found))
    assert {(row["voter"], row["tasks"]) for row in found["poisoned"]} == {("m2", 2)}
    rows = {row["name"]: row for row in found["poisoned"]}
    assert rows["self-consistency of the best voter"]["pass_at_1"]["value"] == 1.0
    assert "with m2 poisoned" in run(world)
    assert json.loads(run(world, "--json", "--voters", "m1"))["poisoned"] == []
