"""Whether a voter still says what is recorded of it: greedy answers to a few tasks, drawn by seed, made once more. Pure.

Rules: only answers that were made one at a time are compared, for in a batch the neighbours change the rounding; tokens are
compared from the beginning, since after the first that differs all others follow from another text.
"""

import random
from collections.abc import Sequence

import msgspec

from actors.base.errors import ConfigurationError
from cluster.evals.recording import Recording, Sample, TaskAnswers


class Again(msgspec.Struct, frozen=True):
    """One answer, made twice."""

    task_id: str
    agreeing_tokens: int
    """How many tokens agree before the first that differs."""
    recorded_tokens: int
    made_tokens: int
    recorded_passed: bool
    made_passed: bool

    @property
    def same_verdict(self) -> bool:
        """Tell whether both were judged alike."""
        return self.recorded_passed == self.made_passed


def single_answers(recordings: Sequence[Recording]) -> Recording:
    """Return the one recording that was made one answer at a time; raises ``ConfigurationError`` unless there is one."""
    found = [one for one in recordings if one.header.sampling.concurrency == 1 and one.header.sampling.temperature == 0]
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found)} recordings were made one answer at a time instead of one; name it with --answers"
        )
    if not found[0].tasks:
        raise ConfigurationError(f"the recording of {found[0].header.voter} holds no answer yet")
    return found[0]


def drawn(recording: Recording, count: int, seed: int) -> tuple[TaskAnswers, ...]:
    """Return ``count`` random tasks of a recording, all of them if there are fewer; the seed decides which."""
    tasks = sorted(recording.tasks, key=lambda task: task.task_id)
    return tuple(random.Random(seed).sample(tasks, min(count, len(tasks))))  # noqa: S311 - a draw to be repeated


def compared(task_id: str, recorded: Sample, made: Sample, recorded_passed: bool, made_passed: bool) -> Again:
    """Return how far two answers to a task agree."""
    pairs = zip(recorded.token_ids, made.token_ids, strict=False)
    agreeing = next((place for place, (old, new) in enumerate(pairs) if old != new), None)
    shorter = min(len(recorded.token_ids), len(made.token_ids))
    return Again(
        task_id, shorter if agreeing is None else agreeing, len(recorded.token_ids), len(made.token_ids),
        recorded_passed, made_passed,
    )  # fmt: skip
