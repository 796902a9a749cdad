"""``weavergen eval`` over a tiny suite and recordings of made-up voters."""

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError
from cluster.cli import evaluating
from cluster.cli.main import cli
from cluster.evals import dataset, evaluation, tasks
from cluster.evals.judging import verdict_lines
from cluster.evals.recording import Recording, pack
from cluster.evals.scoring import Verdict, job_of, source_sha256
from models.recorded import load_recorded
from tests.unit.cluster.evals.suite import ADD, NEGATE, TASKS, answers, fenced, header, recording

SUM, LEFT = fenced("def add(a, b):\n    return a + b"), fenced("def add(a, b):\n    return a")
MINUS, PLUS = fenced("def negate(a):\n    return -a"), fenced("def negate(a):\n    return a")
RECORDINGS = {
    "m1-greedy": recording("m1", answers(ADD, LEFT), answers(NEGATE, MINUS)),
    "m1-samples": recording("m1", answers(ADD, SUM, SUM, LEFT), answers(NEGATE, MINUS, PLUS, MINUS)),
    "m2-greedy": recording("m2", answers(ADD, SUM), answers(NEGATE, PLUS)),
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay a home with the tiny suite in it, and shipped recordings with their verdicts; return the home."""
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
    (shipped / "verdicts.jsonl.gz").write_bytes(gzip.compress(verdict_lines(verdicts), mtime=0))
    return home


def run(home: Path, *words: str) -> str:
    """Run ``eval humaneval`` and return what it printed; its errors are raised."""
    result = CliRunner().invoke(cli, ["eval", "humaneval", "--home", str(home), *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_recordings_are_scored_from_what_lies_in_the_repository(world: Path) -> None:
    """Without options every shipped recording counts: voters, ceiling, selectors."""
    found = json.loads(run(world, "--json"))
    assert {(row["voter"], row["greedy"]): row["pass_at_1"]["value"] for row in found["voters"]} == {
        ("m1", True): 0.5, ("m1", False): pytest.approx(2 / 3), ("m2", True): 0.5,
    }  # fmt: skip
    assert (found["tasks"], found["oracle"]["value"], found["beta"]) == (2, 1.0, 0.0)
    assert {row["name"]: row["pass_at_1"]["value"] for row in found["selections"]} == {
        "first candidate": 0.5,
        "bare majority of voters, one answer each": 0.5,
        "bare majority of candidates": 1.0,
        "self-consistency of the best voter": 1.0,
    }


def test_people_get_tables(world: Path) -> None:
    """The same figures, as percentages with their intervals."""
    printed = run(world)
    assert "oracle (any candidate passes) 100.0 %" in printed
    assert "m2" in printed


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


def test_a_candidate_without_a_verdict_is_told(world: Path, tmp_path: Path) -> None:
    """Nothing is counted as wrong because nobody ran it."""
    (tmp_path / "none.jsonl").touch()
    with pytest.raises(ConfigurationError, match="10 candidates have no verdict"):
        run(world, "--verdicts", str(tmp_path / "none.jsonl"))


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
