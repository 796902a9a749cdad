"""The words deliberation is spoken in: the plan, ballots, commands, events, and how it ended. Values only.

Rules:
- A ballot is ``outstanding`` until its voter answers, ``screening`` until its code has been looked at, then ``readable`` or
  ``out``. What is ``outstanding`` or ``screening`` may yet become anything.
- Effects (asking, screening, comparing) are commands; what they bring is an event.

Left out: every rule of what follows from what (``deliberation``, ``counting``, ``choosing``).
"""

from typing import Literal

import msgspec

from actors.consensus.behaviour.compare import Comparison
from actors.consensus.pieces import Piece
from actors.consensus.reading.examples import Example
from actors.consensus.reading.kind import language_of
from actors.consensus.reading.reading import Reading
from actors.consensus.screening.findings import Screening
from actors.consensus.tally import Rule, Tally
from actors.policy.snapshot import PolicyName
from actors.spans.record import LayerOutcome, Method, VoteOutcome
from models.errors import FailureCause
from models.voter import Candidate

RUNNABLE = "code:python"
"""The kind of answer whose behaviour can be compared."""


class Seat(msgspec.Struct, frozen=True):
    """A place on the panel and who holds it."""

    voter: str
    family: str
    lineage: str
    weight_micro: int


class Plan(msgspec.Struct, frozen=True):
    """What a deliberation is about and by which rule it ends."""

    policy: PolicyName
    kind: str
    question: str
    layer: str
    seats: tuple[Seat, ...]
    spares: tuple[Seat, ...]
    isolated: frozenset[str]
    """Voters that the policy isolates: they are never asked, their seats are dissent, and a substitute is asked beside."""
    max_substitutes: int
    rule: Rule
    similarity_micro: int
    """Least similarity to a group's medoid for prose."""
    max_answer_bytes: int
    deadline_ms: int
    """When voting ends: answers that took longer are late."""
    hear_everyone: bool = False
    """Wait for every ballot although the end is certain (the caller wants to see them all)."""
    examples: tuple[Example, ...] = ()
    """What the prompt says a right answer does."""
    entry_point: str = ""
    """Name of the function that is asked for; empty if the prompt names none."""
    context: str = ""
    """Imports and helpers that the prompt gives before that function: candidates run behind them."""
    compare_ms: int = 0
    """Time kept behind the voting for comparing behaviour; 0 if nothing may run, and then forms alone are compared."""
    asked_sinks: frozenset[str] = frozenset()
    """Kinds of sinks that the prompt itself asks for: any candidate may use them."""
    schema: str = ""
    """Text of the JSON Schema that every candidate must satisfy, whoever is asked; empty without one."""
    index: int = 0
    """Place of the layer among the policy's layers."""
    saved: tuple[str, ...] = ()
    """What was saved because too much comes (``hedges``, ``voters``)."""
    barred: frozenset[str] = frozenset()
    """Digests of answers, and of their forms, that an earlier layer of this request rejected: none of them counts again."""

    @property
    def layer_ms(self) -> int:
        """Return all the time that the layer has: for voting and for comparing behind it."""
        return self.deadline_ms + self.compare_ms

    @property
    def language(self) -> str:
        """Language of the code that is asked for; empty if none is."""
        return language_of(self.kind)

    @property
    def vouched_only(self) -> bool:
        """Whether only an answer leaves of which most lineages wrote every part (``own``)."""
        return self.policy == "strict" and self.kind == RUNNABLE


BallotState = Literal["outstanding", "screening", "readable", "out"]
OPEN: tuple[BallotState, ...] = ("outstanding", "screening")


class Ballot(msgspec.Struct, frozen=True):
    """One ask and what came of it."""

    ask_id: int
    seat: Seat
    state: BallotState
    outcome: VoteOutcome | None = None
    """Set while ``out``; readable ballots learn theirs (agreed, dissented) from the tally."""
    note: str = ""
    """Short cause without content."""
    cause: FailureCause = ""
    """What the caller could change about it."""
    back_ms: int | None = None
    """When its voter is back, from the beginning of the request, if the voter or its breaker says so."""
    candidate: Candidate | None = None
    candidate_sha256: str = ""
    reading: Reading | None = None
    code: str = ""
    """The code in the answer, as it is screened and run; empty for an answer that is no code."""
    beside: tuple[Piece, ...] = ()
    """Other code in the answer, which is screened with it."""
    screening: Screening | None = None
    rejected_form: str = ""
    """Digest of the normal form of an answer that was put out."""
    latency_ms: int = 0
    replaced: bool = False
    """A substitute was asked in its place."""
    hedged: bool = False
    """A substitute was asked beside it, because it took longer than its voter nearly ever does."""
    carried: bool = False
    """The voter was asked by an earlier layer of the same request, and what came of that stands: nobody is asked twice."""


class Ask(msgspec.Struct, frozen=True):
    """Ask a voter; the answer comes back as an event with this ``ask_id``."""

    ask_id: int
    voter: str


class Cancel(msgspec.Struct, frozen=True):
    """Stop asking; nothing more is wanted of it."""

    ask_id: int


class Screen(msgspec.Struct, frozen=True):
    """Look at the code in an answer before it may count."""

    ask_id: int
    code: str
    """The code that was asked for."""
    language: str
    """Its language; empty where no code was asked for."""
    beside: tuple[Piece, ...] = ()
    """Other code in the answer, which is served with it."""


class Compare(msgspec.Struct, frozen=True):
    """Run the readable candidates and tell which of them do the same."""

    candidates: dict[int, str]
    """ask_id → code."""


class Conclude(msgspec.Struct, frozen=True):
    """The deliberation is over."""

    conclusion: "Conclusion"


Command = Ask | Cancel | Screen | Compare | Conclude


class Answered(msgspec.Struct, frozen=True):
    """A voter answered."""

    ask_id: int
    candidate: Candidate
    latency_ms: int


class Failed(msgspec.Struct, frozen=True):
    """A voter failed, refused, or answered something that is no answer."""

    ask_id: int
    outcome: VoteOutcome
    note: str
    latency_ms: int
    cause: FailureCause = ""
    retry_after_s: float | None = None
    """How long from now on the voter, or its breaker, wants to be left alone, if it says so."""


class TimedOut(msgspec.Struct, frozen=True):
    """A voter used up its own time."""

    ask_id: int
    latency_ms: int
    note: str = "no answer in time"


class Slow(msgspec.Struct, frozen=True):
    """A voter has taken longer than it nearly ever does: asking another beside it is worth it, if it can be paid for."""

    ask_id: int


class Screened(msgspec.Struct, frozen=True):
    """An answer's code has been looked at."""

    ask_id: int
    screening: Screening


class Compared(msgspec.Struct, frozen=True):
    """The candidates have been run."""

    comparison: Comparison | None
    """``None`` if the sandbox ran nothing: forms alone are compared then, and nobody wins where there are examples."""


class PolicyChanged(msgspec.Struct, frozen=True):
    """A newer policy is in force; ``isolated`` are all voters that it keeps from this panel."""

    isolated: frozenset[str]
    halted: bool


class DeadlinePassed(msgspec.Struct, frozen=True):
    """The time for voting is over, or, while behaviour is being compared, the time for that."""

    elapsed_ms: int


Event = Answered | Failed | TimedOut | Slow | Screened | Compared | PolicyChanged | DeadlinePassed


class Conclusion(msgspec.Struct, frozen=True):
    """How a layer ended. ``halted`` and ``deadline`` carry the tally as it stood."""

    outcome: LayerOutcome | Literal["halted"]
    tally: Tally
    groups: dict[int, int]
    """ask_id → group of every readable ballot."""
    method: Method
    cause: str
    own: dict[int, tuple[int, int]] = {}
    """ask_id → levels of what in its code, and in its words, is its lineage's own (``own``), where a choice depends on it."""


class State(msgspec.Struct, frozen=True):
    """Everything a deliberation knows."""

    plan: Plan
    ballots: tuple[Ballot, ...]
    spares: tuple[Seat, ...]
    substituted: int = 0
    comparing: bool = False
    """Behaviour is being compared; nothing else is waited for."""
    comparison: Comparison | None = None
    """What the last comparison found."""
    compared: frozenset[int] = frozenset()
    """Ballots that the last comparison was of."""
    conclusion: Conclusion | None = None
    sent: frozenset[int] = frozenset()
    """Asks that went out to their voters, once the ballots are closed; who was turned away on our side is not among them."""
    tie_salt: str = ""
    """What ties were broken with and inputs seeded with, in hex, once the ballots are closed."""
    earlier: tuple["State", ...] = ()
    """The layers of the same request that ended before, in the order they were tried; they have no ``earlier`` themselves."""
    began_ms: int = 0
    """When the layer began, from the beginning of the request."""
    took_ms: int = 0
    """How long it took, once that has been measured."""
