"""The judge: what must hold whatever goes wrong, looked at when a client would have its answer, and when all is at rest.

Rules (numbers are DESIGN's invariants); each names a breach by a short word:
- ``record`` (1): an answer's record is durable, verifies offline and says ``answered`` with this answer's digest; a refusal
  after deliberation that names a decision has a durable record that verifies.
- ``halt`` (4): nothing is answered while the policy in force has halted for longer than a poll may take.
- ``isolation`` (5): no ballot that agreed is of a voter that was isolated in the version named, or in force a poll ago.
- ``jury``: who decides after a layer that was heard is no weaker than it; the rule is the one that the policy named states;
  two lineages agreed under ``strict``.
- ``verdict`` (12): the record's ballots in another order come to the same tally.
- ``permits``: at rest no breaker waits for a permit, no voter holds an ask, no deliberation is under way.
- ``spend``: what providers billed in a day is within the cap, and so are all leases together.
- ``deadline`` (9): a request ends within its deadline and the grace for its record.
- ``once``: a decision has one record, or an answer's and its withdrawal, and a withdrawn one is not delivered.

The judge reads policy as it was published, not as a replica saw it, and counts lineages and permits itself: what is planted
in the code that decides is not planted here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from actors.base.canonical import MICRO, micro
from actors.base.digests import sha256_hex
from actors.base.errors import DeadlineExceeded, IntegrityError, WeaverGenError
from actors.consensus.actor import Decision
from actors.consensus.replay import replay_tally
from actors.consensus.verification import verify_envelope
from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import DecisionRecord, LayerRef
from cluster.simulation import authority
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import Government, SimulatedClock
from models.providers.spend import DAY_S

if TYPE_CHECKING:
    from cluster.simulation.replica import Replica

REACH_S = 1.0
"""Within which a halt or an isolation reaches every replica (CONTRACT)."""
HEARD = ("disagreed", "screened_out")


class Breach(msgspec.Struct, frozen=True):
    """A rule that did not hold."""

    rule: str
    at_s: float
    detail: str

    def __str__(self) -> str:
        return f"{self.at_s:9.3f} s  BREACH of {self.rule}: {self.detail}"


class Judge:
    """Looks on."""

    def __init__(self, settings: SiteSettings, government: Government, clock: SimulatedClock) -> None:
        self._settings = settings
        self._government = government
        self._clock = clock
        self.breaches: list[Breach] = []
        self.looked = 0
        """Outcomes that were judged."""
        self._durable: dict[bytes, None] = {}
        self._results: dict[str, list[str]] = {}
        self._policies: dict[int, PolicySnapshot] = {}
        self._billed: dict[int, int] = {}
        self._replicas: list[Replica] = []

    def breach(self, rule: str, detail: str) -> None:
        """Note a breach."""
        self.breaches.append(Breach(rule, self._clock.monotonic(), detail))

    def started(self, replica: "Replica") -> None:
        """Hear of a replica."""
        self._replicas.append(replica)

    def durable(self, envelope: bytes) -> None:
        """Hear of a record on disk."""
        self._durable[envelope] = None

    def billed(self, voter: str, cost_micro: int) -> None:  # noqa: ARG002 - one account for all
        """Hear what a provider counted."""
        day = int(self._clock.time() // DAY_S)
        self._billed[day] = self._billed.get(day, 0) + cost_micro

    def delivered(self, replica: "Replica", deadline_ms: int, took_s: float, decision: Decision) -> None:
        """Judge an answer that is about to leave."""
        self.looked += 1
        record = self._proven(decision.committed.data, "answer")
        if record is None:
            return
        if (record.result, record.answer_sha256) != ("answered", _digest(decision.candidate.content)):
            self.breach("record", f"decision {record.id} is recorded as {record.result} and is not this answer")
        if replica.is_dead:
            self.breach("once", f"a dead replica answered with decision {record.id}")
        self._judge_policy(record)
        self._judge_jury(record)
        self._judge_verdict(record)
        self._judge_time(deadline_ms, took_s)

    def refused(self, replica: "Replica", deadline_ms: int, took_s: float, error: WeaverGenError) -> None:
        """Judge a refusal."""
        self.looked += 1
        grace_s = self._settings.consensus.record_grace_ms / 1000
        self._judge_time(deadline_ms, took_s - grace_s)
        decision_id = error.details.get("decision_id")
        if decision_id is None or (isinstance(error, DeadlineExceeded) and "votes" not in error.details):
            return  # nothing was decided, or nothing could be recorded in time
        data = replica.coordinator.recent(str(decision_id))
        if data is None:
            self.breach("record", f"the refusal of decision {decision_id} is nowhere")
            return
        record = self._proven(data, "refusal")
        if record is not None and record.result == "answered":
            self.breach("record", f"decision {record.id} was refused and is recorded as answered")

    def at_rest(self, replicas: Sequence["Replica"], under_way: int) -> None:
        """Judge what is left when nothing goes on any more."""
        if under_way:
            self.breach("deadline", f"{under_way} requests never ended")
        for replica in replicas:
            if not replica.is_dead:
                self._judge_permits(replica)
        cap_micro = round(self._settings.spend_per_day_usd * MICRO)
        if cap_micro:
            self._judge_spending(cap_micro)
        for decision_id, results in self._results.items():
            if sorted(results) not in (["answered"], ["answered", "withheld"]) and len(results) > 1:
                self.breach("once", f"decision {decision_id} is recorded as {', '.join(results)}")

    def _proven(self, data: bytes, what: str) -> DecisionRecord | None:
        """Return the record of an envelope that is durable and verifies; note a breach otherwise."""
        if self._durable.pop(data, True) is not None:
            self.breach("record", f"an {what} left before its record was durable")
            return None
        try:
            record = verify_envelope(data, authority.trust(), int(self._clock.time())).record
        except IntegrityError as error:
            self.breach("record", f"the record of an {what} does not verify: {error}")
            return None
        self._results.setdefault(record.id, []).append(record.result)
        return record

    def _judge_policy(self, record: DecisionRecord) -> None:
        now_s = self._clock.monotonic()
        before, now = self._government.at(now_s - REACH_S), self._government.current
        if before.halt.on and now.halt.on:
            self.breach("halt", f"decision {record.id} was answered though generation is halted")
        named = self._government.snapshots[record.policy.version - 1]
        for ballot in record.ballots:
            if ballot.outcome != "agreed":
                continue
            if named.isolated(ballot.voter):
                self.breach(
                    "isolation", f"{ballot.voter} counts and is isolated in version {named.version}, which is named"
                )
            elif before.isolated(ballot.voter) and now.isolated(ballot.voter):
                self.breach("isolation", f"{ballot.voter} counts and was isolated more than {REACH_S:g} s ago")

    def _judge_jury(self, record: DecisionRecord) -> None:
        rule = record.layer
        named = self._government.snapshots[record.policy.version - 1]
        stated = next((layer for layer in named.layers if layer.name == rule.name), None)
        if stated is None or micro(rule.quorum) < micro(stated.quorum) or rule.min_lineages < stated.min_lineages:
            self.breach("jury", f"layer {rule.name} decided by less than version {named.version} asks for")
        if record.policy.name == "strict":
            lineages = {ballot.lineage for ballot in record.ballots if ballot.outcome == "agreed"}
            if len(lineages) < max(rule.min_lineages, 2):
                self.breach("jury", f"{len(lineages)} lineages agreed under strict")
        for tried in record.earlier:
            if tried.layer.tried[-1].outcome in HEARD and _is_weaker(tried.layer, rule):
                self.breach("jury", f"{rule.name} decided after {tried.layer.name} had not agreed, and is weaker")

    def _judge_verdict(self, record: DecisionRecord) -> None:
        turned = msgspec.structs.replace(record, ballots=record.ballots[::-1])
        once, again = replay_tally(record).tally, replay_tally(turned).tally
        if (once.winner, once.eligible) != (again.winner, again.eligible):
            self.breach("verdict", f"the ballots of decision {record.id} in another order come to another end")

    def _judge_time(self, deadline_ms: int, took_s: float) -> None:
        if took_s > deadline_ms / 1000 + 0.5:
            self.breach("deadline", f"a request of {deadline_ms} ms took {took_s:.3f} s")

    def _judge_permits(self, replica: "Replica") -> None:
        now_s = self._clock.monotonic()
        for voter, gate in replica.guards.gates.items():
            view = replica.guards.circuits.views(now_s)[voter]
            permits = self._settings.breakers.half_open_permits
            held = view.state == "half_open" and view.permits_left < permits - view.calls
            if held or any(not permit.settled for permit in gate.open):
                self.breach("permits", f"at rest {replica.name} has a permit of {voter} out ({view.state})")
            if replica.guards.voters[voter].under_way:
                self.breach("permits", f"at rest {replica.name} holds asks of {voter}")
        if replica.coordinator.under_way:
            self.breach("permits", f"at rest {replica.name} has deliberations under way")

    def _judge_spending(self, cap_micro: int) -> None:
        for day, spent in self._billed.items():
            if spent > cap_micro:
                self.breach(
                    "spend", f"${spent / MICRO:.2f} were billed on day {day}, the cap is ${cap_micro / MICRO:.2f}"
                )
        today = max((r.wallet.ledger.day for r in self._replicas if r.wallet is not None), default=0)
        leased = sum(
            r.wallet.ledger.cap_micro for r in self._replicas if r.wallet is not None and r.wallet.ledger.day == today
        )
        if leased > cap_micro:
            self.breach("spend", f"${leased / MICRO:.2f} are leased, the cap is ${cap_micro / MICRO:.2f}")


def _is_weaker(heard: LayerRef, after: LayerRef) -> bool:
    return (
        micro(after.quorum) < micro(heard.quorum)
        or after.min_lineages < heard.min_lineages
        or micro(after.min_n_eff) < micro(heard.min_n_eff)
    )


def _digest(content: str) -> str:
    return sha256_hex(content.encode("utf-8", "surrogatepass"))
