"""What the coordinator needs from its surroundings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.retention.content import Content
from actors.consensus.screening.findings import Screening
from actors.consensus.vocabulary import Plan
from actors.consensus.weights import Weights
from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import DecisionRecord, Envelope, WriterRef
from actors.spans.span import Span


class PolicyView(Protocol):
    """The policy in force as a replica sees it now."""

    @property
    def snapshot(self) -> PolicySnapshot:
        """The newest verified snapshot."""

    @property
    def sha256(self) -> str:
        """Digest of the snapshot, computed once."""

    def halted(self, now_s: float) -> bool:
        """Tell whether nothing may leave at ``now_s`` (monotonic): halted, or stale where the profile then halts."""


class PolicySource(Protocol):
    """Where the policy in force is read; reading is a plain attribute access."""

    @property
    def current(self) -> PolicyView | None:
        """The view, or ``None`` while no snapshot could be verified."""


class WeightsSource(Protocol):
    """Finds the weights file a snapshot names."""

    def weights(self, sha256: str) -> Weights:
        """Return the weights; raise ``WeaverGenError`` if the file is missing or is not the one named."""


BROKEN = ("scanner-error", "scanner-blind", "scanner-busy")
"""Rules of findings that tell of the screener, not of the code."""


class CodeScreener(Protocol):
    """Looks at code before it may count. Blind or broken, it rejects."""

    @property
    def version(self) -> str:
        """The version of its rules, which records name."""

    async def screen(self, code: str, language: str) -> Screening:
        """Return what was found; never raises for any code."""


class Comparer(Protocol):
    """Runs candidates where they can harm nothing and tells which do the same."""

    def why_not(self) -> str:
        """Return why nothing may run now; empty if it may."""

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Compare candidates (ask_id → code) within ``deadline_s`` seconds; ``seed`` decides which inputs are tried."""


class Committed(msgspec.Struct, frozen=True):
    """A decision that is durable."""

    record: DecisionRecord
    envelope: Envelope
    data: bytes
    """The envelope's canonical bytes."""


class DecisionLog(Protocol):
    """Makes decisions durable before anything leaves."""

    async def commit(self, rows: int, build: Callable[[WriterRef], tuple[DecisionRecord, Sequence[Span]]]) -> Committed:
        """Build, sign and write a record with its spans (root first); return once it is durable."""


class ContentSink(Protocol):
    """Keeps what was asked and answered; never raises, never blocks."""

    def wants(self, tenant: str) -> bool:
        """Tell whether a tenant's content is kept."""

    def put(self, content: Content, still: Callable[[], bool]) -> None:
        """Keep the content of a decision that is on record, unless its salt is in force no more when it is written."""


class Hedges(Protocol):
    """Knows when asking another voter beside a slow one is worth it."""

    def due_s(self, voter: str, left_s: float) -> float | None:
        """Return how long after its ask a voter is slow, ``left_s`` being left of the time for voting; ``None`` for never."""

    def pay(self) -> bool:
        """Take what one more ask costs from the budget; false if there is too little."""


class Saving(Protocol):
    """Saves what a plan can do without while too much comes."""

    def saved(self, plan: Plan) -> Plan:
        """Return a plan that costs less and lets nobody win who would not have won by this one; itself if nothing is saved."""


class Meter(Protocol):
    """Counts what happened; never raises, never blocks."""

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """One deliberation ended."""

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """One ballot is on record."""

    def supported(self, support: float) -> None:
        """One tally ended: its strongest group had this share of the weight, 0 to 1, whether it won or not."""


class Clock(Protocol):
    """Wall and monotonic time."""

    def time_ns(self) -> int:
        """Return Unix nanoseconds."""

    def monotonic(self) -> float:
        """Return seconds that only rise."""
