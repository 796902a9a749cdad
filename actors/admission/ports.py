"""What admission needs from its surroundings."""

from collections.abc import Mapping
from typing import Protocol

from actors.admission.quotas import Leases, Want


class LeaseStore(Protocol):
    """What all replicas know of a minute. Its calls may block."""

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Join a minute, if that was not done, and lease; raise ``StorageUnavailable`` if nothing was noted for certain.

        Raise ``OutcomeUnknown`` if it cannot be told whether it was. Word that the share is spoken for is left before either.
        """

    def has_share(self, minute: int) -> bool:
        """Tell whether a slot's share of a minute is this replica's alone, whoever dies and whoever comes after it.

        Word of that is left, the share was put nowhere, and nobody before this replica can have used it.
        """

    @property
    def waits(self) -> bool:
        """Whether the share is left alone for now, because word of it is of a clock that was ahead."""

    def begin_anew(self) -> None:
        """Be another replica from now on, which has joined no minute and has nothing in hand: the clock went back."""

    def close(self) -> None:
        """Let go of the slot."""


class OutcomeUnknown(Exception):
    """A store was asked and nobody knows whether it did it."""
