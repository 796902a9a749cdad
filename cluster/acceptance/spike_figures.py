"""Figures of an overload: where saturation begins, what was served and refused, when it was over. Pure.

Rules:
- Latency runs from when a request was due. Percentiles are of what was served (200), by nearest rank.
- A rate *holds* if ``SERVED`` of the requests were served and their p99 is within ``TIMES`` of the p99 at the base rate.
  Saturation is the highest rate that held below the lowest that did not; between them the search halves until they are
  ``CLOSE`` to each other.
- *Back to normal* is the first second after the end of the spike from which on everything is ordinary to the end of the
  phase, for ``WINDOW_S`` seconds at least: neither a refusal nor a failure, nor an answer beyond ``TIMES`` the normal p99.
- The phase repeats the arrivals of those before the spike, request by request. One that takes long by its nature took as long
  there: an answer within ``TIMES`` of its slowest twin is ordinary however slow it is.
- The trace asks for more than saturation now and then by itself. What is beyond it must be refused, or wait: as long as more
  has come than saturation can have served, a refusal that says when to come again is no sign of anything. Bursts below
  saturation show whether a limit stayed low.
- Below saturation hardly anything may be refused: under normal load no more than at a rate that holds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.acceptance.arrivals import Span
from cluster.acceptance.sent import Sent, percentile

TIMES = 2.0
SERVED = 0.99
CLOSE = 1.1
CLIMB = 1.6
WINDOW_S = 5
BACK_WITHIN_S = 10
MEMORY_TIMES = 1.5
REFUSED = 429


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that was tried."""

    per_s: float
    served_share: float
    p50_ms: float
    p99_ms: float
    generator_late_p99_ms: float


def step(per_s: float, sent: Sequence[Sent], late_p99_ms: float) -> Step:
    """Return what came of one rate."""
    served = [item.latency_s * 1000 for item in sent if item.status == 200]
    share = len(served) / len(sent) if sent else 0.0
    p50, p99 = (round(percentile(served, quantile), 1) for quantile in (0.5, 0.99))
    return Step(per_s, round(share, 4), p50, p99, round(late_p99_ms, 2))


def holds(tried: Step, base: Step) -> bool:
    """Tell whether a rate is below saturation."""
    return tried.served_share >= SERVED and tried.p99_ms <= TIMES * base.p99_ms


def next_rate(steps: Sequence[Step], highest_per_s: float) -> float | None:
    """Return the rate to try next; ``None`` once saturation is known, or ``highest_per_s`` held. The first step is the base."""
    held, left = bounds(steps)
    if left is None:
        return min(held * CLIMB, highest_per_s) if held < highest_per_s else None
    return (held * left) ** 0.5 if held and left / held > CLOSE else None


def bounds(steps: Sequence[Step]) -> tuple[float, float | None]:
    """Return the highest rate that held below the lowest that did not, and this one, ``None`` if all held."""
    base = steps[0]
    left = min((tried.per_s for tried in steps if not holds(tried, base)), default=None)
    held = [tried.per_s for tried in steps if holds(tried, base) and (left is None or tried.per_s < left)]
    return max(held, default=0.0), left


def within(sent: Sequence[Sent], begin_s: float, end_s: float) -> list[Sent]:
    """Return the requests that were due in a stretch of time."""
    return [item for item in sent if begin_s <= item.due_s < end_s]


def phase_figures(sent: Sequence[Sent], span: Span) -> dict[str, Any]:
    """Return what became of a phase's requests."""
    begun = within(sent, span.begin_s, span.end_s)
    served = [item.latency_s * 1000 for item in begun if item.status == 200]
    refused = [item for item in begun if item.status == REFUSED]
    others = Counter(item.cause for item in begun if item.status not in (200, REFUSED))
    return {
        "seconds": span.end_s - span.begin_s,
        "requests": len(begun),
        "requests_per_s": round(len(begun) / (span.end_s - span.begin_s), 1),
        "served": len(served),
        "served_per_s": round(len(served) / (span.end_s - span.begin_s), 1),
        "served_degraded": sum(item.degraded for item in begun if item.status == 200),
        "p50_ms": round(percentile(served, 0.5), 1),
        "p99_ms": round(percentile(served, 0.99), 1),
        "refused_429": len(refused),
        "refused_429_share": round(len(refused) / len(begun), 4) if begun else None,
        "refused_429_by_code": dict(Counter(item.cause for item in refused).most_common()),
        "refused_429_without_retry_after": sum(not item.retry_after for item in refused),
        "refused_429_p99_ms": round(percentile([item.latency_s * 1000 for item in refused], 0.99), 1),
        "other_outcomes": dict(others.most_common()),
    }


@dataclass(frozen=True, slots=True)
class Normal:
    """What is normal: the load before the spike, once or several times, and what the system can take."""

    sent: Sequence[Sequence[Sent]]
    """The requests of each repetition, in the order in which they were due."""
    p99_ms: float
    saturation_per_s: float

    def is_ordinary(self, number: int, item: Sent) -> bool:
        """Tell whether request ``number`` of the phase was answered as it may be."""
        took_ms = item.latency_s * 1000
        twins = (each[number] for each in self.sent if number < len(each))
        twins_ms = [twin.latency_s * 1000 for twin in twins if twin.status == 200]
        return item.status == 200 and took_ms <= TIMES * max(self.p99_ms, *twins_ms, 0.0)


def back_after_s(sent: Sequence[Sent], after: Span, normal: Normal) -> int | None:
    """Return after how many seconds of the phase after the spike all was normal to its end; ``None`` if it was not."""
    strange = strange_seconds(sent, after, normal)
    begin = max(strange, default=-1) + 1
    return begin if not strange or after.begin_s + begin + WINDOW_S <= after.end_s else None


def strange_seconds(sent: Sequence[Sent], span: Span, normal: Normal) -> list[int]:
    """Return the seconds of a phase in which anything was due that came to an end out of the ordinary."""
    phase, each = within(sent, span.begin_s, span.end_s), by_second(sent, span)
    beyond = seconds_beyond(list(map(len, each)), normal.saturation_per_s)
    strange = {
        min(int(item.due_s - span.begin_s), len(each) - 1)
        for number, item in enumerate(phase)
        if not normal.is_ordinary(number, item)
        and not (int(item.due_s - span.begin_s) in beyond and item.status == REFUSED and item.retry_after)
    }
    return sorted(strange)


def seconds_beyond(due: Sequence[int], saturation_per_s: float) -> set[int]:
    """Return the seconds in which more is due, or left of those before, than saturation serves."""
    found, left = set[int](), 0.0
    for second, count in enumerate(due):
        left = max(0.0, left + count - saturation_per_s)
        if left > 0:
            found |= {second, second + 1}
    return found & set(range(len(due)))


def by_second(sent: Sequence[Sent], span: Span) -> list[list[Sent]]:
    """Return a phase's requests by the second in which they were due."""
    each: list[list[Sent]] = [[] for _ in range(max(1, int(span.end_s - span.begin_s)))]
    for item in within(sent, span.begin_s, span.end_s):
        each[min(int(item.due_s - span.begin_s), len(each) - 1)].append(item)
    return each


def series(sent: Sequence[Sent], seconds: float) -> dict[str, list[float]]:
    """Return second by second how many requests were due, served and refused or came to nothing, and the served ones' latency."""
    each = by_second(sent, Span("all", 0.0, seconds))
    served = [[item.latency_s * 1000 for item in second if item.status == 200] for second in each]
    return {
        "due": [len(second) for second in each],
        "served": [len(second) for second in served],
        "refused": [sum(item.status == REFUSED for item in second) for second in each],
        "failed": [sum(item.status not in (200, REFUSED) for item in second) for second in each],
        "p50_ms": [round(percentile(second, 0.5), 1) for second in served],
        "p99_ms": [round(percentile(second, 0.99), 1) for second in served],
    }


def beyond_saturation(sent: Sequence[Sent], span: Span, saturation_per_s: float) -> dict[str, int]:
    """Return how many seconds of a phase ask for more than saturation, or have to make up for it, and what became of them."""
    each = by_second(sent, span)
    found = [item for second in seconds_beyond(list(map(len, each)), saturation_per_s) for item in each[second]]
    refused = sum(item.status == REFUSED for item in found)
    return {"seconds": len({int(item.due_s) for item in found}), "requests": len(found), "refused_429": refused}


def below_saturation(sent: Sequence[Sent], spans: Sequence[Span], saturation_per_s: float) -> dict[str, Any]:
    """Return what became of normal load where no more was due than saturation serves, and in which seconds it was refused."""
    requests, refused = 0, dict[int, list[int]]()
    for span in spans:
        each = by_second(sent, span)
        for second in set(range(len(each))) - seconds_beyond(list(map(len, each)), saturation_per_s):
            requests += len(each[second])
            if count := sum(item.status == REFUSED for item in each[second]):
                refused[int(span.begin_s) + second] = [count, len(each[second])]
    return {
        "requests": requests, "refused_429": sum(count for count, _ in refused.values()),
        "seconds": {str(second): of for second, of in sorted(refused.items())},
    }  # fmt: skip


def hardly_refused(requests: int, refused: int) -> bool:
    """Tell whether as many were let in below saturation as at a rate that holds."""
    return refused <= (1 - SERVED) * requests


def verdict(
    phases: Mapping[str, Mapping[str, Any]], back_s: int | None, rss_grew: float, below: Mapping[str, Any]
) -> dict[str, bool]:
    """Return what was wanted and whether it is so.

    ``rss_grew`` is the most memory ever held over that of normal load, ``below`` what became of normal load below saturation.
    """
    normal, spike = phases["normal"], phases["spike"]
    return {
        "p99 of what is served within 2 × of normal": bool(spike["served"])
        and spike["p99_ms"] <= TIMES * normal["p99_ms"],
        "every other request 429 with Retry-After": not spike["other_outcomes"]
        and not spike["refused_429_without_retry_after"],
        "memory of all processes within 1.5 × of normal": rss_grew <= MEMORY_TIMES,
        "back to normal within 10 s": back_s is not None and back_s <= BACK_WITHIN_S,
        "below saturation at most 1 % refused": hardly_refused(below["requests"], below["refused_429"]),
    }
