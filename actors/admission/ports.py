"""What admission needs from its surroundings."""

from collections.abc import Mapping
from typing import Protocol

from actors.admission.quotas import Leases, Want


class LeaseStore(Protocol):
    """What all replicas know of a minute. Its calls may block."""

    @property
    def alone_from(self) -> int | None:
        """The first minute in which this replica may have its slot's share without asking; ``None`` while it holds no slot.

        No share of that minute can have been given away as a vacant slot's.
        """

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join a minute, if that was not done, and lease; raise ``StorageUnavailable`` if nothing was noted for certain.

        Raise ``OutcomeUnknown`` if it cannot be told whether it was.
        """

    def stood_alone(self, minute: int) -> None:
        """Leave word, for whoever takes over this replica's slot, that its share of a minute may be used up."""

    def close(self) -> None:
        """Let go of the slot."""


class OutcomeUnknown(Exception):
    """A store was asked and nobody knows whether it did it."""
