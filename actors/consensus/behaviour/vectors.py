"""From what a candidate did to the vector that stands for its behaviour.

Rules:
- Each call is made twice, in different processes and in opposite order. What differs is ``nondeterministic``: chance, hash
  order, the clock, or state that calls leave behind. A call that does not end ends its process; what one run did not come to
  for that, the other run alone tells.
- An outcome is a value or the class of an exception, with the arguments afterwards and what was printed (blank ends apart), all
  in normal form. ``timeout``, ``crash``, ``not_run``, ``nondeterministic`` and ``opaque`` are outcomes too, so that none can hide
  a difference: who behaves like others but at one call behaves differently. They never count as agreement.
- A candidate has no usable vector if its code did not load, if an outcome is ``opaque`` (unrepresentable values agree with
  nothing), if too many calls are nondeterministic, or if too few are informative: values or exceptions, some of them values.
- Equal vectors, equal digests: the digest is SHA-256 over the JSON of calls and outcomes, which are texts in normal form.

Left out: which candidates are compared, and what the examples say (``compare``).
"""

import json
from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.behaviour.values import normal
from actors.consensus.sandbox.protocol import Observed, Ran

Mark: TypeAlias = Literal["value", "exception", "timeout", "crash", "not_run", "nondeterministic", "opaque"]
Fault = Literal["broken", "opaque", "nondeterministic", "uninformative", "left_out"]
"""Why a candidate has no usable vector; ``left_out``: there were more candidates than are compared."""

_NOT_RUN = Observed("not_run")


class Outcome(msgspec.Struct, frozen=True):
    """What a candidate does at one call."""

    mark: Mark
    content: str = ""
    """JSON of value or exception class, arguments afterwards and printed text."""


class Vector(msgspec.Struct, frozen=True):
    """Calls and what each did; vectors over different calls are different."""

    calls: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    def with_more(self, calls: Sequence[str], outcomes: Sequence[Outcome]) -> "Vector":
        """Return the vector with further calls."""
        return Vector((*self.calls, *calls), (*self.outcomes, *outcomes))

    def without(self, calls: Collection[str]) -> "Vector":
        """Return the vector but for these calls."""
        kept = [(call, each) for call, each in zip(self.calls, self.outcomes, strict=True) if call not in calls]
        return Vector(tuple(call for call, _ in kept), tuple(each for _, each in kept))

    def unanswered(self) -> frozenset[str]:
        """Return the calls that told nothing: no value, no exception, or not the same twice."""
        pairs = zip(self.calls, self.outcomes, strict=True)
        return frozenset(call for call, each in pairs if each.mark not in {"value", "exception"})


def observed_pairs(
    first: tuple[Sequence[str], Ran], second: tuple[Sequence[str], Ran]
) -> dict[str, tuple[Observed, Observed]]:
    """Return for each call what both runs saw; the runs made the same calls in different orders.

    A run that tells of another number of calls than it was to make tells of none.
    """
    again = _observed(*second)
    return {call: (seen, again[call]) for call, seen in _observed(*first).items()}


def _observed(calls: Sequence[str], ran: Ran) -> dict[str, Observed]:
    told = ran.calls if len(ran.calls) == len(calls) else [_NOT_RUN] * len(calls)
    return dict(zip(calls, told, strict=True))


def outcome(first: Observed, second: Observed) -> Outcome:
    """Return what a call does, seen twice; or seen once, where the other run ended before it came to the call."""
    once, twice = _judged(first), _judged(second)
    if once.mark == "not_run" or once == twice:
        return twice
    return once if twice.mark == "not_run" else Outcome("nondeterministic")


def _judged(observed: Observed) -> Outcome:
    if observed.end not in {"value", "exception"}:
        return Outcome(observed.end)
    arguments = [normal(argument) for argument in observed.arguments]
    value = normal(observed.value) if observed.end == "value" else observed.exception
    if value is None or None in arguments:
        return Outcome("opaque")
    return Outcome(observed.end, _text([value, arguments, observed.printed.rstrip()]))


def fault_of(vector: Vector, config: BehaviourConfig) -> Fault | None:
    """Return why a vector cannot vouch for agreement, ``None`` if it can."""
    marks = [each.mark for each in vector.outcomes]
    if not set(marks) - {"not_run", "crash", "timeout"}:
        return "broken"
    if "opaque" in marks:
        return "opaque"
    if marks.count("nondeterministic") * 1000 > config.max_nondeterministic_permille * len(marks):
        return "nondeterministic"
    values = marks.count("value")
    if values < config.min_values or values + marks.count("exception") < config.min_informative:
        return "uninformative"
    return None


def vector_sha256(vector: Vector) -> str:
    """Return the digest for the record."""
    content = [vector.calls, [[each.mark, each.content] for each in vector.outcomes]]
    return sha256_hex(_text(content).encode("ascii"))


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
