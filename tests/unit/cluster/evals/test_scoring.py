import pytest

from actors.consensus.sandbox.protocol import Job, Observed, Ran
from cluster.evals.scoring import code_in, context_of, job_of, source_sha256, verdict_of
from tests.unit.cluster.evals.suite import ADD, NEGATE, fenced


def run_here(job: Job) -> bool:
    """Run a job whose code this file wrote, as the sandbox would."""
    namespace: dict[str, object] = {}
    try:
        exec(job.code, namespace)  # noqa: S102 - our own code
        return eval(job.calls[0], namespace) is None  # noqa: S307 - our own code
    except AssertionError:
        return False


def test_an_answer_is_judged_by_its_tasks_tests() -> None:
    """The job passes for a right answer and fails for a wrong one."""
    assert run_here(job_of(ADD, fenced("def add(a, b):\n    return a + b")))
    assert not run_here(job_of(ADD, fenced("def add(a, b):\n    return 3")))


def test_an_answer_stands_in_the_context_of_its_prompt() -> None:
    """What the prompt imports need not be imported again, and the prompt's own function does not stand in the context."""
    assert context_of(ADD) == "from typing import List\n\n\n"
    assert context_of(NEGATE) == ""
    assert run_here(job_of(ADD, fenced("def add(a, b) -> List[int]:\n    return a + b")))


def test_an_answer_may_import_from_the_future() -> None:
    """It is judged with that before its prompt's context, and no other answer's source, or verdict, is another for it."""
    body = "def add(a, b) -> List[int]:\n    return a + b"
    assert run_here(job_of(ADD, fenced(f"from __future__ import annotations\n{body}\nhints = List[int]")))
    plain = job_of(ADD, fenced(body))
    assert plain.code == "\n".join((context_of(ADD), code_in(fenced(body)), ADD.test))


def test_a_candidate_cannot_bring_its_own_check() -> None:
    """The tests come last: a ``check`` that the answer defines is replaced."""
    assert not run_here(job_of(ADD, fenced("def add(a, b):\n    return 0\ndef check(candidate):\n    return None")))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("```python\na\n```\ntext\n```\nb\n```\n```sh\nc\n```", "a\n\nb\n"),
        ("def f(): pass", "def f(): pass"),
        ("Here it is:\n\ndef f(): pass", "def f(): pass"),
        ("```js\na\n```", ""),
        ("def f(:", ""),
        ("```python\nx = '\ud800'\n```", ""),
    ],
)
def test_code_is_what_a_gateway_would_run(content: str, code: str) -> None:
    """Prose and blocks of other languages are no code of the answer, and what does not parse is none."""
    assert code_in(content).strip() == code.strip()


@pytest.mark.parametrize(
    ("ran", "passed", "end"),
    [
        (Ran("ran", (Observed("value"),)), True, "value"),
        (Ran("ran", (Observed("value", ["i", "1"]),)), False, "value"),
        (Ran("ran", (Observed("exception", exception="AssertionError"),)), False, "exception"),
        (Ran("ran", (Observed("timeout"),)), False, "timeout"),
        (Ran("failed", detail="SyntaxError"), False, "failed"),
        (Ran("crash"), False, "crash"),
    ],
)
def test_only_a_check_that_returned_nothing_passes(ran: Ran, passed: bool, end: str) -> None:
    """An exception, a time-out, a crash and a value are all failures, and are told apart."""
    job = Job("x", ("check(f)",))
    verdict = verdict_of(job, ran)
    assert verdict is not None
    assert (verdict.passed, verdict.end, verdict.source_sha256) == (passed, end, source_sha256(job))


def test_what_was_not_run_has_no_verdict() -> None:
    """An unproven sandbox fails nobody."""
    assert verdict_of(Job("x", ("check(f)",)), Ran("unavailable")) is None


def test_a_verdict_belongs_to_one_source() -> None:
    """Another candidate, or another call, is another source."""
    jobs = [Job("x", ("a",)), Job("x", ("b",)), Job("y", ("a",))]
    assert len({source_sha256(job) for job in jobs}) == len(jobs)
