"""A suite of two tiny tasks, and recordings of made-up voters."""

from cluster.evals.recording import Header, Recording, Sample, Sampling, TaskAnswers
from cluster.evals.tasks import DATASET_SHA256, PROMPT_VERSION, SUITE, Task, question_sha256

ADD = Task(
    task_id="HumanEval/0",
    prompt='from typing import List\n\n\ndef add(a: int, b: int) -> int:\n    """Add.\n    >>> add(1, 2)\n    3\n    """\n',
    entry_point="add",
    canonical_solution="    return a + b\n",
    test="def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(2, 2) == 4\n",
)
NEGATE = Task(
    task_id="HumanEval/1",
    prompt='def negate(a: int) -> int:\n    """Negate."""\n',
    entry_point="negate",
    canonical_solution="    return -a\n",
    test="def check(candidate):\n    assert candidate(1) == -1\n",
)
TASKS = (ADD, NEGATE)


def sampling(samples: int = 1, temperature: float = 0.0, concurrency: int = 4) -> Sampling:
    """Return how a made-up voter was sampled."""
    return Sampling(
        samples=samples, temperature=temperature, top_p=1.0, max_tokens=64, stop=(), seed=7, concurrency=concurrency
    )


def header(voter: str = "m1", how: Sampling | None = None) -> Header:
    """Return the header of a made-up voter's recording."""
    return Header(
        suite=SUITE, dataset_sha256=DATASET_SHA256, prompt_version=PROMPT_VERSION, voter=voter, family=f"family of {voter}",
        lineage=f"lineage of {voter}", weights="w", weights_sha256="0" * 64, prepared_sha256="1" * 64, dtype="float32",
        engine={"vllm": "1"}, sampling=how or sampling(),
    )  # fmt: skip


def fenced(code: str) -> str:
    """Return an answer that is one block of Python."""
    return f"```python\n{code}\n```"


def answers(task: Task, *contents: str) -> TaskAnswers:
    """Return recorded answers to a task."""
    return TaskAnswers(task.task_id, question_sha256(task), 20, tuple(Sample(text, "stop", 9) for text in contents))


def recording(voter: str, *tasks: TaskAnswers) -> Recording:
    """Return a recording with as many samples as the first task has."""
    how = sampling(len(tasks[0].samples), 0.8 if len(tasks[0].samples) > 1 else 0.0)
    return Recording(header(voter, how), tasks, 0)
