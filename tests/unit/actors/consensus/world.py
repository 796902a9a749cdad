"""A small world for deliberation: keys, a policy, voters that are functions, a log in memory."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import WeaverGenError
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.consensus.actor import ConsensusCoordinator
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.ports import Committed
from actors.consensus.request import Caller, GenerationRequest
from actors.consensus.screening.findings import Finding, Screening, SinkKind, Verdict
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import Plan, Seat
from actors.consensus.weights import Weights
from actors.policy.snapshot import GENESIS, Epochs, Halt, LayerRule, PolicySnapshot, WeightsRef
from actors.spans.record import DecisionRecord, WriterRef, seal
from actors.spans.span import Span
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

NOW_S = 1_800_000_000
WRITER = ulid(NOW_S * 1000, b"0123456789")
LOG_KEY = SigningKey.from_seed(bytes([4]) * 32)
Answer = Callable[[VoterRequest], Awaitable[Candidate]]


def candidate(content: str, finish_reason: str = "stop") -> Candidate:
    """Build a candidate."""
    return Candidate(content, finish_reason, prompt_tokens=3, completion_tokens=2)  # type: ignore[arg-type]


@dataclass
class Keys:
    """Keys of a log: whose checkpoints are believed, and what signs them."""

    bundle: TrustBundle
    signing: SigningKey

    def trust(self) -> TrustBundle:
        """Return what a verifier needs."""
        return self.bundle

    def key(self) -> SigningKey:
        """Return the log's key."""
        return self.signing


@dataclass
class FunctionVoter:
    """A voter that is a function."""

    info: VoterInfo
    answer: Answer
    asked: int = 0
    cancelled: int = 0

    async def ask(self, request: VoterRequest) -> Candidate:
        """Call the function and notice cancellation."""
        self.asked += 1
        try:
            return await self.answer(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def says(content: str, finish_reason: str = "stop") -> Answer:
    """Answer at once."""

    async def answer(_: VoterRequest) -> Candidate:
        return candidate(content, finish_reason)

    return answer


def raises(error: Exception) -> Answer:
    """Fail at once."""

    async def answer(_: VoterRequest) -> Candidate:
        raise error

    return answer


async def hangs(_: VoterRequest) -> Candidate:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    while not condition():  # noqa: ASYNC110 - nothing signals it; the test's own timeout bounds it
        await asyncio.sleep(0)


def voter(name: str, answer: Answer, lineage: str = "") -> FunctionVoter:
    """Build a voter whose family and lineage are its name unless said otherwise."""
    return FunctionVoter(VoterInfo(name, name, lineage or name), answer)


def snapshot(members: Sequence[str], **changes: object) -> PolicySnapshot:
    """Build a snapshot with one layer of the given members."""
    layer = LayerRule(
        name="primary",
        members=list(members),
        quorum="0.600000",
        min_lineages=2,
        min_n_eff="1.300000",
        time_share="1.000000",
    )
    base = PolicySnapshot(
        version=1,
        issued_at=NOW_S * 1000,
        prev_sha256=GENESIS,
        layers=[layer],
        voter_state=dict.fromkeys(members, "active"),
        weights=WeightsRef(sha256="0" * 64),
        thresholds={"similarity": "0.600000"},
        halt=Halt(on=False, reason="", by=""),
        screening_version="none",
        invalidation_epochs=Epochs(voter={}, rule={}, tenant={}),
        learning_frozen=False,
    )
    return msgspec.structs.replace(base, **changes)


@dataclass
class View:
    """The policy in force."""

    snapshot: PolicySnapshot
    stale: bool = False
    """Too old, where the profile then halts."""

    @property
    def sha256(self) -> str:
        """Return the snapshot's digest."""
        return self.snapshot.sha256

    def halted(self, now_s: float) -> bool:
        """Tell whether the snapshot says halt or is too old."""
        return self.snapshot.halt.on or self.stale


@dataclass
class Policy:
    """A policy source that tests change."""

    current: View | None

    def publish(self, **changes: object) -> None:
        """Put the next version in force."""
        assert self.current is not None
        old = self.current.snapshot
        self.current = View(msgspec.structs.replace(old, version=old.version + 1, prev_sha256=old.sha256, **changes))

    def halt(self) -> None:
        """Halt generation."""
        self.publish(halt=Halt(on=True, reason="test", by="test"))

    def grow_stale(self) -> None:
        """Let the snapshot in force grow too old."""
        assert self.current is not None
        self.current = View(self.current.snapshot, stale=True)

    def isolate(self, name: str) -> None:
        """Isolate a voter."""
        assert self.current is not None
        self.publish(voter_state={**self.current.snapshot.voter_state, name: "isolated"})


@dataclass
class MemoryLog:
    """A decision log in memory, signing with a certified writer key."""

    key: SigningKey
    certificate: object
    committed: list[Committed] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    on_commit: Callable[[DecisionRecord], None] = lambda _: None
    rows: int = 1

    async def commit(self, rows: int, build: Callable[[WriterRef], tuple[DecisionRecord, Sequence[Span]]]) -> Committed:
        """Build, seal and keep."""
        record, spans = build(WriterRef(id=WRITER, seq=self.rows))
        assert len(spans) == rows
        self.rows += rows
        self.spans += spans
        envelope = seal(record, self.key, self.certificate)  # type: ignore[arg-type]
        done = Committed(record, envelope, canonical_json(envelope))
        self.committed.append(done)
        self.on_commit(record)
        return done


class FixedClock:
    """A wall clock that stands still and a monotonic clock that ticks with every look."""

    def __init__(self) -> None:
        self._ticks = itertools.count()
        self.step_s = 0.001

    def time_ns(self) -> int:
        """Return the fixed time."""
        return NOW_S * 1_000_000_000

    def monotonic(self) -> float:
        """Return a later time at each look."""
        return next(self._ticks) * self.step_s


@dataclass
class CountingMeter:
    """Counts what it is told."""

    decisions: list[str] = field(default_factory=list)
    votes: list[tuple[str, str]] = field(default_factory=list)
    supports: list[float] = field(default_factory=list)

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Keep the result."""
        self.decisions.append(result)

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Keep the vote."""
        self.votes.append((voter, outcome))

    def supported(self, support: float) -> None:
        """Keep the share."""
        self.supports.append(support)


def screened(verdict: Verdict = "pass", *sinks: SinkKind) -> Screening:
    """Build what screening says of a candidate."""
    found = () if verdict == "pass" else (Finding("test-rule", "CWE-94", 1, verdict, "found"),)
    return Screening(verdict, "rules-1", found, sinks)


def comparison(vectors: Mapping[int, str], passed: Mapping[int, int] | None = None, total: int = 0) -> Comparison:
    """Build what comparing finds: ask_id → digest of its behaviour, and how many of ``total`` examples each passes."""
    passes = dict(passed or {})
    failed = frozenset(ask_id for ask_id in vectors if passes.get(ask_id, 0) < total)
    return Comparison({}, dict(vectors), {}, total, passes, failed, frozenset(), calls=10, rounds=1, complete=True)


@dataclass
class Screener:
    """Says of each code what it was told to, else that nothing was found."""

    says: dict[str, Screening | Exception] = field(default_factory=dict)
    version: str = "rules-1"

    async def screen(self, code: str, language: str) -> Screening:
        """Return or raise what was set."""
        said = self.says.get(code.strip(), screened())
        if isinstance(said, Exception):
            raise said
        return said


@dataclass
class Comparer:
    """Behaviour by a function of the code; nothing may run until there is one."""

    behaves: Callable[[Mapping[int, str]], Comparison | NotCompared] | None = None
    seeds: list[int] = field(default_factory=list)

    def why_not(self) -> str:
        """Nothing may run without a function."""
        return "" if self.behaves else "nothing runs in this test"

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Return what the function says."""
        assert self.behaves is not None
        self.seeds.append(seed)
        return self.behaves(candidates)


@dataclass
class FixedWeights:
    """The same weights whatever is asked for, or the same error."""

    value: Weights
    error: WeaverGenError | None = None

    def weights(self, sha256: str) -> Weights:
        """Return the weights."""
        if self.error is not None:
            raise self.error
        return self.value


@dataclass
class World:
    """Everything around one coordinator."""

    coordinator: ConsensusCoordinator
    voters: Mapping[str, FunctionVoter]
    policy: Policy
    weights: FixedWeights
    log: MemoryLog
    meter: CountingMeter
    clock: FixedClock
    trust: TrustBundle
    screener: Screener
    comparer: Comparer


CALLER = Caller("acme", "key1", frozenset({"strict", "evidence", "direct"}))


def request(question: str = "What is the capital of France?", **changes: object) -> GenerationRequest:
    """Build a request for consensus."""
    fields: dict[str, object] = {
        "model": "consensus",
        "messages": (Message("user", question),),
        "sampling": Sampling(max_tokens=64),
        "deadline_ms": 60_000,
    }
    return GenerationRequest(**(fields | changes))  # type: ignore[arg-type]


def plan(seats: Sequence[Seat], **changes: object) -> Plan:
    """Build a plan for a value question."""
    fields: dict[str, object] = {
        "policy": "strict",
        "kind": "value",
        "question": "What is the capital of France?",
        "layer": "primary",
        "seats": tuple(seats),
        "spares": (),
        "isolated": frozenset(),
        "max_substitutes": 2,
        "rule": Rule(600_000, 2, 1_300_000, 500_000),
        "similarity_micro": 600_000,
        "max_answer_bytes": 1000,
        "deadline_ms": 60_000,
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]
