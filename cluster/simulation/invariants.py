"""The judge: what must hold whatever goes wrong, looked at when a client would have its answer, and when all is at rest.

Rules, each with the short word that a breach of it is named by:
- ``record``: an answer's record is durable, verifies offline and says ``answered`` with this answer's digest; a refusal after
  deliberation that names a decision has a durable record that verifies.
- ``jury``: who decides after a layer that was heard is no weaker than it; the rule is the one that the policy named states;
  two lineages agreed under ``strict``.
- ``verdict``: the record's ballots in another order (the panel's, and its substitutes') come to the same tally.
- ``permits``: at rest no breaker waits for a permit, no voter holds an ask, no deliberation is under way.
- ``spend``: what providers billed in a day is within the cap, and all leases together are within what is noted of them.
- ``deadline``: a request ends within its deadline and the grace for its record.
- ``asks``: no voter is asked more often for one request than once in each of its layers and as often again as may be retried.
- ``once``: a decision has one record, or an answer's and its withdrawal, and a withdrawn one is not delivered.

What must hold of policy, of what is screened, run and told, of admission and of voters' limits is judged beside
(``policy_judge``, ``content_judge``, ``admission_judge``, ``limits_judge``), and of what is served again (``replay_judge``).

What only has to be counted is looked at whenever time goes on as well (``step``), so that what is broken and healed before a
client has an answer is seen: at no replica more permits out of a voter than asks under way, more asks or requests than may be,
and no more leased than the cap.

The judge reads policy as it was published, not as a replica saw it, and counts lineages and permits itself: what is planted
in the code that decides is not planted here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from actors.base.canonical import MICRO, micro
from actors.base.digests import sha256_hex
from actors.base.errors import DeadlineExceeded, GenerationHalted, IntegrityError, WeaverGenError
from actors.consensus.actor import Decision
from actors.consensus.replay import replay_tally
from actors.consensus.verification import verify_envelope
from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import DecisionRecord, LayerRef, read_envelope
from actors.spans.span import Span
from cluster.simulation import authority
from cluster.simulation.admission_judge import AdmissionJudge
from cluster.simulation.content_judge import ContentJudge
from cluster.simulation.limits_judge import LimitsJudge
from cluster.simulation.policy_judge import PolicyJudge
from cluster.simulation.replay_judge import ReplayJudge
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import Government, SimulatedClock
from models.providers.spend import DAY_S, SpendLedger
from serve_apps.gateway.idempotency import Replayed
from serve_apps.gateway.spending import Leased

if TYPE_CHECKING:
    from cluster.simulation.replica import Replica

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
        self._clock = clock
        self.breaches: list[Breach] = []
        self.policy = PolicyJudge(settings, government, clock.monotonic, self.breach)
        self.content = ContentJudge(clock.monotonic, self.breach)
        self.admission: AdmissionJudge | None = None
        self.limits: LimitsJudge | None = None
        if settings.admission is not None:
            lineages = {one.info.id: one.info.lineage for one in settings.characters}
            self.admission = AdmissionJudge(settings.admission, settings.slots, lineages, clock.monotonic, self.breach)
            bulkhead = settings.breakers.bulkhead.max_calls
            self.limits = LimitsJudge(settings.admission.concurrency, bulkhead, clock.monotonic, self.breach)
        self._layers = Counter(voter for layer in settings.layers for voter in layer.members)
        self.replay = ReplayJudge(government, self.policy, clock.monotonic, self.breach)
        self._keeps_answers = settings.idempotency is not None
        self._stepped: set[tuple[str, str]] = set()
        """What was noted while it went on: it is noted once."""
        self.looked = 0
        """Outcomes that were judged."""
        self._durable: dict[bytes, None] = {}
        self._results: dict[str, list[str]] = {}
        self._billed: dict[int, int] = {}
        self._replicas: list[Replica] = []
        self._latest_s = 0.0
        """Of the wall clock, wherever it jumped: a verifier's clock is not set back."""

    @property
    def decisions(self) -> tuple[str, ...]:
        """Ids of the decisions on record."""
        return tuple(self._results)

    def breach(self, rule: str, detail: str) -> None:
        """Note a breach."""
        self.breaches.append(Breach(rule, self._clock.monotonic(), detail))

    def started(self, replica: "Replica") -> None:
        """Hear of a replica."""
        self._replicas.append(replica)

    def durable(self, spans: Sequence[Span]) -> None:
        """Hear of rows on disk."""
        envelopes = {span.record: read_envelope(span.record) for span in spans if span.record}
        for data, envelope in envelopes.items():
            self._durable[data] = None
            record = envelope.read()
            self._results.setdefault(record.id, []).append(record.result)
            if self._keeps_answers:
                self.replay.durable(data, record)
        self.content.written(spans, [envelope.payload_bytes for envelope in envelopes.values()])

    def billed(self, began_s: float, cost_micro: int) -> None:
        """Hear what a provider counted for a call that began at that time (Unix seconds)."""
        day = int(began_s // DAY_S)
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
        if "withheld" in self._results.get(record.id, ()):
            self.breach("once", f"decision {record.id} was withheld and is delivered")
        self.content.recorded(record, self._clock.monotonic() - took_s)
        named = self.policy.named(record)
        if named is None:
            return
        self.policy.answered(record, named)
        self._judge_jury(record, named)
        self._judge_verdict(record)
        self._judge_time(deadline_ms, took_s)
        if self.admission is not None:
            self.admission.saved(record, named, decision.state.plan.saved)

    def replayed(self, replica: "Replica", deadline_ms: int, took_s: float, replayed: Replayed) -> None:
        """Judge an answer that is about to leave again."""
        self.looked += 1
        if replica.is_dead:
            self.breach("once", "a dead replica served an answer again")
        record = self.replay.again(replayed, self._now_s())
        if record is not None and (named := self.policy.named(record)) is not None:
            self.policy.answered(record, named)
        self._judge_time(deadline_ms, took_s)

    def refused(self, replica: "Replica", deadline_ms: int, took_s: float, error: WeaverGenError) -> None:
        """Judge a refusal."""
        self.looked += 1
        grace_s = self._settings.consensus.record_grace_ms / 1000
        self._judge_time(deadline_ms, took_s - grace_s)
        began_s = self._clock.monotonic() - took_s
        self.content.told(error)
        if isinstance(error, GenerationHalted):
            self.policy.halted(began_s)
        if self.admission is not None:
            self.admission.refused(error)
        decision_id = error.details.get("decision_id")
        if decision_id is None or (isinstance(error, DeadlineExceeded) and "votes" not in error.details):
            return  # nothing was decided, or nothing could be recorded in time
        if error.details.get("result") == "withheld" and not self.replay.was_withheld(str(decision_id)):
            return  # an answer that left before, or may have, and may leave no more: its record is no refusal
        data = replica.coordinator.recent(str(decision_id))
        if data is None:
            self.breach("record", f"the refusal of decision {decision_id} is nowhere")
            return
        record = self._proven(data, "refusal")
        if record is None:
            return
        self.content.recorded(record, began_s)
        self.policy.named(record)
        if record.result == "answered":
            self.breach("record", f"decision {record.id} was refused and is recorded as answered")

    def asked(self, tries: Mapping[str, int]) -> None:
        """Judge how often each voter was asked for one request that has ended."""
        for voter, layers in self._layers.items():
            count, most = tries.get(voter, 0), layers * (1 + self._settings.breakers.retries.max_retries)
            if count > most:
                self.breach("asks", f"{voter} was asked {count} times for one request, {most} are the most")

    def at_rest(self, replicas: Sequence["Replica"], under_way: int, note: bytes | None) -> None:
        """Judge what is left when nothing goes on any more; ``note`` is that of what was leased, if there is one."""
        if under_way:
            self.breach("deadline", f"{under_way} requests never ended")
        for replica in replicas:
            if not replica.is_dead:
                self._judge_permits(replica)
            if replica.admission is not None:
                replica.admission.rest()
            if replica.answers is not None and not replica.is_dead and replica.answers.waiting:
                self.breach("permits", f"at rest {replica.answers.waiting} wait for their like at {replica.name}")
        cap_micro = round(self._settings.spend_per_day_usd * MICRO)
        if cap_micro:
            self._judge_spending(cap_micro, note)
        for decision_id, results in self._results.items():
            if sorted(results) not in (["answered"], ["answered", "withheld"]) and len(results) > 1:
                self.breach("once", f"decision {decision_id} is recorded as {', '.join(results)}")

    def step(self, replicas: Sequence["Replica"]) -> None:
        """Judge what can be counted, whenever time goes on."""
        most, places = self._settings.breakers.bulkhead.max_calls, self._settings.consensus.max_concurrent
        for replica in replicas:
            if replica.is_dead:
                continue
            for voter, gate in replica.guards.gates.items():
                asks = replica.guards.voters[voter].under_way
                if len(gate.open) > asks:
                    self._noted(
                        "permits", f"{replica.name} has {len(gate.open)} permits of {voter} out for {asks} asks"
                    )
                if asks > most:
                    self._noted("bulkhead", f"{replica.name} has {asks} asks of {voter} under way, {most} may be")
            if replica.coordinator.under_way > places:
                self._noted("door", f"{replica.name} deliberates on more than {places} requests at once")
        cap_micro = round(self._settings.spend_per_day_usd * MICRO)
        if cap_micro:
            # As it lies there: whoever asks for today's ledger begins a new one when the day is over.
            held = [one.wallet._ledger for one in self._replicas if one.wallet is not None]  # noqa: SLF001
            leased = _leased(held, 0)[1]
            if leased > cap_micro:
                self._noted("spend", f"{_usd(leased)} are leased, the cap is {_usd(cap_micro)}")

    def _noted(self, rule: str, detail: str) -> None:
        """Note a breach that goes on, once."""
        about = rule, detail.partition(" ")[0] + detail.partition(" ")[2].partition(" ")[0]
        if about not in self._stepped:
            self._stepped.add(about)
            self.breach(rule, detail)

    def _proven(self, data: bytes, what: str) -> DecisionRecord | None:
        """Return the record of an envelope that is durable and verifies; note a breach otherwise."""
        if self._durable.pop(data, True) is not None:
            self.breach("record", f"an {what} left before its record was durable")
            return None
        try:
            record = verify_envelope(data, authority.trust(), self._now_s()).record
        except IntegrityError as error:
            self.breach("record", f"the record of an {what} does not verify: {error}")
            return None
        return record

    def _now_s(self) -> int:
        self._latest_s = max(self._latest_s, self._clock.time())
        return int(self._latest_s)

    def _judge_jury(self, record: DecisionRecord, named: PolicySnapshot) -> None:
        rule = record.layer
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
        seated, stood_by = record.ballots[: record.layer.panel], record.ballots[record.layer.panel :]
        turned = msgspec.structs.replace(record, ballots=[*seated[::-1], *stood_by[::-1]])
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

    def _judge_spending(self, cap_micro: int, note: bytes | None) -> None:
        for day, spent in self._billed.items():
            if spent > cap_micro:
                self.breach("spend", f"{_usd(spent)} were billed on day {day}, the cap is {_usd(cap_micro)}")
        noted = msgspec.json.decode(note, type=Leased) if note is not None else Leased(0, 0)
        ledgers = [replica.wallet.ledger for replica in self._replicas if replica.wallet is not None]
        today, leased = _leased(ledgers, noted.day)
        known = noted.micro if noted.day == today else 0
        if leased > min(known, cap_micro):
            words = f"{_usd(leased)} are leased, {_usd(known)} of that are on the note, the cap is {_usd(cap_micro)}"
            self.breach("spend", words)


def _leased(ledgers: Sequence[SpendLedger], day: int) -> tuple[int, int]:
    """Return the latest day that anybody leased for, ``day`` or later, and what all leased for it."""
    today = max([day, *(ledger.day for ledger in ledgers)])
    return today, sum(ledger.cap_micro for ledger in ledgers if ledger.day == today)


def _usd(micro_usd: int) -> str:
    return f"${micro_usd / MICRO:.3f}"


def _is_weaker(heard: LayerRef, after: LayerRef) -> bool:
    return (
        micro(after.quorum) < micro(heard.quorum)
        or after.min_lineages < heard.min_lineages
        or micro(after.min_n_eff) < micro(heard.min_n_eff)
    )


def _digest(content: str) -> str:
    return sha256_hex(content.encode("utf-8", "surrogatepass"))
