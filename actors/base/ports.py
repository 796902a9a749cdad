"""Ports that several domains share."""

from collections.abc import Mapping
from typing import Literal, Protocol

IncidentLevel = Literal["level_1_critical", "level_2_major", "level_3_minor"]


class IncidentSink(Protocol):
    """Where a domain reports what a person must know. Opening never raises into the caller's path."""

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Open an incident, or count one more occurrence of the open one with the same ``dedup_key``."""


class Notifier(Protocol):
    """Carries a message out of the system (a webhook, later mail and chat)."""

    def send(self, title: str, body: str, level: IncidentLevel) -> None:
        """Deliver, or raise ``StorageUnavailable`` after its own bounded retries."""
