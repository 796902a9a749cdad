"""Comparing candidates by what they do: which jobs to run next, what they taught, and the verdict.

Rules:
- Decide, act, learn: ``begin`` and ``step`` return a state and the jobs to run; without jobs the state has its verdict.
- The first round makes the examples' calls and generated ones. As long as different sources behave alike, further rounds search
  for inputs that distinguish them, around those that showed something, up to the configuration's rounds and calls.
- Groups are equal vectors, hence an equivalence relation; candidates without a usable vector are in none, whoever they resemble.
- Examples are gates: who misses one, in either of two runs, has failed. Who did not run has failed them all.
- Equal sources run once. Neither the order of candidates nor their numbers matter; the seed and the sources do.
- One job for which the sandbox was unavailable makes the whole comparison unavailable: nothing is guessed.

Left out: running jobs, time (``adapters``); what a gate or a group means for the tally.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.behaviour.inputs import around, generate, own_calls
from actors.consensus.behaviour.values import encode_literal, matches_example
from actors.consensus.behaviour.vectors import Fault, Vector, fault_of, observed_pairs, outcome, vector_sha256
from actors.consensus.reading.examples import Example
from actors.consensus.sandbox.protocol import Encoded, Job, Observed, Ran

MAX_BASES = 24


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question tells about the function it asks for."""

    name: str
    """Of the function; empty if the question names none, and then nothing but the examples is run."""
    examples: tuple[Example, ...] = ()


class Comparison(msgspec.Struct, frozen=True):
    """What candidates did, by their ids."""

    groups: dict[int, int]
    """Of those with a usable vector the group, numbered from 0 by the vectors' digests."""
    vector_sha256: dict[int, str]
    """Of the same."""
    faults: dict[int, Fault]
    """Of the others, why they have none."""
    examples_total: int
    examples_passed: dict[int, int]
    """Of all."""
    gate_failed: frozenset[int]
    """Missed at least one example: cannot win."""
    nondeterministic: frozenset[int]
    """At one call at least, with or without a vector."""
    calls: int
    """Made in all, each once in the count though it ran twice."""
    rounds: int
    complete: bool
    """Whether the search ended by itself, not for want of time."""


class NotCompared(msgspec.Struct, frozen=True):
    """There is no comparison."""

    reason: Literal["sandbox", "deadline"]
    """The sandbox ran nothing, or time ended within the first round."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of one source."""

    code: str
    vector: Vector
    passed: int = 0


@dataclass(frozen=True, slots=True)
class _Planned:
    """Calls that one source is to make."""

    place: int
    """Of the source among those seen."""
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Everything a comparison knows."""

    asked: Asked
    config: BehaviourConfig
    seed: int
    ids: tuple[tuple[int, str], ...]
    """Every candidate's id and source."""
    seen: tuple[_Seen, ...]
    """Of the distinct sources, by digest."""
    planned: tuple[_Planned, ...] = ()
    rounds: int = 0
    verdict: Comparison | NotCompared | None = None


def begin(
    asked: Asked, candidates: Mapping[int, str], config: BehaviourConfig, seed: int
) -> tuple[State, tuple[Job, ...]]:
    """Return the state before the first round and its jobs."""
    sources = sorted(set(candidates.values()), key=_digest)[: config.max_candidates]
    state = State(
        asked, config, seed, tuple(sorted(candidates.items())), tuple(_Seen(source, Vector()) for source in sources)
    )
    calls = generate(asked.name, asked.examples, sources, seed, config.first_calls)
    planned = tuple(_Planned(place, calls) for place in range(len(sources))) if calls else ()
    return _next(replace(state, planned=planned))


def step(state: State, rans: Sequence[Ran]) -> tuple[State, tuple[Job, ...]]:
    """Learn what the jobs did and return what to do next; raise ``ValueError`` if the results are not of these jobs."""
    if len(rans) != 2 * len(state.planned):
        raise ValueError(f"{2 * len(state.planned)} jobs were to run, {len(rans)} results came")
    if any(ran.end == "unavailable" for ran in rans):
        return replace(state, planned=(), verdict=NotCompared("sandbox")), ()
    seen = list(state.seen)
    for plan, first, second in zip(state.planned, rans[::2], rans[1::2], strict=True):
        seen[plan.place] = _learned(seen[plan.place], plan, first, second, state)
    learned = replace(state, seen=tuple(seen), planned=(), rounds=state.rounds + 1)
    return _next(replace(learned, planned=_distinguishing(learned)))


def cut_short(state: State) -> Comparison | NotCompared:
    """Return the verdict when time ends: of the rounds that were made, if there was one."""
    if state.verdict is not None:
        return state.verdict
    return _concluded(state, complete=False) if state.rounds else NotCompared("deadline")


def _next(state: State) -> tuple[State, tuple[Job, ...]]:
    if not state.planned:
        return replace(state, verdict=_concluded(state, complete=True)), ()
    jobs = [
        Job(state.seen[plan.place].code, calls) for plan in state.planned for calls in (plan.calls, plan.calls[::-1])
    ]
    return state, tuple(jobs)


def _learned(seen: _Seen, plan: _Planned, first: Ran, second: Ran, state: State) -> _Seen:
    pairs = observed_pairs(first, second, len(plan.calls))
    passed = seen.passed if state.rounds else _passed(state.asked.examples, plan.calls, pairs)
    return _Seen(seen.code, seen.vector.with_more(plan.calls, [outcome(*pair) for pair in pairs]), passed)


def _checkable(examples: Iterable[Example]) -> list[tuple[str, Encoded]]:
    """Return calls and wanted values of the examples whose call is made and whose value is a literal."""
    found = []
    for example in examples:
        try:
            found.append((example.call, encode_literal(example.value)))
        except ValueError:
            continue
    return found


def _wanted(examples: Sequence[Example]) -> list[tuple[str, Encoded]]:
    made = set(own_calls(examples))
    return [(call, value) for call, value in _checkable(examples) if call in made]


def _passed(examples: Sequence[Example], calls: Sequence[str], pairs: Sequence[tuple[Observed, Observed]]) -> int:
    by_call = dict(zip(calls, pairs, strict=True))
    return sum(
        all(each.end == "value" and matches_example(each.value, value) for each in by_call[call])
        for call, value in _wanted(examples)
        if call in by_call
    )


def _distinguishing(state: State) -> tuple[_Planned, ...]:
    """Return what different sources that behave alike should be asked next."""
    if state.rounds >= state.config.max_rounds or not state.config.further_calls:
        return ()
    alike: dict[Vector, list[int]] = {}
    for place, seen in enumerate(state.seen):
        if fault_of(seen.vector, state.config) in {None, "uninformative"}:
            alike.setdefault(seen.vector, []).append(place)
    return tuple(
        _Planned(place, calls)
        for vector, places in alike.items()
        if len(places) > 1 and (calls := _further(state, vector, places))
        for place in places
    )


def _further(state: State, vector: Vector, places: Sequence[int]) -> tuple[str, ...]:
    sources = [state.seen[place].code for place in places]
    bases = _telling(vector)
    asked, limit = state.asked, state.config.further_calls
    return around(asked.name, bases, vector.calls, asked.examples, sources, state.seed + state.rounds, limit)


def _telling(vector: Vector) -> list[str]:
    """Return the calls that showed most: those with a value, one for each outcome first, then the others."""
    valued = [(call, each) for call, each in zip(vector.calls, vector.outcomes, strict=True) if each.mark == "value"]
    first = {each: call for call, each in reversed(valued)}
    chosen = [call for call, each in valued if first[each] == call]
    return [*chosen, *(call for call, each in valued if first[each] != call)][:MAX_BASES]


def _concluded(state: State, *, complete: bool) -> Comparison:
    config, wanted = state.config, _wanted(state.asked.examples)
    by_code = {seen.code: seen for seen in state.seen}
    faults: dict[int, Fault] = {}
    digests: dict[int, str] = {}
    passed = dict.fromkeys((ask_id for ask_id, _ in state.ids), 0)
    shaky = set()
    for ask_id, code in state.ids:
        seen = by_code.get(code)
        fault = fault_of(seen.vector, config) if seen is not None else "left_out"
        if fault is not None:
            faults[ask_id] = fault
        if seen is None:
            continue
        passed[ask_id] = seen.passed
        if fault is None:
            digests[ask_id] = vector_sha256(seen.vector)
        if any(each.mark == "nondeterministic" for each in seen.vector.outcomes):
            shaky.add(ask_id)
    numbers = {digest: number for number, digest in enumerate(sorted(set(digests.values())))}
    return Comparison(
        groups={ask_id: numbers[digest] for ask_id, digest in digests.items()},
        vector_sha256=digests,
        faults=faults,
        examples_total=len(wanted),
        examples_passed=passed,
        gate_failed=frozenset(ask_id for ask_id, count in passed.items() if count < len(wanted)),
        nondeterministic=frozenset(shaky),
        calls=sum(len(seen.vector.calls) for seen in state.seen),
        rounds=state.rounds,
        complete=complete,
    )


def _digest(source: str) -> str:
    return sha256_hex(source.encode("utf-8", "backslashreplace"))
