"""What ails the world at a moment: faults that have begun and not ended, by whom they strike. Values and a ledger of them."""

from typing import Literal

import msgspec

Kind = Literal[
    "down", "hung", "busy", "failing", "slow", "wrong", "poisoned",  # of voters and providers
    "log_slow", "log_away", "policy_away", "spend_away", "sandbox_away", "screener_blind",  # of what a replica needs
    "table_away",  # of where answers are kept
    "leases_away", "leases_slow",  # of what replicas share limits by
    "killed", "late", "clock_jump", "halt", "isolate", "invalidate",  # of replicas, their loops, clocks, policy
    "machine_off", "node_gone",  # of all that runs on the home's machine
    "loosened", "rolled_back",  # of policy that nobody may believe
    "burst", "traffic",  # of load: in a hurry, and steady with time to spare
]  # fmt: skip


GONE: frozenset[Kind] = frozenset(("machine_off", "node_gone"))
"""While these last no replica runs, and no local voter."""


class Fault(msgspec.Struct, frozen=True, order=True):
    """Something that goes wrong for a time."""

    at_s: float
    kind: Kind
    target: str
    """A voter, a provider, a replica's number or name, a key, or empty for all."""
    lasts_s: float = 0.0
    value: float = 0.0
    """How badly: share of failing calls, factor of slowness, seconds of a jump or of waiting, requests of a load."""

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.lasts_s

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:g} s" if self.lasts_s else ""
        value = f" ({self.value:g})" if self.value else ""
        return f"{self.at_s:9.3f} s  {self.target or 'everywhere'}: {self.kind}{value}{lasts}"


class Weather:
    """The faults under way."""

    def __init__(self) -> None:
        self._active: dict[str, list[Fault]] = {}
        self._since_s: dict[Kind, float] = {}

    def begin(self, fault: Fault) -> None:
        """Let a fault begin."""
        if not any(other.kind == fault.kind for active in self._active.values() for other in active):
            self._since_s[fault.kind] = fault.at_s
        self._active.setdefault(fault.target, []).append(fault)

    def end(self, fault: Fault) -> None:
        """Let it end."""
        left = self._active.get(fault.target, [])
        left.remove(fault)
        if not left:
            del self._active[fault.target]

    def of(self, *targets: str) -> list[Fault]:
        """Return the faults that strike any of the targets, or everything."""
        active = self._active
        return [fault for target in (*targets, "") for fault in active.get(target, ())] if active else []

    def worst(self, kind: Kind, *targets: str) -> Fault | None:
        """Return the worst fault of a kind that strikes any of the targets."""
        return max((f for f in self.of(*targets) if f.kind == kind), key=lambda f: f.value, default=None)

    def since_s(self, kind: Kind) -> float | None:
        """Return since when faults of a kind that strikes everything have followed each other; ``None`` if none is under way."""
        return self._since_s[kind] if self.worst(kind) is not None else None

    @property
    def names(self) -> tuple[str, ...]:
        """Return what is under way, in words, sorted."""
        return tuple(sorted({f"{f.target or 'all'}: {f.kind}" for active in self._active.values() for f in active}))
