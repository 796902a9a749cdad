"""Makes one recording: asks for what is missing, keeps every task as soon as it is whole.

Rules:
- A finished task is appended and forced to disk before the next is taken up; started again, the recording goes on.
- A packed recording that lies beside a missing one is unpacked and continued.
- Only samples of tasks that are not recorded yet are asked for, in the order of tasks, and never more tasks than there is
  time for: what was begun is finished.

Left out: the engine (``Engine``, a port) and the clock (``out_of_time``).
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from actors.base.errors import ConfigurationError
from cluster.evals.locking import hold
from cluster.evals.recording import (
    Header,
    Recording,
    Sample,
    TaskAnswers,
    line_of,
    pack,
    read_recording,
    sample_seed,
    unpacked,
)
from cluster.evals.tasks import Task, question_of, question_sha256


class Wanted(msgspec.Struct, frozen=True):
    """One answer to be computed."""

    task_id: str
    number: int
    question: str
    seed: int | None
    """``None`` for a greedy answer."""


class Made(msgspec.Struct, frozen=True):
    """One answer that was computed."""

    wanted: Wanted
    sample: Sample
    prompt_tokens: int


class Engine(Protocol):
    """Computes answers, several at once."""

    def answers(self, wanted: Iterable[Wanted]) -> Iterator[Made]:
        """Yield each answer when it is finished; ``wanted`` is drawn from as room appears."""
        ...


class RecordingFile:
    """A recording that grows on disk."""

    def __init__(self, path: Path, header: Header) -> None:
        """Open ``path``, begin it, or unpack it from ``path.gz``.

        Raises ``ConfigurationError`` under another header, or while another process records into it.
        """
        self.path = path
        self.packed = path.with_name(path.name + ".gz")
        self._file = hold(path, f"another process records into {path}; let it end")
        try:
            recording = self._begun(header)
        except ConfigurationError:
            self._file.close()
            raise
        self.done = {task.task_id for task in recording.tasks}
        self._file.truncate(recording.whole_bytes)  # it is written at its end, wherever that is

    def _begun(self, header: Header) -> Recording:
        if not self.path.stat().st_size:
            old = read_recording(self.packed.read_bytes(), str(self.packed)) if self.packed.exists() else None
            self.path.write_bytes(unpacked(old.header if old else header, old.tasks if old else ()))
        recording = read_recording(self.path.read_bytes(), str(self.path))
        if differs := differences(recording.header, header):
            raise ConfigurationError(f"{self.path} was recorded otherwise: {differs}; move it away")
        return recording

    def append(self, task: TaskAnswers) -> None:
        """Keep a whole task."""
        self._file.write(line_of(task))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.done.add(task.task_id)

    def pack(self) -> None:
        """Write the packed copy that is committed."""
        self.packed.write_bytes(pack(read_recording(self.path.read_bytes(), str(self.path))))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def record(
    file: RecordingFile, header: Header, tasks: Sequence[Task], engine: Engine,
    out_of_time: Callable[[], bool], told: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Record every task that is missing; ``told`` hears how many of how many are there."""
    sampling = header.sampling
    open_tasks: dict[str, dict[int, Made]] = {}
    hashes = {task.task_id: question_sha256(task) for task in tasks}
    missing = [task for task in tasks if task.task_id not in file.done]
    for made in engine.answers(_wanted(missing, header, out_of_time)):
        task_id = made.wanted.task_id
        samples = open_tasks.setdefault(task_id, {})
        samples[made.wanted.number] = made
        if len(samples) == sampling.samples:
            whole = [samples[number] for number in range(sampling.samples)]
            file.append(
                TaskAnswers(task_id, hashes[task_id], whole[0].prompt_tokens, tuple(one.sample for one in whole))
            )
            del open_tasks[task_id]
            told(len(file.done), len(tasks))


def greedy_again(tasks: Iterable[Task], engine: Engine) -> dict[str, Sample]:
    """Return a greedy answer to each task, by its id."""
    wanted = [Wanted(task.task_id, 0, question_of(task), None) for task in tasks]
    return {made.wanted.task_id: made.sample for made in engine.answers(wanted)}


def differences(found: Header, wanted: Header) -> str:
    """Say in which fields two headers differ; empty where they do not."""
    pairs = [(name, getattr(found, name), getattr(wanted, name)) for name in Header.__struct_fields__]
    return "; ".join(f"{name} is {old}, now {new}" for name, old, new in pairs if old != new)


def _wanted(tasks: Iterable[Task], header: Header, out_of_time: Callable[[], bool]) -> Iterator[Wanted]:
    sampling = header.sampling
    for task in tasks:
        if out_of_time():
            return
        question = question_of(task)
        for number in range(sampling.samples):
            seed = sample_seed(sampling.seed, task.task_id, number) if sampling.temperature else None
            yield Wanted(task.task_id, number, question, seed)
