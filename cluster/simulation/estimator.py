"""Availability without asking at every moment: which requests to send, and for which time each kind of moment stands.

Rules:
- A *stratum* is what is under way, severe faults before all others, with its age: the moment of a severe change, the time
  after it in which breakers and clients' patience still move, and what is settled. What ended with the change is told apart.
- Within a stratum the same happens whenever it comes. So requests of one stratum are counted together over all replicates, and
  a replicate is only how long it spends in each. No request stands for the hours around it.
- At every severe change requests are sent at the real load's pace. Some stretches are *runs*: the load as it is, until breakers
  know and beyond, since a request that comes alone finds breakers that have forgotten. Where severe faults of several begin to
  overlap, every first stretch is a run; of others, a given share. Of ends a share is one as long as they are news: what is back
  is not believed at once. The few requests of any other change come in its moment, and stand for no more than that.
- Milder weather is asked once a stretch, and at random. Fair weather is not asked here: it is the same for all (``fair``).

Left out: load that depends on the hour, which would weigh working hours more (histories do show more incidents then); requests
under way when something begins; what breakers cost that are open for longer than the news of a fault's end.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.fit import QUANTILES, Fitted
from cluster.simulation.questions import QUESTIONS
from cluster.simulation.weather import GONE, Fault, Kind
from cluster.simulation.world import Arrival

SEVERE: frozenset[Kind] = frozenset(
    ("down", "hung", "busy", "killed", *GONE, "log_away", "log_slow", "halt", "screener_blind", "sandbox_away")
)
BURST, RUN = 2, 200
"""Requests at a severe change, as far as they come in its moment, and of a run."""
BACKGROUND_S = 86_400.0
"""Mean time between requests that come at random in milder weather."""
AGES_S = (0.0, 1.0, 45.0)
"""From when on a severe change is its moment, news, settled. A burst is the moment; what breakers learn takes the news: of calls
that hang, time-outs come first."""
SETTLED = len(AGES_S) - 1
DEADLINE_MS = 60_000


class Stratum(msgspec.Struct, frozen=True, order=True):
    """A kind of moment."""

    names: tuple[str, ...] = ()
    """The severe faults under way, else the milder ones; none in fair weather."""
    gone: tuple[str, ...] = ()
    """Severe faults whose end is news."""
    age: int = SETTLED


FAIR = Stratum()
Timeline = dict[Stratum, float]
"""Stratum → seconds."""


class Stretch(msgspec.Struct, frozen=True):
    """Time in which nothing changes that is told of."""

    from_s: float
    until_s: float
    names: tuple[str, ...]
    gone: tuple[str, ...]
    is_news: bool
    """Something severe began or ended with it."""
    is_severe: bool

    def pieces(self) -> Iterator[tuple[Stratum, float, float]]:
        """Yield the strata that it passes through, each from when to when."""
        if not self.is_news:
            yield Stratum(self.names), self.from_s, self.until_s
            return
        edges = [*(min(self.from_s + age_s, self.until_s) for age_s in AGES_S), self.until_s]
        for age in range(SETTLED + 1):
            if edges[age] < edges[age + 1]:
                yield self._aged(age), edges[age], edges[age + 1]

    def stratum(self, at_s: float) -> Stratum:
        """Return the stratum of a moment."""
        if not self.is_news:
            return Stratum(self.names)
        return self._aged(max(age for age, since_s in enumerate(AGES_S) if at_s >= self.from_s + since_s))

    def _aged(self, age: int) -> Stratum:
        return Stratum(self.names) if age == SETTLED else Stratum(self.names, self.gone, age)


def name_of(fault: Fault) -> str:
    """Return what a fault is called: of which replica it is makes no difference."""
    whom = (
        "replica"
        if fault.kind == "killed"
        else fault.target.partition(" ")[0]
        if "replica" in fault.target
        else fault.target
    )
    return f"{whom or 'all'}: {fault.kind}"


def stretches(faults: Sequence[Fault], until_s: float) -> list[Stretch]:
    """Return the stretches that all time up to ``until_s`` falls into."""
    lasting = sorted(fault for fault in faults if fault.lasts_s > 0 and fault.at_s < until_s)
    cuts = sorted({0.0, *(t for f in lasting for t in (f.at_s, f.ends_s) if t < until_s)})
    found: list[Stretch] = []
    active: list[Fault] = []
    severe_before: tuple[str, ...] = ()
    begun = 0
    for from_s, ends_s in zip(cuts, [*cuts[1:], until_s], strict=True):
        while begun < len(lasting) and lasting[begun].at_s <= from_s:
            active.append(lasting[begun])
            begun += 1
        active = [fault for fault in active if fault.ends_s > from_s]
        severe = _names(fault for fault in active if fault.kind in SEVERE)
        names = severe or _names(active)
        gone = tuple(sorted(set(severe_before) - set(severe)))
        is_news = severe != severe_before
        if found and not is_news and found[-1].names == names:
            found[-1] = msgspec.structs.replace(found[-1], until_s=ends_s)
        elif ends_s > from_s:
            found.append(Stretch(from_s, ends_s, names, gone, is_news, bool(severe)))
        severe_before = severe
    return found


def _names(faults: "Iterator[Fault] | Sequence[Fault]") -> tuple[str, ...]:
    return tuple(sorted({name_of(fault) for fault in faults}))


def times(found: Sequence[Stretch], until_s: float, block_s: float) -> list[Timeline]:
    """Return how long each block of time, a week say, spends in each stratum."""
    blocks: list[Timeline] = [{} for _ in range(-int(-until_s // block_s))]
    for stretch in found:
        for stratum, from_s, ends_s in stretch.pieces():
            at_s = from_s
            while at_s < ends_s:
                block = min(int(at_s // block_s), len(blocks) - 1)
                end_s = ends_s if block == len(blocks) - 1 else min(ends_s, (block + 1) * block_s)
                blocks[block][stratum] = blocks[block].get(stratum, 0.0) + end_s - at_s
                at_s = end_s
    return blocks


class Sent(msgspec.Struct, frozen=True):
    """The requests of a replicate."""

    arrivals: list[Arrival]
    strata: list[Stratum]
    """Of each request, by its number."""


def sampled(found: Sequence[Stretch], fitted: Fitted, draws: Draws, run_share: float, gap_s: float) -> Sent:
    """Return the requests that tell how it goes in each stratum but fair weather. ``gap_s`` is the real load's pace."""
    arrivals: list[Arrival] = []
    strata: list[Stratum] = []
    had: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for number, stretch in enumerate(found):
        own, most = draws.sub(number), BURST
        until_s = min(stretch.until_s, stretch.from_s + AGES_S[1])
        if stretch.is_news and (stretch.names, stretch.gone) not in had:
            had.add((stretch.names, stretch.gone))
            overlap = len(stretch.names) > 1 and not stretch.gone
            if overlap or draws.unit("run", *stretch.names, *stretch.gone) < run_share:
                most, until_s = RUN, stretch.until_s
                if stretch.gone:
                    until_s = min(until_s, stretch.from_s + AGES_S[SETTLED])
        moments = list(_paced(stretch.from_s, until_s, most, gap_s, own)) if stretch.is_news else []
        if stretch.names and not stretch.is_severe:
            moments += _now_and_then(stretch, own)
        for at_s in sorted(moments):
            arrivals.append(arrival(len(arrivals), at_s, fitted, draws))
            strata.append(stretch.stratum(at_s))
    return Sent(arrivals, strata)


def _paced(from_s: float, until_s: float, most: int, gap_s: float, draws: Draws) -> Iterator[float]:
    """Yield moments from ``from_s`` on, as close to each other as the real load's."""
    at_s = from_s
    for number in range(most):
        if at_s >= until_s:
            return
        yield at_s
        at_s += draws.exponential(gap_s, "gap", number)


def _now_and_then(stretch: Stretch, draws: Draws) -> Iterator[float]:
    """Yield a moment of what is settled of a stretch, and more at random."""
    settled_s = stretch.from_s + (AGES_S[SETTLED] if stretch.is_news else 0.0)
    if settled_s >= stretch.until_s:
        return
    once_s = settled_s + draws.unit("once") * (stretch.until_s - settled_s)
    yield once_s if once_s < stretch.until_s else settled_s  # in a stretch so short that the sum is rounded to its end
    at_s, number = settled_s, 0
    while (at_s := at_s + draws.exponential(BACKGROUND_S, "background", number)) < stretch.until_s:
        yield at_s
        number += 1


def steady(until_s: float, gap_s: float, fitted: Fitted, draws: Draws) -> list[Arrival]:
    """Return every request of a steady load."""
    found: list[Arrival] = []
    at_s = draws.exponential(gap_s, "steady", 0)
    while at_s < until_s:
        found.append(arrival(len(found), at_s, fitted, draws))
        at_s += draws.exponential(gap_s, "steady", len(found))
    return found


def arrival(number: int, at_s: float, fitted: Fitted, draws: Draws) -> Arrival:
    """Return a request with its tokens and its question."""
    place = draws.below(QUANTILES, "tokens", number)
    return Arrival(
        at_s=at_s, number=number, question=draws.below(len(QUESTIONS), "question", number),
        policy="evidence" if draws.unit("policy", number) < 0.5 else "strict", deadline_ms=DEADLINE_MS,
        prompt_tokens=fitted.prompt_tokens[place], answer_tokens=min(fitted.answer_tokens[place], 512),
    )  # fmt: skip


def total(blocks: Sequence[Mapping[Stratum, float]]) -> Timeline:
    """Return how long all blocks together spend in each stratum."""
    found: Timeline = {}
    for block in blocks:
        for stratum, seconds in block.items():
            found[stratum] = found.get(stratum, 0.0) + seconds
    return found
