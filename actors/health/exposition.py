"""Reads metrics in Prometheus' text format: the queue's level, and voters' ballots over a window. Pure.

Counters are compared series by series, each a process's own: one that began again counts from zero, and one that is gone
takes nothing back.
"""

import re
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from actors.health.monitors import Ballots, Unread

_LINE = re.compile(r"^(weavergen_\w+)(?:\{(.*)\})? ([0-9.eE+\-]+|\+?Inf|NaN)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
UNDER_WAY = "weavergen_under_way"
WAITING, LIMIT = "weavergen_admission_waiting", "weavergen_admission_limit"
VOTES = "weavergen_votes_total"
SECONDS, TIMED = "weavergen_vote_seconds_sum", "weavergen_vote_seconds_count"

Labels = tuple[tuple[str, str], ...]
Page = Mapping[tuple[str, Labels], float]


def parse(text: str) -> Page:
    """Return (name, labels) → value of every series of ours; lines that are none are left out."""
    found: dict[tuple[str, Labels], float] = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            labels = tuple(sorted((name, value) for name, value in _LABEL.findall(match[2] or "")))
            found[match[1], labels] = float(match[3])
    return found


def queue_level(page: Page, capacity: int) -> float | Unread:
    """Return requests under way and in line as a share of what the replicas take now, 1 at most.

    A replica takes what it says, as it sheds load (``admission``), else ``capacity``.
    """
    under_way = {labels: value for (name, labels), value in page.items() if name == UNDER_WAY}
    if not under_way:
        return Unread("no replica publishes how many deliberations are under way")
    waiting = sum(page.get((WAITING, labels), 0.0) for labels in under_way)
    taken = sum(page.get((LIMIT, labels), float(capacity)) for labels in under_way)
    return min(1.0, (sum(under_way.values()) + waiting) / taken)


@dataclass(frozen=True, slots=True)
class _Dated:
    at_s: float
    page: Page


class BallotWindow:
    """The ballots of the last ``window_s``, as the difference of two pages."""

    def __init__(self, window_s: float, pages: int) -> None:
        self._window_s = window_s
        self._pages: deque[_Dated] = deque(maxlen=pages)

    def add(self, at_s: float, page: Page) -> None:
        """Take a page; ``at_s`` is on the steady clock."""
        kept = {key: value for key, value in page.items() if key[0] in (VOTES, SECONDS, TIMED)}
        self._pages.append(_Dated(at_s, kept))
        while len(self._pages) > 2 and self._pages[1].at_s <= at_s - self._window_s:
            self._pages.popleft()

    def voters(self) -> dict[str, Ballots]:
        """Return what each voter did between the oldest page and the newest; nothing before there are two."""
        if len(self._pages) < 2:
            return {}
        before, now = self._pages[0].page, self._pages[-1].page
        outcomes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for (name, labels), value in now.items():
            then = before.get((name, labels), 0.0)
            grown = value - then if value >= then else value
            known = dict(labels)
            if (voter := known.get("voter")) is None or grown <= 0:
                continue
            if name == VOTES:
                outcomes[voter][known.get("outcome", "")] += grown
            else:
                sums[voter][name] += grown
        return {
            voter: Ballots(dict(outcomes[voter]), sums[voter][TIMED], sums[voter][SECONDS])
            for voter in sorted(set(outcomes) | set(sums))
        }
