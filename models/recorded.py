"""Voters that play recorded answers: JSON lines in, the voter port out. Faults included, exactly as written.

A line answers one prompt of one voter::

    {"prompt_sha256": "<hex SHA-256 of the last user message>", "voter": "m1", "family": "f", "lineage": "l", "answers": […]}

and a ``default`` line answers every other prompt, of every voter (``{"default": [answers]}`` or one answer) or of one
(``{"default": {"voter", "family", "lineage", "answers"}}``, or ``{"default": true | answers, "voter", …}``). A voter's own
default goes before the common one; a prompt with neither is an error, ``VoterFailed``.

An answer is one of ``{"content", "latency_ms", "first_token_ms", "usage", "finish_reason"}``, the same with
``cut_after_chars`` (breaks off there), ``{"error": {"status", "retry_after_s"}}`` or ``{"hang": true}``; the last two may
have a ``latency_ms`` and none. Without a latency an answer takes as long as its first token. Which answer: (seed + sample)
modulo count; without a seed a counter per line and process.

Rules: every line is validated, complaints name file and line; whatever an answer needs at run time is made at load time.
What it leaves out: the wire (``models.recorded_server``).
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Literal

import msgspec

from models.errors import (
    AnswersError,
    VoterBusy,
    VoterEmpty,
    VoterError,
    VoterFailed,
    VoterRefused,
    VoterTooLong,
    bounded_retry_after_s,
)
from models.voter import Candidate, TokenCount, VoterInfo, VoterRequest

MAX_LINE_BYTES = 8 << 20
HANG_S = 86_400.0
"""How long a hanging voter is silent: longer than any deadline."""

_MAX_MS = 3_600_000
_HEX = frozenset("0123456789abcdef")

Sleep = Callable[[float], Awaitable[object]]


class Usage(msgspec.Struct, frozen=True):
    """Token counts as OpenAI's API reports them; fields beyond these are ignored."""

    prompt_tokens: TokenCount = 0
    completion_tokens: TokenCount = 0


class RecordedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTTP error instead of an answer."""

    status: int
    retry_after_s: float | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recorded answer or fault."""

    content: str | None = None
    latency_ms: int | None = None
    first_token_ms: int | None = None
    usage: Usage = Usage()
    finish_reason: Literal["stop", "length", "content_filter"] = "stop"
    cut_after_chars: int | None = None
    error: RecordedFault | None = None
    hang: bool = False

    @property
    def delay_ms(self) -> int:
        """How long the whole answer takes."""
        return (self.first_token_ms or 0) if self.latency_ms is None else self.latency_ms

    def complaint(self) -> str | None:
        """Say what contradicts itself, ``None`` if nothing does."""
        if (self.content is not None) + (self.error is not None) + self.hang != 1:
            return "an answer has exactly one of content, error and hang"
        if not 0 <= self.delay_ms <= _MAX_MS:
            return f"latency_ms and first_token_ms must be 0 to {_MAX_MS}"
        if self.first_token_ms is not None and not 0 <= self.first_token_ms <= self.delay_ms:
            return "first_token_ms must be 0 to latency_ms"
        if self.cut_after_chars is not None and (self.content is None or self.cut_after_chars < 0):
            return "cut_after_chars needs a content and is not negative"
        return None if self.error is None else _fault_complaint(self.error)


def _fault_complaint(fault: RecordedFault) -> str | None:
    if not 400 <= fault.status <= 599:
        return "error.status must be 400 to 599"
    if fault.retry_after_s is not None and not 0 <= fault.retry_after_s <= _MAX_MS:
        return f"error.retry_after_s must be 0 to {_MAX_MS}"
    return None


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prompt_sha256: str | None = None
    default: msgspec.Raw = msgspec.Raw()  # empty where there is none
    voter: str | None = None
    family: str | None = None
    lineage: str | None = None
    answers: tuple[Answer, ...] | None = None


class _VoterLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    voter: str
    family: str
    lineage: str
    answers: tuple[Answer, ...]


@dataclass(slots=True)
class Take:
    """One voter's answers to one prompt, what each means, and how often it was asked without a seed."""

    answers: tuple[Answer, ...]
    outcomes: tuple[Candidate | VoterError, ...]
    asked: int = 0

    def pick(self, seed: int | None, sample: int) -> int:
        """Return which answer it is this time."""
        if seed is not None:
            return (seed + sample) % len(self.answers)
        self.asked += 1
        return (self.asked - 1) % len(self.answers)


@dataclass(slots=True)
class VoterScript:
    """Everything one voter will say."""

    info: VoterInfo
    by_prompt: dict[str, Take] = field(default_factory=dict)
    default: Take | None = None

    def take(self, prompt: str) -> Take | None:
        """Return the answers to ``prompt``, ``None`` if none were recorded."""
        if self.by_prompt:
            known = self.by_prompt.get(hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest())
            if known is not None:
                return known
        return self.default


class RecordedAnswers:
    """The voters of one or more files of recorded answers."""

    def __init__(self, voters: dict[str, VoterScript]) -> None:
        self.voters = voters

    @property
    def infos(self) -> list[VoterInfo]:
        """Who is recorded here, in order of appearance."""
        return [script.info for script in self.voters.values()]


def load_recorded(paths: Iterable[Path], pinned: Mapping[Path, str] = MappingProxyType({})) -> RecordedAnswers:
    """Read files of recorded answers; raises ``AnswersError`` naming file and line.

    ``pinned`` gives the SHA-256 a file must have: what is read is what is hashed.
    """
    reader = _Reader()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest = reader.read(file, path)
        except OSError as error:
            raise AnswersError(f"{path}: cannot be read: {error.strerror}") from error
        if (expected := pinned.get(path, digest)) != digest:
            raise AnswersError(
                f"{path}: hashes to {digest} instead of {expected}; restore it, or run `weavergen down` and `up` again"
            )
    return reader.finish()


class _Reader:
    def __init__(self) -> None:
        self._voters: dict[str, VoterScript] = {}
        self._common: tuple[Answer, ...] | None = None

    def read(self, file: BinaryIO, path: Path) -> str:
        """Take every line of a file; return its SHA-256."""
        digest, number = hashlib.sha256(), 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            digest.update(line)
            self.add(line, f"{path}:{number}")
        return digest.hexdigest()

    def add(self, line: bytes, where: str) -> None:
        if len(line) > MAX_LINE_BYTES:
            raise AnswersError(f"{where}: line is longer than {MAX_LINE_BYTES} bytes")
        if not line.strip():
            return
        try:
            self._add(msgspec.json.decode(line, type=_Line), where)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AnswersError(f"{where}: {error}") from error

    def finish(self) -> RecordedAnswers:
        if not self._voters:
            raise AnswersError("the recorded answers name no voter; add a line with voter, family, lineage and answers")
        for script in self._voters.values():
            if script.default is None and self._common is not None:
                script.default = _take(script, self._common)
        return RecordedAnswers(self._voters)

    def _add(self, line: _Line, where: str) -> None:
        default = bytes(line.default).lstrip()
        if (line.prompt_sha256 is None) == (not default):
            raise AnswersError(f"{where}: a line has either prompt_sha256 or default")
        if default:
            self._add_default(_spelled_out(line, default, where), where)
        else:
            self._add_prompt(line, where)

    def _add_prompt(self, line: _Line, where: str) -> None:
        digest = line.prompt_sha256 or ""
        if len(digest) != 64 or not set(digest) <= _HEX:
            raise AnswersError(f"{where}: prompt_sha256 must be 64 lower-case hex digits")
        answers = _checked(line.answers, where)
        script = self._script(line, where)
        if digest in script.by_prompt:
            raise AnswersError(f"{where}: {script.info.id} has answered this prompt in an earlier line")
        script.by_prompt[digest] = _take(script, answers)

    def _add_default(self, line: _Line, where: str) -> None:
        answers = _checked(line.answers, where)
        if line.voter is None and line.family is None and line.lineage is None:
            if self._common is not None:
                raise AnswersError(f"{where}: there is a default for every voter in an earlier line")
            self._common = answers
            return
        script = self._script(line, where)
        if script.default is not None:
            raise AnswersError(f"{where}: {script.info.id} has a default in an earlier line")
        script.default = _take(script, answers)

    def _script(self, line: _Line, where: str) -> VoterScript:
        if not line.voter or not line.family or not line.lineage:
            raise AnswersError(f"{where}: voter, family and lineage are needed")
        info = VoterInfo(id=line.voter, family=line.family, lineage=line.lineage, tags=("recorded",))
        script = self._voters.setdefault(line.voter, VoterScript(info))
        if script.info != info:
            raise AnswersError(f"{where}: {line.voter} has another family or lineage in an earlier line")
        return script


def _spelled_out(line: _Line, default: bytes, where: str) -> _Line:
    """Return the default line as if its voter and answers had been written beside ``default``."""
    if default == b"true":
        return line
    if line.answers is not None:
        raise AnswersError(f"{where}: answers stand either in default or beside it")
    if default.startswith(b"["):
        return msgspec.structs.replace(line, answers=msgspec.json.decode(default, type=tuple[Answer, ...]))
    if line.voter is None and "answers" in msgspec.json.decode(default, type=dict[str, msgspec.Raw]):
        whole = msgspec.json.decode(default, type=_VoterLine)
        return _Line(voter=whole.voter, family=whole.family, lineage=whole.lineage, answers=whole.answers)
    return msgspec.structs.replace(line, answers=(msgspec.json.decode(default, type=Answer),))


def _take(script: VoterScript, answers: tuple[Answer, ...]) -> Take:
    return Take(answers, tuple(outcome_of(answer, script.info.id) for answer in answers))


def _checked(answers: tuple[Answer, ...] | None, where: str) -> tuple[Answer, ...]:
    if not answers:
        raise AnswersError(f"{where}: answers are needed, at least one")
    for number, answer in enumerate(answers):
        if (complaint := answer.complaint()) is not None:
            raise AnswersError(f"{where}: answers[{number}]: {complaint}")
    return answers


class RecordedVoter:
    """One recorded voter in process. ``sleep`` passes the recorded latencies."""

    def __init__(self, info: VoterInfo, answers: RecordedAnswers, sleep: Sleep = asyncio.sleep) -> None:
        self._info = info
        self._script = answers.voters[info.id]
        self._sleep = sleep

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Play the answer recorded for the last user message."""
        take = self._script.take(request.last_user_message)
        if take is None:
            raise VoterFailed(self._info.id, "no answer is recorded for this prompt")
        index = take.pick(request.sampling.seed, request.sample)
        answer = take.answers[index]
        if answer.hang:
            await self._sleep(HANG_S)
        elif answer.delay_ms:
            await self._sleep(answer.delay_ms / 1000)
        outcome = take.outcomes[index]
        if isinstance(outcome, VoterError):
            raise type(outcome)(*outcome.args)  # a fresh one: tracebacks must not pile up on a shared instance
        return outcome


def _failure(voter: str, fault: RecordedFault) -> VoterError:
    """Return what an HTTP error means to the client of a voter's server (``models.openai_http``)."""
    if fault.status == 413:
        return VoterTooLong(voter, "the prompt is too long for it")
    wait_s = None if fault.retry_after_s is None else bounded_retry_after_s(fault.retry_after_s)
    kind = VoterBusy if fault.status == 429 and wait_s is not None else VoterFailed
    return kind(voter, f"answered with status {fault.status}", wait_s)


def outcome_of(answer: Answer, voter: str) -> Candidate | VoterError:
    """Return what an answer means once its latency has passed."""
    if answer.error is not None:
        return _failure(voter, answer.error)
    if answer.content is None:
        return VoterFailed(voter, "said nothing for a day")
    if answer.cut_after_chars is not None:
        return VoterFailed(voter, f"broke off after {answer.cut_after_chars} characters")
    if answer.finish_reason == "content_filter":
        return VoterRefused(voter, "declined (content filter)")
    if not answer.content.strip():
        return VoterEmpty(voter, "answered nothing")
    return Candidate(
        content=answer.content,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        first_token_ms=answer.first_token_ms,
    )
