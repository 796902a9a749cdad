"""The recordings that lie in the repository."""

from pathlib import Path

import pytest

from cluster.cli.evaluating import SHIPPED
from cluster.evals.recording import pack, read_recording
from cluster.evals.runs import RUNS
from cluster.evals.tasks import DATASET_SHA256, PROMPT_VERSION, TASKS
from models.catalog import load_catalog

FILES = sorted(SHIPPED.glob("*.jsonl.gz"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shipped_recording_is_of_this_build(path: Path) -> None:
    """It answers the questions that this build asks, from the weights that the catalogue pins, drawn as its run says."""
    data = path.read_bytes()
    found = read_recording(data, path.name)
    run = RUNS[path.name.removesuffix(".jsonl.gz")]
    entry = load_catalog().entry(run.weights)
    head = found.header
    assert (head.dataset_sha256, head.prompt_version) == (DATASET_SHA256, PROMPT_VERSION)
    assert (head.voter, head.family, head.lineage) == (run.voter, entry.family, entry.lineage)
    assert (head.weights_sha256, head.sampling) == (entry.sha256, run.sampling(entry.stop))
    assert 0 < len(found.tasks) <= TASKS
    assert pack(found) == data


def test_the_voter_that_is_sampled_is_shipped() -> None:
    """Without options ``eval`` has something to score."""
    assert "coder-samples.jsonl.gz" in {path.name for path in FILES}
