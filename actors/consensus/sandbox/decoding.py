"""Reads what the harness sent out: frames into ``Ran``, whatever a candidate wrote into them.

Rules:
- A record is read strictly: right shape, known tags, canonical numbers, bounded depth. Anything else makes that call a ``crash``
  and the calls after it ``not_run``; nothing that was written inside raises out here.
- ``ran`` means that every call was made. A job that broke off ends as what broke it off, with what was observed before.

Left out: bounds on bytes (the harness and the pipe's reader keep them), judging values (``behaviour``).
"""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from actors.consensus.sandbox.protocol import CallEnd, Encoded, Job, Observed, Ran, RunEnd

MAX_DEPTH: Final = 128
MAX_NAME: Final = 100
_INT = re.compile(r"0|-?[1-9][0-9]{0,4000}", re.ASCII)
_FLOAT = re.compile(r"-?(inf|[0-9]+\.[0-9]+|[0-9]+(\.[0-9]+)?e[+-][0-9]+)|nan", re.ASCII)
_HEX = re.compile(r"([0-9a-f]{2})*", re.ASCII)


class Frame(msgspec.Struct, frozen=True):
    """One frame of the harness: ``R`` a record, ``T`` out of time, ``C`` ended otherwise."""

    letter: bytes
    content: bytes = b""


class _Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    end: Literal["v", "e"]
    value: Any
    arguments: list[Any]
    printed: str


_RECORD = msgspec.json.Decoder(_Record)
_BROKEN_OFF: dict[bytes, Literal["timeout", "crash"]] = {b"T": "timeout"}


def read(job: Job, frames: Sequence[Frame]) -> Ran:
    """Return what came of a job: the first frame tells of the code's top level, the others of its calls, in order."""
    first = _observed(frames[0]) if frames else Observed("crash")
    if first.end == "exception":
        return Ran("failed", _padded(job, ()), first.exception)
    if first.end != "value":
        return unmade(job, "timeout" if first.end == "timeout" else "crash", "in the code's top level")
    calls: list[Observed] = []
    for frame in frames[1 : len(job.calls) + 1]:
        calls.append(_observed(frame))
        if calls[-1].end in {"timeout", "crash"}:
            break
    if len(calls) < len(job.calls) and not (calls and calls[-1].end in {"timeout", "crash"}):
        calls.append(Observed("crash"))
    broken = next((seen.end for seen in calls if seen.end in {"timeout", "crash"}), None)
    if len(frames) > len(job.calls) + 1 and broken is None:
        return unmade(job, "crash", "more records than calls")
    if broken is None:
        return Ran("ran", tuple(calls))
    end: RunEnd = "timeout" if broken == "timeout" else "crash"
    return Ran(end, _padded(job, calls), f"in call {len(calls)} of {len(job.calls)}")


def unmade(job: Job, end: RunEnd, detail: str) -> Ran:
    """Return the outcome of a job of which no call was made."""
    return Ran(end, _padded(job, ()), detail)


def _padded(job: Job, calls: Sequence[Observed]) -> tuple[Observed, ...]:
    return (*calls, *(Observed("not_run") for _ in range(len(job.calls) - len(calls))))


def _observed(frame: Frame) -> Observed:
    if frame.letter != b"R":
        return Observed(_BROKEN_OFF.get(frame.letter, "crash"))
    try:
        record = _RECORD.decode(frame.content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return Observed("crash")
    arguments = tuple(record.arguments)
    if not all(map(well_formed, arguments)):
        return Observed("crash")
    if record.end == "e":
        name = record.value
        good = isinstance(name, str) and len(name) <= MAX_NAME
        end: CallEnd = "exception" if good else "crash"
        return Observed(end, exception=name, arguments=arguments, printed=record.printed) if good else Observed(end)
    if not well_formed(record.value):
        return Observed("crash")
    return Observed("value", record.value, arguments=arguments, printed=record.printed)


def well_formed(value: Encoded, depth: int = MAX_DEPTH) -> bool:
    """Tell whether a decoded JSON value is an ``Encoded``."""
    if value is None or isinstance(value, bool):
        return True
    if not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], str) or depth == 0:
        return False
    tag, content = value[0], value[1:]
    if tag == "c":
        return len(content) == 2 and all(isinstance(part, str) and _FLOAT.fullmatch(part) for part in content)
    return len(content) == 1 and _content(tag, content[0], depth)


def _content(tag: str, content: Encoded, depth: int) -> bool:
    if isinstance(content, str):
        pattern = {"i": _INT, "f": _FLOAT, "b": _HEX}.get(tag)
        if pattern is not None:
            return pattern.fullmatch(content) is not None
        return tag == "s" or (tag == "x" and len(content) <= MAX_NAME)
    if not isinstance(content, list):
        return False
    if tag == "d":
        return all(
            isinstance(pair, list) and len(pair) == 2 and all(well_formed(part, depth - 1) for part in pair)
            for pair in content
        )
    return tag in {"l", "t", "S", "F"} and all(well_formed(member, depth - 1) for member in content)
