"""The judge of who is let in: what must hold of admission whatever goes wrong, counted apart from the books of replicas.

Rules, each with the short word that a breach of it is named by:
- ``quota``: over all replicas no key is let in more often, nor uses more tokens, than its limit within a minute.
- ``refund``: whatever a replica was given of a limit it still has, but for what voters used for answers and for whatever
  else ended after they were asked: what was refused or cancelled used nothing, and brought nothing.
- ``word``: a replica that has its share alone has left word of that in its slot's file, whatever it says itself.
- ``wait``: nobody waits longer than the line may make him.
- ``retry``: who is refused because of limits or load is told when to come again.
- ``door``: at rest nobody is inside, in line or on his way, at any replica.
- ``saved``: who wins in a panel that was cut has the quorum that policy asks for, also if all who were not asked dissent.

A minute is that of the wall clock as the replica was told it when the request came. Tokens are what voters themselves were sent
and sent back, whatever deliberation, ballots and errors say of it: a voter that was sent a prompt has read it, however often it
was tried and whether or not it answered.

Left out: what those use that a killed replica was busy with; they have no answer, and its book is gone.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actors.admission.config import AdmissionConfig, TierConfig
from actors.admission.queue import Priority
from actors.admission.quotas import MINUTE_S, Leases, Standing
from actors.base.canonical import MICRO, micro
from actors.base.errors import Overloaded, RateLimited, WeaverGenError
from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import DecisionRecord
from actors.store.auth import Principal
from cluster.simulation.voters import Sent
from models.voter import Message

TURN_TOKENS, FRAME_TOKENS = 16, 64
"""What is added to a prompt's turns and to all of it, where nobody told how long it is: as docs/decisions/029 says."""
UNNAMED = TierConfig(priority="interactive")
"""A tier that the configuration does not name: not limited."""


@dataclass(frozen=True, slots=True)
class InHand:
    """What a replica's book says that keys have left of a minute: key → requests and tokens."""

    minute: int
    standing: Standing | None
    left: Mapping[str, tuple[int, int]]
    word: int
    """The last minute that the file of its slot says is spoken for."""


class Looked(Protocol):
    """What of a replica's admission is compared with what the judge counted."""

    def inside(self) -> tuple[int, int]:
        """Return how many are inside and in line."""

    def in_hand(self) -> InHand | None:
        """Return what the book says that keys have, if that can be told now."""


@dataclass(slots=True, eq=False)
class Gate:
    """One incarnation's admission, as the judge counts it. Amounts are by key, minute, and what they are of."""

    replica: str
    given: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    used: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    inside: int = 0


@dataclass(slots=True, eq=False)
class Visit:
    """One request."""

    gate: Gate
    key: str
    tier: TierConfig
    priority: Priority
    minute: int
    came_s: float
    prompt_tokens: int
    """The most that the prompt can have."""
    sent: Sent
    was_let_in: bool = False


class AdmissionJudge:
    """Looks on."""

    def __init__(
        self, config: AdmissionConfig, slots: int, lineages: Mapping[str, str], now_s: Callable[[], float],
        breach: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._config, self._slots, self._lineages = config, slots, lineages
        self._now_s, self._breach = now_s, breach
        self._used: Counter[tuple[str, int, str]] = Counter()
        self._tiers: dict[str, TierConfig] = {}

    def leased(self, gate: Gate, leases: Leases) -> None:
        """Hear what a store gave."""
        for key, amount in leases.given.items():
            gate.given[key, leases.minute, "requests"] += amount.requests
            gate.given[key, leases.minute, "tokens"] += amount.tokens

    def came(
        self, gate: Gate, who: Principal, asked: Priority, wall_s: float, messages: Sequence[Message], sent: Sent
    ) -> Visit:
        """Hear that somebody asks; ``sent`` is what voters are going to be sent for it."""
        tier = self._config.tiers.get(who.tier) or UNNAMED
        self._tiers[who.key_id] = tier
        gate.inside += 1
        priority: Priority = "batch" if tier.priority == "batch" else asked
        longest = FRAME_TOKENS + sum(len(message.content.encode()) + TURN_TOKENS for message in messages)
        return Visit(gate, who.key_id, tier, priority, int(wall_s // MINUTE_S), self._now_s(), longest, sent)

    def let_in(self, visit: Visit) -> None:
        """Hear that his work begins."""
        visit.was_let_in = True
        self._judge_wait(visit)

    def answered(self, visit: Visit, of: Looked) -> None:
        """Hear that he has an answer."""
        self._ended(visit, _tokens(visit), of)

    def failed(self, visit: Visit, error: BaseException, of: Looked) -> None:
        """Hear that he has none."""
        if not visit.was_let_in:
            self._judge_wait(visit)
        is_decision = isinstance(error, WeaverGenError) and "decision_id" in error.details
        counts = isinstance(error, Exception) and not isinstance(error, Overloaded) and (is_decision or visit.sent)
        self._ended(visit, _tokens(visit) if counts else None, of)

    def refused(self, error: WeaverGenError) -> None:
        """Judge what a refusal says."""
        if isinstance(error, Overloaded | RateLimited) and (error.retry_after_s or 0) < 1:
            self._breach("retry", f"a refusal says not when to come again: {error}")

    def at_rest(self, gate: Gate, of: Looked) -> None:
        """Judge what is left when nothing goes on any more."""
        inside, in_line = of.inside()
        if gate.inside or inside or in_line:
            words = f"{gate.inside} on their way, {inside} inside, {in_line} in line"
            self._breach("door", f"at rest {gate.replica} has {words}")
        self._judge_book(gate, of)

    def saved(self, record: DecisionRecord, named: PolicySnapshot, saved: tuple[str, ...]) -> None:
        """Judge an answer of a panel that was cut; nothing is learned here, so that every lineage weighs the same."""
        if "voters" not in saved:
            return
        stated = next(layer for layer in named.layers if layer.name == record.layer.name)
        asked = {ballot.lineage for ballot in record.ballots}
        agreed = {ballot.lineage for ballot in record.ballots if ballot.outcome == "agreed"}
        unasked = {self._lineages[voter] for voter in stated.members if not named.isolated(voter)} - asked
        whole = len(unasked | record.tally.eligible_weight.keys())
        if len(agreed) * MICRO < micro(stated.quorum) * whole:
            words = f"{len(agreed)} of {whole} agreed, policy asks for {stated.quorum}"
            self._breach("saved", f"decision {record.id} of a cut panel: {words}")

    def _ended(self, visit: Visit, tokens: int | None, of: Looked) -> None:
        visit.gate.inside -= 1
        if tokens is not None:
            for name, amount in (("requests", 1), ("tokens", tokens)):
                visit.gate.used[visit.key, visit.minute, name] += amount
                self._used[visit.key, visit.minute, name] += amount
            self._judge_quota(visit)
        if not visit.gate.inside:
            self._judge_book(visit.gate, of)

    def _judge_quota(self, visit: Visit) -> None:
        for name, limit in _limits(visit.tier):
            used = self._used[visit.key, visit.minute, name]
            if limit is not None and used > limit:
                self._breach("quota", f"{visit.key} used {used} {name} in minute {visit.minute}, its limit is {limit}")

    def _judge_wait(self, visit: Visit) -> None:
        line, look_s = self._config.line, self._config.shedding.look_ms / 1000
        may_ms = line.max_wait_ms if visit.priority == "interactive" else line.batch_max_wait_ms
        waited_s = self._now_s() - visit.came_s
        if waited_s > may_ms / 1000 + 2 * look_s:
            self._breach("wait", f"a request of {visit.key} ({visit.priority}) waited {waited_s:.3f} s in line")

    def _judge_book(self, gate: Gate, of: Looked) -> None:
        """Compare what a replica says that keys have in hand with what it was given and what was used."""
        says = of.in_hand()
        if says is None:
            return
        if says.standing == "alone" and says.word < says.minute:
            words = f"has its share alone in minute {says.minute}, the word in its slot is {says.word}"
            self._breach("word", f"{gate.replica} {words}")
        for key, left in says.left.items():
            for (name, limit), has in zip(_limits(self._tiers[key]), left, strict=True):
                if limit is None:
                    continue
                at = key, says.minute, name
                due = self._own(limit, says.standing) + gate.given[at] - gate.used[at]
                if has != due:
                    words = f"its book says {has} {name}, what it was given less what was used is {due}"
                    self._breach("refund", f"what {gate.replica} has in hand of {key}: {words}")

    def _own(self, limit: int, standing: Standing | None) -> int:
        """Return what a replica has of a limit without a lease."""
        share = limit // self._slots
        return {"alone": share, "kept": share // 2}.get(standing or "", 0)


def _limits(tier: TierConfig) -> tuple[tuple[str, int | None], ...]:
    return ("requests", tier.requests_per_minute), ("tokens", tier.tokens_per_minute)


def _tokens(visit: Visit) -> int:
    """Return what voters read and wrote; who did not answer has read as much as the others, or as a prompt can have at most."""
    told = [each for each in visit.sent.values() if each is not None]
    read = max((prompt for prompt, _ in told), default=visit.prompt_tokens)
    return sum(map(sum, told)) + read * (len(visit.sent) - len(told))
