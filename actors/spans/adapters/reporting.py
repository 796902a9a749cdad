"""Incidents that last: what is found again at every tick is said at most once a minute."""

from collections.abc import Mapping

from actors.base.ports import IncidentSink

AGAIN_AFTER_S = 60.0
"""How soon the same is said again."""


class Reports:
    """Opens this domain's incidents."""

    def __init__(self, incidents: IncidentSink) -> None:
        self._incidents = incidents
        self._said: dict[str, float] = {}
        """Deduplication key → when it was said last (steady); only what is younger than ``AGAIN_AFTER_S``."""

    def open(self, kind: str, evidence: Mapping[str, str], about: str) -> None:
        """Open an incident about something, or count one more occurrence."""
        self._incidents.open(kind, "level_2_major", evidence, f"{kind}/{about}")

    def lasting(self, kind: str, evidence: Mapping[str, str], about: str, steady_s: float) -> bool:
        """Open an incident unless the same was said within the minute; tell whether it was said."""
        self._said = {said: at_s for said, at_s in self._said.items() if steady_s - at_s < AGAIN_AFTER_S}
        key = f"{kind}/{about}"
        if key in self._said:
            return False
        self._said[key] = steady_s
        self.open(kind, evidence, about)
        return True
