"""Outages of providers as histories tell them, drawn again week by week. Pure.

Rules:
- A history is weeks, each with its incidents; a replicate is as many weeks drawn with replacement (a bootstrap of blocks of a
  week), so that what clusters within a week stays together. The spread over replicates is what so short a history leaves
  open.
- Co-occurrence is the share of a provider's incidents that begin while another provider has one: with that probability an
  incident is moved into the nearest one of the first provider's. Its length and its level stay its own, so no provider
  becomes worse.
- How bad an incident is for one customer is drawn for the whole of it: with a probability by its level nothing is answered
  until it is over, else answers are slow. What persists cannot be retried away.

Left out: reading histories, and what their levels mean (``fit``).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.weather import Fault, Kind

WEEK_S = 7 * 86_400
SLOW_FACTOR = 2.0
MODES: tuple[tuple[Kind, float, float], ...] = (("down", 0.6, 0.0), ("hung", 0.25, 0.0), ("busy", 0.15, 20.0))
"""How a provider that answers nothing shows it, each with its share and its value: errors, silence, 429. Assumed."""


class Incident(msgspec.Struct, frozen=True):
    """One incident of a provider."""

    at_s: float
    """From the beginning of its week; of a replicate, from its beginning."""
    lasts_s: float
    level: int
    """As the provider reported it: 0 none, 1 minor, 2 major, 3 critical."""


Week = tuple[Incident, ...]
History = tuple[Week, ...]


def replicate(history: History, weeks: int, draws: Draws) -> list[Incident]:
    """Return the incidents of so many weeks drawn with replacement, in order of time."""
    found = [
        msgspec.structs.replace(incident, at_s=incident.at_s + week * WEEK_S)
        for week in range(weeks)
        for incident in history[draws.below(len(history), "week", week)]
    ]
    return sorted(found, key=lambda incident: incident.at_s)


def together(incidents: Sequence[Incident], anchor: Sequence[Incident], share: float, draws: Draws) -> list[Incident]:
    """Return incidents of which ``share`` begin within the nearest incident of another provider."""
    starts = [one.at_s for one in anchor]
    moved = []
    for number, incident in enumerate(incidents):
        if anchor and draws.unit("together", number) < share:
            place = bisect_left(starts, incident.at_s)
            near = min(anchor[max(place - 1, 0) : place + 1], key=lambda one: abs(one.at_s - incident.at_s))
            at_s = near.at_s + draws.unit("within", number) * near.lasts_s
            moved.append(msgspec.structs.replace(incident, at_s=at_s))
        else:
            moved.append(incident)
    return sorted(moved, key=lambda incident: incident.at_s)


def faults_of(
    provider: str, incidents: Sequence[Incident], down_share: Mapping[int, float], draws: Draws
) -> list[Fault]:
    """Return what the incidents do to one customer of the provider."""
    faults = []
    for number, incident in enumerate(incidents):
        if draws.unit("strikes", number) < down_share[incident.level]:
            kind, value = _mode(draws.unit("mode", number))
            faults.append(Fault(incident.at_s, kind, provider, incident.lasts_s, value))
        elif incident.level > 0:
            faults.append(Fault(incident.at_s, "slow", provider, incident.lasts_s, SLOW_FACTOR))
    return faults


def _mode(drawn: float) -> tuple[Kind, float]:
    for kind, share, value in MODES:
        if drawn < share:
            return kind, value
        drawn -= share
    return MODES[0][0], MODES[0][2]


def provider_faults(
    histories: Mapping[str, History], weeks: int, share: float, down_share: Mapping[int, float], draws: Draws
) -> list[Fault]:  # fmt: skip
    """Return the faults of all providers; ``share`` of the incidents of all but the first begin within one of the first's."""
    first, *others = histories
    anchor = replicate(histories[first], weeks, draws.sub(first))
    found = faults_of(first, anchor, down_share, draws.sub(first))
    for provider in others:
        own = draws.sub(provider)
        incidents = together(replicate(histories[provider], weeks, own), anchor, share, own)
        found += faults_of(provider, incidents, down_share, own)
    return found
