"""Comparing candidates by what they do: which jobs to run next, what they taught, and the verdict.

Rules:
- Decide, act, learn: ``begin`` and ``step`` return a state and the jobs to run; without jobs the state has its verdict.
- The first round makes the examples' calls and generated ones. As long as different sources behave alike, further rounds search
  for inputs that distinguish them, around those that showed something, up to the configuration's rounds and calls.
- Groups are equal vectors, hence an equivalence relation; candidates without a usable vector are in none, whoever they resemble.
- A call that passes more than any example does, and that most candidates cannot answer (too slow, too large), is left out for
  all: it tells of the sandbox's bounds. Only most can leave one out, so that nobody hides a difference alone.
- Examples are gates: who misses one, in either run that came to it, has failed. Who did not run has failed them all.
- Equal sources run once. Neither the order of candidates nor their numbers matter; the seed and the sources do.
- One job for which the sandbox was unavailable makes the whole comparison unavailable: nothing is guessed.

Left out: running jobs, time (``adapters``); what a gate or a group means for the tally.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.behaviour.inputs import around, demanding, generate, own_calls
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
    again: tuple[str, ...]
    """The same in the order of the second run."""


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
    again = _opposite(calls, demanding(asked.name, calls[len(own_calls(asked.examples)) :], asked.examples))
    planned = tuple(_Planned(place, calls, again) for place in range(len(sources))) if calls else ()
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


def usable_vectors(state: State) -> dict[int, Vector]:
    """Return id → vector of every candidate that has one, as far as the comparison has come."""
    vectors = _vectors(state)
    return {
        ask_id: vectors[code]
        for ask_id, code in state.ids
        if code in vectors and fault_of(vectors[code], state.config) is None
    }


def _opposite(calls: Sequence[str], last: Sequence[str]) -> tuple[str, ...]:
    """Return the calls in opposite order but for those that come last in any case."""
    kept = set(last)
    return (*(call for call in reversed(calls) if call not in kept), *last)


def _next(state: State) -> tuple[State, tuple[Job, ...]]:
    if not state.planned:
        return replace(state, verdict=_concluded(state, complete=True)), ()
    jobs = [Job(state.seen[plan.place].code, calls) for plan in state.planned for calls in (plan.calls, plan.again)]
    return state, tuple(jobs)


def _learned(seen: _Seen, plan: _Planned, first: Ran, second: Ran, state: State) -> _Seen:
    pairs = observed_pairs((plan.calls, first), (plan.again, second))
    passed = seen.passed if state.rounds else _passed(state.asked.examples, pairs)
    return _Seen(seen.code, seen.vector.with_more(plan.calls, [outcome(*pairs[call]) for call in plan.calls]), passed)


def _checkable(examples: Iterable[Example]) -> list[tuple[str, Encoded]]:
    """Return calls and wanted values of the examples whose call is made and whose value is a literal."""
    found = []
    for example in examples:
        try:
            found.append((example.call, encode_literal(example.value)))
        except ValueError:
            continue
    return found


def wanted(examples: Sequence[Example]) -> list[tuple[str, Encoded]]:
    """Return calls and values of the examples that candidates are held to."""
    made = set(own_calls(examples))
    return [(call, value) for call, value in _checkable(examples) if call in made]


def _passed(examples: Sequence[Example], pairs: Mapping[str, tuple[Observed, Observed]]) -> int:
    return sum(_matches(pairs[call], value) for call, value in wanted(examples) if call in pairs)


def _matches(pair: tuple[Observed, Observed], value: Encoded) -> bool:
    """Tell whether every run that came to a call, and one did, gave the wanted value."""
    came = [each for each in pair if each.end != "not_run"]
    return bool(came) and all(each.end == "value" and matches_example(each.value, value) for each in came)


def _vectors(state: State) -> dict[str, Vector]:
    """Return source → vector, without the calls that are left out for all."""
    asked = state.asked
    vectors = {seen.code: seen.vector for seen in state.seen}
    held = [vectors[code] for _, code in state.ids if code in vectors]
    working = [vector for vector in held if len(vector.unanswered()) < len(vector.calls)]
    own = set(own_calls(asked.examples))
    called = {call for vector in working for call in vector.calls} - own
    missed = Counter(call for vector in working for call in vector.unanswered())
    out = {call for call in demanding(asked.name, sorted(called), asked.examples) if 2 * missed[call] > len(working)}
    return {code: vector.without(out) for code, vector in vectors.items()}


def _distinguishing(state: State) -> tuple[_Planned, ...]:
    """Return what different sources that behave alike should be asked next."""
    if state.rounds >= state.config.max_rounds or not state.config.further_calls:
        return ()
    alike: dict[Vector, list[int]] = {}
    vectors = _vectors(state)
    for place, seen in enumerate(state.seen):
        if fault_of(vectors[seen.code], state.config) in {None, "uninformative"}:
            alike.setdefault(vectors[seen.code], []).append(place)
    return tuple(
        _Planned(place, calls, _opposite(calls, demanding(state.asked.name, calls, state.asked.examples)))
        for vector, places in alike.items()
        if len(places) > 1 and (calls := _further(state, vector, places))
        for place in places
    )


def _further(state: State, vector: Vector, places: Sequence[int]) -> tuple[str, ...]:
    sources = [state.seen[place].code for place in places]
    bases, known = _telling(vector), state.seen[places[0]].vector.calls
    asked, limit = state.asked, state.config.further_calls
    return around(asked.name, bases, known, asked.examples, sources, state.seed + state.rounds, limit)


def _telling(vector: Vector) -> list[str]:
    """Return the calls that showed most: those with a value, one for each outcome first, then the others."""
    valued = [(call, each) for call, each in zip(vector.calls, vector.outcomes, strict=True) if each.mark == "value"]
    first = {each: call for call, each in reversed(valued)}
    chosen = [call for call, each in valued if first[each] == call]
    return [*chosen, *(call for call, each in valued if first[each] != call)][:MAX_BASES]


def _concluded(state: State, *, complete: bool) -> Comparison:
    config, total = state.config, len(wanted(state.asked.examples))
    by_code, vectors = {seen.code: seen for seen in state.seen}, _vectors(state)
    faults: dict[int, Fault] = {}
    digests: dict[int, str] = {}
    passed = dict.fromkeys((ask_id for ask_id, _ in state.ids), 0)
    shaky = set()
    for ask_id, code in state.ids:
        seen = by_code.get(code)
        fault = fault_of(vectors[code], config) if seen is not None else "left_out"
        if fault is not None:
            faults[ask_id] = fault
        if seen is None:
            continue
        passed[ask_id] = seen.passed
        if fault is None:
            digests[ask_id] = vector_sha256(vectors[code])
        if any(each.mark == "nondeterministic" for each in vectors[code].outcomes):
            shaky.add(ask_id)
    numbers = {digest: number for number, digest in enumerate(sorted(set(digests.values())))}
    return Comparison(
        groups={ask_id: numbers[digest] for ask_id, digest in digests.items()},
        vector_sha256=digests,
        faults=faults,
        examples_total=total,
        examples_passed=passed,
        gate_failed=frozenset(ask_id for ask_id, count in passed.items() if count < total),
        nondeterministic=frozenset(shaky),
        calls=sum(len(seen.vector.calls) for seen in state.seen),
        rounds=state.rounds,
        complete=complete,
    )


def _digest(source: str) -> str:
    return sha256_hex(source.encode("utf-8", "backslashreplace"))
