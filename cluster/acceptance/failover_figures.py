"""Figures of providers that fail: what was received, what providers counted, what is on disk. Pure.

Rules:
- A window's calls for a request are the calls that came in it by the requests that began in it.
- Ballots of the failing are told by outcome: what is ``failed`` or ``timeout`` was asked, ``breaker_open`` was not, and
  ``cancelled`` is what nothing hung on any more, asked or not.
- A request is *well* if the first layer answered it; recovery is when the last one began that was not, and when all
  breakers are closed, whichever is later.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.consensus.verification import verify_envelope
from actors.spans.record import read_envelope
from cluster.acceptance.accounts import Records, checked
from cluster.acceptance.load import Load, Outcome

RECOVERED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Mark:
    """How many calls of each voter its provider had counted at a moment (monotonic seconds)."""

    at_s: float
    calls: dict[str, int]


@dataclass(frozen=True, slots=True)
class Looked:
    """Every voter's breaker at a moment."""

    at_s: float
    states: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ran:
    """One fault as it was seen from outside."""

    load: Load
    burst: Load
    marks: tuple[Mark, ...]
    """Normal load's beginning and end, a little into the fault, the fault's end."""
    ended_s: float
    looked: tuple[Looked, ...]
    load_average: float
    """Of the machine over the last minute, at the stage's end."""


@dataclass(frozen=True, slots=True)
class Held:
    """A state database that nobody could write to."""

    load: Load
    began_s: float
    ended_s: float
    refused: bool
    """Whether a writer of ours was turned away meanwhile."""
    openings_told: int
    """Incidents of breakers that opened meanwhile, told afterwards."""


def fault_figures(
    ran: Ran, failing: Sequence[str], records: Records, trust: TrustBundle, now_s: int
) -> dict[str, Any]:  # fmt: skip
    """Return one fault's figures; ``failing`` are the voters that it hits."""
    normal, fault, later, end = ran.marks
    during, settled = _begun(ran.load, fault.at_s, end.at_s), _begun(ran.load, later.at_s, end.at_s)
    usual = _calls_each(ran.load, normal, fault)
    return {
        "load_average": round(ran.load_average, 1),
        **_answers("fault", during),
        **_answers("fault_after_2_s", settled),
        "answered_by": _layers(during),
        "latency_normal_ms": _quantiles(_begun(ran.load, normal.at_s, fault.at_s)),
        "latency_fault_ms": _quantiles(during),
        "latency_fault_after_2_s_ms": _quantiles(settled),
        "calls_a_request_normal": round(usual, 3),
        "calls_beside_normal_fault": _beside(_calls_each(ran.load, fault, end), usual),
        "calls_beside_normal_fault_after_2_s": _beside(_calls_each(ran.load, later, end), usual),
        "calls_of_the_failing": {voter: end.calls[voter] - fault.calls[voter] for voter in failing},
        "ballots_of_the_failing_on_record": _ballots(during, failing, records),
        **_recovery(ran),
        **checked([*ran.load.answered(), *ran.burst.answered()], records, trust, now_s),
    }


def _recovery(ran: Ran) -> dict[str, Any]:
    after = _begun(ran.load, ran.ended_s, float("inf"))
    failed = [outcome for outcome in after if outcome.status != 200]
    first = min((o.ended_s for o in after if _is_well(o)), default=None)
    unwell = max((o.began_s for o in after if not _is_well(o)), default=ran.ended_s)
    closed = _closed_s(ran)
    whole = None if closed is None else max(closed, unwell) - ran.ended_s
    return {
        "burst": len(ran.burst.outcomes),
        "burst_answered": len(ran.burst.answered()),
        "burst_failures": ran.burst.failures(),
        "first_answer_of_the_first_layer_after_s": None if first is None else round(first - ran.ended_s, 2),
        "breakers_closed_after_s": None if closed is None else round(closed - ran.ended_s, 2),
        "last_request_not_well_began_after_s": round(unwell - ran.ended_s, 2),
        "recovered_within_10_s": whole is not None and first is not None and whole <= RECOVERED_WITHIN_S,
        "failures_after_the_end": Load(after).failures(),
        "last_failed_began_after_s": round(max((o.began_s for o in failed), default=ran.ended_s) - ran.ended_s, 2),
    }


def _closed_s(ran: Ran) -> float | None:
    """Return since when all breakers are closed for good, from the fault's end on; ``None`` if they are not."""
    since: float | None = None
    for look in ran.looked:
        if look.at_s < ran.ended_s:
            continue
        if any(state != "closed" for state in look.states.values()):
            since = None
        elif since is None:
            since = look.at_s
    return since


def database_figures(held: Held, records: Records, trust: TrustBundle, now_s: int) -> dict[str, Any]:
    """Return the figures of a state database that nobody could write to."""
    during = _begun(held.load, held.began_s, held.ended_s)
    return {
        "locked_s": round(held.ended_s - held.began_s, 1),
        "a_writer_was_turned_away": held.refused,
        **_answers("locked", during),
        "answered_by": _layers(during),
        "latency_ms": _quantiles(during),
        "openings_of_breakers_told_afterwards": held.openings_told,
        **checked(held.load.answered(), records, trust, now_s),
    }


def jury_figures(load: Load, records: Records, trust: TrustBundle, now_s: int) -> dict[str, Any]:
    """Return who answered what the first layer disagreed about, and what is recorded of the others."""
    refused = [outcome for outcome in load.outcomes if outcome.status != 200]
    faults = [fault for outcome in refused if (fault := _refusal_fault(outcome, records, trust, now_s))]
    return {
        "requests": len(load.outcomes),
        "answered_by": _layers(load.outcomes),
        "answers_of_a_weaker_layer": sum(o.status == 200 and o.degraded for o in load.outcomes),
        "failures": load.failures(),
        "refusals_checked_on_disk": len(refused),
        "refusals_without_verifiable_record": len(faults),
        "refusal_examples": faults[:3],
        **checked(load.answered(), records, trust, now_s),
    }


def _refusal_fault(outcome: Outcome, records: Records, trust: TrustBundle, now_s: int) -> str:
    """Return why a refusal is not proven to be one of the first layer alone; empty if it is."""
    found = records.get(outcome.decision_id, ())
    if len(found) != 1:
        return f"{outcome.decision_id or 'no decision id'}: {len(found)} records on disk"
    try:
        record = verify_envelope(found[0].envelope, trust, now_s).record
    except IntegrityError as error:
        return f"{outcome.decision_id}: {error}"
    if record.result == "answered" or record.earlier or record.layer.index:
        return f"{outcome.decision_id}: recorded as {record.result} by {record.layer.name}"
    return ""


def _begun(load: Load, since_s: float, until_s: float) -> list[Outcome]:
    return [outcome for outcome in load.outcomes if since_s <= outcome.began_s < until_s]


def _is_well(outcome: Outcome) -> bool:
    return outcome.status == 200 and not outcome.degraded


def _answers(when: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    answered = sum(outcome.status == 200 for outcome in outcomes)
    return {
        f"requests_{when}": len(outcomes),
        f"answered_{when}": answered,
        f"answered_share_{when}": round(answered / len(outcomes), 5) if outcomes else None,
        f"failures_{when}": Load(list(outcomes)).failures(),
    }


def _layers(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(sorted(Counter(outcome.layer for outcome in outcomes if outcome.status == 200).items()))


def _calls_each(load: Load, start: Mark, end: Mark) -> float:
    begun = len(_begun(load, start.at_s, end.at_s))
    return (sum(end.calls.values()) - sum(start.calls.values())) / begun if begun else 0.0


def _beside(calls: float, usual: float) -> float | None:
    return round(calls / usual, 3) if usual else None


def _ballots(outcomes: Iterable[Outcome], failing: Sequence[str], records: Records) -> dict[str, int]:
    found = Counter[str]()
    for outcome in outcomes:
        for recorded in records.get(outcome.decision_id, ())[:1]:
            record = read_envelope(recorded.envelope).read()
            ballots = [*record.ballots, *(ballot for layer in record.earlier for ballot in layer.ballots)]
            found.update(ballot.outcome for ballot in ballots if ballot.voter in failing)
    return dict(sorted(found.items()))


def _quantiles(outcomes: Sequence[Outcome]) -> dict[str, float]:
    took = sorted(outcome.ended_s - outcome.began_s for outcome in outcomes if outcome.status == 200)
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0)) if took else ()
    return {name: round(took[int(share * (len(took) - 1))] * 1000, 1) for name, share in shares}
