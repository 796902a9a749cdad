"""Recordings of what voters answered to a suite: one file for each voter and way of sampling. Pure codec.

A file is JSON lines: a header that says everything the answers depend on, then one line for each task with all its samples.

Rules:
- A task is whole or absent. Of a file whose writer was killed the last line may be torn; it is cut off, and nothing else is.
- A recording is continued only under an equal header: answers from other weights, wording or sampling are never mixed.
- A sample's seed depends on the run's seed, the task and the sample's number alone.

Left out: making recordings (``generate``), and where they lie.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from actors.base.errors import ConfigurationError
from models.voter import FinishReason

_T = TypeVar("_T")

FORMAT = 1
MAX_BYTES = 64 << 20
"""Of one recording, unpacked."""
_GZIP = b"\x1f\x8b"


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How answers were drawn."""

    samples: int
    """For each task."""
    temperature: float
    """0 is greedy."""
    top_p: float
    max_tokens: int
    stop: tuple[str, ...]
    seed: int
    """Every sample's seed is derived from this one; a greedy answer needs none."""
    concurrency: int
    """Most answers computed at once. Only at 1 is a greedy answer independent of its neighbours in the batch."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the answers of a recording depend on."""

    suite: str
    dataset_sha256: str
    prompt_version: str
    voter: str
    family: str
    lineage: str
    weights: str
    """Id in the catalogue of models."""
    weights_sha256: str
    """Of the source's bytes, as the catalogue pins them."""
    prepared_sha256: str
    """Of the directory that the engine loaded."""
    dtype: str
    engine: dict[str, str]
    """Package name to version."""
    sampling: Sampling
    format: int = FORMAT


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer."""

    content: str
    finish_reason: FinishReason
    completion_tokens: int
    token_ids: tuple[int, ...] = ()
    """Kept of greedy answers made one at a time, for comparing them token by token."""


class TaskAnswers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All samples of one task."""

    task_id: str
    prompt_sha256: str
    prompt_tokens: int
    samples: tuple[Sample, ...]


class Recording(msgspec.Struct, frozen=True):
    """One file of recorded answers."""

    header: Header
    tasks: tuple[TaskAnswers, ...]
    whole_bytes: int
    """How much of the unpacked file is whole lines; a torn rest is to be cut off."""


def line_of(value: Header | TaskAnswers) -> bytes:
    """Return the line that stands for a header or a task, its end included."""
    return msgspec.json.encode(value) + b"\n"


def unpacked(header: Header, tasks: Iterable[TaskAnswers]) -> bytes:
    """Return the whole plain file."""
    return line_of(header) + b"".join(line_of(task) for task in tasks)


def read_recording(data: bytes, where: str) -> Recording:
    """Read a recording, gzipped or not; raises ``ConfigurationError`` naming ``where`` and the line that is damaged."""
    plain = _plain(data, where)
    whole = plain[: plain.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if not lines:
        raise ConfigurationError(f"{where}: holds no header; delete it")
    header = _decoded(lines[0], Header, f"{where}:1")
    if header.format != FORMAT:
        raise ConfigurationError(f"{where}: has format {header.format}, this build reads {FORMAT}")
    tasks: dict[str, TaskAnswers] = {}
    for number, line in enumerate(lines[1:], 2):
        task = _decoded(line, TaskAnswers, f"{where}:{number}")
        if len(task.samples) != header.sampling.samples or tasks.setdefault(task.task_id, task) is not task:
            raise ConfigurationError(
                f"{where}:{number}: {task.task_id} is there twice or has a wrong number of samples"
            )
    return Recording(header, tuple(tasks.values()), len(whole))


def pack(recording: Recording) -> bytes:
    """Return the gzipped file of a recording; equal recordings give equal bytes. Tasks stand in the order of their ids."""
    tasks = sorted(recording.tasks, key=lambda task: _natural(task.task_id))
    return gzip.compress(unpacked(recording.header, tasks), mtime=0)


def sample_seed(seed: int, task_id: str, number: int) -> int:
    """Return the seed of one sample, 0 to 2³¹ − 1."""
    digest = hashlib.sha256(f"{seed}\0{task_id}\0{number}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def recorded_answers(recordings: Iterable[Recording]) -> list[bytes]:
    """Return the lines that ``up --answers`` plays: each voter's samples of each task, in the recordings' order.

    Several recordings of one voter (greedy and samples) become one list of answers a task.
    """
    lines: dict[tuple[str, str], dict[str, object]] = {}
    answers: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for recording in recordings:
        head = recording.header
        for task in recording.tasks:
            key = (head.voter, task.prompt_sha256)
            lines.setdefault(key, {
                "prompt_sha256": task.prompt_sha256, "voter": head.voter, "family": head.family, "lineage": head.lineage,
            })  # fmt: skip
            answers.setdefault(key, []).extend(_answer(sample, task.prompt_tokens) for sample in task.samples)
    return [msgspec.json.encode({**line, "answers": answers[key]}) + b"\n" for key, line in lines.items()]


def _answer(sample: Sample, prompt_tokens: int) -> Mapping[str, object]:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": sample.completion_tokens}
    return {"content": sample.content, "finish_reason": sample.finish_reason, "usage": usage}


def _natural(task_id: str) -> tuple[str, int]:
    name, _, number = task_id.rpartition("/")
    return name, int(number) if number.isdecimal() else 0


def _decoded(line: bytes, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _plain(data: bytes, where: str) -> bytes:
    if not data.startswith(_GZIP):
        return data
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise ConfigurationError(f"{where}: is damaged: {error}") from error
    if not unpacker.eof:
        raise ConfigurationError(f"{where}: is cut off, or holds more than {MAX_BYTES >> 20} MiB")
    return plain
