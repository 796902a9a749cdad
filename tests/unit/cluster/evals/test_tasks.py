import gzip

import msgspec
import pytest

from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError
from actors.consensus.reading.kind import answer_kind
from cluster.evals import tasks
from cluster.evals.tasks import question_of, question_sha256, read_tasks
from tests.unit.cluster.evals.suite import ADD


def packed(*items: tasks.Task) -> bytes:
    """Return tasks as the data set packs them."""
    return gzip.compress(b"\n".join(map(msgspec.json.encode, items)))


def test_tasks_are_read_from_the_pinned_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes with the pinned digest are decoded into tasks."""
    data = packed(ADD)
    monkeypatch.setattr(tasks, "DATASET_SHA256", sha256_hex(data))
    assert read_tasks(data) == (ADD,)


def test_other_bytes_are_refused() -> None:
    """A data set with another digest is no HumanEval, whatever it holds."""
    with pytest.raises(ConfigurationError, match="not HumanEval"):
        read_tasks(packed(ADD))


def test_a_question_shows_the_prompt_and_hides_the_tests() -> None:
    """The user message holds the whole prompt and nothing of the tests or of the solution."""
    question = question_of(ADD)
    assert ADD.prompt.strip() in question
    assert "check" not in question
    assert "a + b" not in question


def test_a_question_asks_for_python() -> None:
    """The gateway takes the question for one that wants Python code."""
    assert answer_kind("auto", question_of(ADD)) == "code:python"


def test_the_digest_is_the_one_recorded_answers_are_found_by() -> None:
    """It is the SHA-256 of the user message's UTF-8 bytes."""
    assert question_sha256(ADD) == sha256_hex(question_of(ADD).encode())
