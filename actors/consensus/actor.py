"""``ConsensusCoordinator``: the shell around deliberation. It asks, waits, records, looks once more, and answers.

The loop is decide (``deliberation.step``), act (ask voters, cancel them), learn (feed what came back). Nothing leaves before
its record is durable, and nothing leaves if the policy in force then forbids it.
"""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from actors.base.canonical import MICRO
from actors.base.digests import commitment
from actors.base.errors import (
    CriticalSystemFailure,
    DeadlineExceeded,
    GenerationHalted,
    NoConsensus,
    NotReady,
    Overloaded,
    PromptTooLarge,
    ScreenedOut,
    VoterUnavailable,
    WeaverGenError,
)
from actors.base.ids import new_ulid
from actors.base.patience import within
from actors.consensus.adapters.effects import Bench, Effects
from actors.consensus.causes import SANDBOX_CAUSE
from actors.consensus.choosing import ballot_outcome, choose_served
from actors.consensus.config import ConsensusConfig
from actors.consensus.deliberation import begin, recount, step
from actors.consensus.layers import following
from actors.consensus.lost import asking_again_s, was_lost_to
from actors.consensus.planning import kept_out, later_plans, make_plan, replan, usual_plan
from actors.consensus.ports import (
    Clock,
    CodeScreener,
    Committed,
    Comparer,
    ContentSink,
    DecisionLog,
    Hedges,
    Meter,
    PolicySource,
    PolicyView,
    Saving,
    WeightsSource,
)
from actors.consensus.records import Facts, build_record
from actors.consensus.request import Caller, GenerationRequest
from actors.consensus.retention.content import content_of, prompt_bytes
from actors.consensus.standing import ballots_told
from actors.consensus.summary import summary
from actors.consensus.telemetry import Began, Trace, decision_spans, span_rows, withheld_spans
from actors.consensus.vocabulary import (
    Ballot,
    DeadlinePassed,
    Event,
    Plan,
    PolicyChanged,
    Slow,
    State,
)
from actors.consensus.weights import Weights
from actors.spans.record import DecisionRecord, LayerOutcome, Promise, WriterRef
from actors.spans.span import Span
from actors.store.tenants import Tenants
from models.voter import Candidate, Voter, VoterRequest

_log = logging.getLogger("weavergen.consensus")
POLICY_LOOK_S = 0.25
"""How often a waiting deliberation looks at the policy in force."""


class Decision(msgspec.Struct, frozen=True):
    """An answer that may leave."""

    candidate: Candidate
    committed: Committed
    state: State
    prompt_tokens: int
    """Summed over every voter that answered: what the decision used."""
    completion_tokens: int
    durability: str
    facts: Facts
    trace: Trace

    def summary(self, *, explain: bool = False) -> dict[str, Any]:
        """Return the response's ``weavergen`` object."""
        return summary(self.state, self.committed, self.durability, explain=explain)


@dataclass(frozen=True, slots=True)
class Identity:
    """What records say of this system."""

    config_sha256: str
    durability: str = "local"
    log_id: str = ""
    """The log that records are promised to; empty without one."""
    merge_promise_s: int = 0
    """How long after a decision the log will hold its record."""


class ConsensusCoordinator:
    """Answers generation requests by consensus. One per gateway replica; used from one event loop."""

    def __init__(
        self, *, voters: Mapping[str, Voter], policy: PolicySource, weights: WeightsSource, log: DecisionLog, meter: Meter,
        screener: CodeScreener, comparer: Comparer, clock: Clock, config: ConsensusConfig, identity: Identity, tenants: Tenants,
        randomness: Callable[[int], bytes] = os.urandom, content: ContentSink | None = None, hedges: Hedges | None = None,
        saving: Saving | None = None, new_id: Callable[[], str] = new_ulid,
    ) -> None:  # fmt: skip
        self._bench = Bench(dict(voters), screener, comparer, clock, randomness, hedges)
        self._infos = {name: voter.info for name, voter in voters.items()}
        self._policy = policy
        self._weights = weights
        self._log = log
        self._meter = meter
        self._clock = clock
        self._config = config
        self._identity = identity
        self._content = content
        self._saving = saving
        self._randomness = randomness
        self._new_id = new_id
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._tenants = tenants
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Deliberations that have not ended."""
        return self._under_way

    def recent(self, decision_id: str) -> bytes | None:
        """Return the envelope of a decision this replica made lately."""
        return self._recent.get(decision_id)

    def tenant_pseudonym(self, tenant: str) -> str:
        """Return the name records carry for a tenant."""
        return self._tenants(tenant).pseudonym

    async def generate(
        self, request: GenerationRequest, caller: Caller, ended: Callable[[State], None] | None = None
    ) -> Decision:
        """Deliberate on one request; return the decision or raise why there is none. Cancelling cancels every ask.

        ``ended`` hears what voters were asked and answered, whatever follows from it.
        """
        view = self._view()
        self._tenants(caller.tenant)  # what cannot be recorded is said before anybody is asked
        if self._under_way >= self._config.max_concurrent:
            raise Overloaded("too many requests are under way; try again shortly")
        may_run = not self._bench.comparer.why_not()
        plan = make_plan(
            request, caller, view.snapshot, self._weights_of(view), self._infos, self._config, may_run=may_run
        )
        if self._saving is not None:
            plan = self._saving.saved(plan)
        self._under_way += 1
        began = Began(self._clock.time_ns(), self._clock.monotonic(), request.deadline_ms)
        try:
            state = await self._deliberate(plan, request, view, may_run=may_run)
            if ended is not None:
                ended(state)
            return await self._decide(state, request, caller, view, began)
        finally:
            self._under_way -= 1

    def _view(self) -> PolicyView:
        view = self._policy.current
        if view is None:
            raise NotReady("no verified policy snapshot yet; see /readyz")
        if self._halted(view):
            raise GenerationHalted("generation is halted by an operator or a detector; do not retry before it resumes")
        return view

    def weights_problem(self) -> str:
        """Return why the weights that the policy in force names cannot be used; empty if they can, or without a policy."""
        view = self._policy.current
        try:
            if view is not None:
                self._weights.weights(view.snapshot.weights.sha256)
        except WeaverGenError as error:
            return str(error)
        return ""

    def usual_plan(self) -> Plan | None:
        """Return the plan of what is usually asked, as it is now; ``None`` without a policy or its weights."""
        view = self._policy.current
        if view is None or self.weights_problem():
            return None
        return usual_plan(view.snapshot, self._weights_of(view), self._infos, self._config)

    def _weights_of(self, view: PolicyView) -> Weights:
        try:
            return self._weights.weights(view.snapshot.weights.sha256)
        except WeaverGenError as error:
            _log.error("no request can be planned: %s", error)
            raise NotReady("the weights that the policy names cannot be used; see /readyz") from error

    def _halted(self, view: PolicyView) -> bool:
        return view.halted(self._clock.monotonic())

    async def _deliberate(self, plan: Plan, request: GenerationRequest, view: PolicyView, *, may_run: bool) -> State:
        """Try one layer after the other; return the last, which decided."""
        began, seen = self._clock.monotonic(), view.snapshot.version
        tried: tuple[State, ...] = ()
        ask_next: Plan | None = plan
        while ask_next is not None:
            began_ms = self._ms_since(began) if tried else 0
            state = await self._try_layer(ask_next, request, tried, began_ms, seen)
            tried = (*tried, msgspec.structs.replace(state, earlier=(), took_ms=self._ms_since(began) - began_ms))
            ask_next = self._following(request, tried, request.deadline_ms - self._ms_since(began), may_run=may_run)
            seen = self._policy.current.snapshot.version if self._policy.current else seen
        return msgspec.structs.replace(tried[-1], earlier=tried[:-1])

    def _following(
        self, request: GenerationRequest, tried: tuple[State, ...], left_ms: int, *, may_run: bool
    ) -> Plan | None:
        """Return the plan of the layer to be asked next, ``None`` if the last one's end is the end.

        It is, too, where the weights to plan another by cannot be used: who was asked so far is told, and counts.
        """
        view, last = self._policy.current, tried[-1].conclusion
        if view is None or self._halted(view) or left_ms < 1:
            return None
        if last is not None and last.outcome == "agreed":
            return None  # nothing follows an answer: plans of the layers behind it would be made for nothing
        try:
            weights = self._weights_of(view)
        except NotReady:
            return None
        plans = later_plans(request, tried, left_ms, view.snapshot, weights, self._infos, self._config, may_run=may_run)
        return following(tried, plans)

    def _ms_since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1000)

    async def _try_layer(
        self, plan: Plan, request: GenerationRequest, earlier: tuple[State, ...], began_ms: int, seen: int
    ) -> State:
        """Deliberate in one layer to its end. ``seen`` is the policy version that it was planned by."""
        asked = VoterRequest(self._randomness(8).hex(), request.asked, request.sampling)
        effects = Effects(self._bench, asked, plan, plan.layer_ms)
        try:
            state, commands = begin(plan, earlier, began_ms)
            effects.act(commands)
            while state.conclusion is None:
                event = await self._next_event(effects, plan.layer_ms if state.comparing else plan.deadline_ms)
                if event is None or isinstance(event, Slow):
                    event, seen = self._unless_changed(state, event, effects, seen)
                if event is not None:
                    after, commands = step(state, event)
                    if not isinstance(event, Slow) or effects.affords(commands):
                        state = after
                        effects.act(commands)
            return msgspec.structs.replace(state, tie_salt=effects.salt, sent=effects.sent)
        finally:
            effects.close()

    def _unless_changed(
        self, state: State, event: Event | None, effects: Effects, seen: int
    ) -> tuple[Event | None, int]:
        """Return the event, or before it that the policy changed: whom it isolates by now is not asked beside a slow voter."""
        now = self._policy.current
        if now is None or not (self._halted(now) or now.snapshot.version != seen):
            return event, seen
        if event is not None:
            effects.events.put(event)
        return self._policy_event(state, now), now.snapshot.version

    async def _next_event(self, effects: Effects, deadline_ms: int) -> Event | None:
        """Return the next event, ``DeadlinePassed`` when time is up, or ``None`` when it is time to look at the policy."""
        if (event := effects.events.take()) is not None:
            return event
        elapsed_s = effects.elapsed_s
        left_s = deadline_ms / 1000 - elapsed_s
        if left_s <= 0:
            return DeadlinePassed(round(elapsed_s * 1000))
        return await effects.events.get(min(left_s, POLICY_LOOK_S))

    async def _decide(
        self, state: State, request: GenerationRequest, caller: Caller, view: PolicyView, began: Began
    ) -> Decision:
        """Recheck the policy, record, look once more, and only then let an answer go."""
        now = self._policy.current or view
        if now.snapshot.version != view.snapshot.version or self._halted(now):
            plan = replan(state.plan, now.snapshot, self._weights_of(now), self._infos)
            state = recount(state, plan, halted=self._halted(now))
        served = choose_served(state, state.tie_salt)
        facts = self._facts(request, caller, now, state.tie_salt)
        trace = self._trace(request, caller, facts, began)
        left_s, grace_s = began.left_s(self._clock.monotonic()), self._config.record_grace_ms / 1000
        committed = await self._commit(state, served, facts, trace, left_s if served else max(left_s, grace_s))
        self._count(state, committed.record.result, trace)
        self._keep(state, request, caller, facts)
        if served is None or served.candidate is None:
            raise _refusal(state, committed, self._identity.durability, explain=request.explain)
        await self._last_look(state, facts, trace)
        return self._decision(state, served.candidate, committed, facts, trace)

    async def _last_look(self, state: State, facts: Facts, trace: Trace) -> None:
        """Withhold a recorded answer if the policy that is in force by now forbids it."""
        view = self._policy.current
        if view is not None and view.snapshot.version == facts.snapshot.version and not self._halted(view):
            return
        counted = _rested_on(state)
        halted = view is None or self._halted(view)
        gone = frozenset() if view is None else counted & kept_out(state.plan, view.snapshot)
        if not halted and not gone:
            return
        await self._withhold(state, facts, trace)
        details = {"decision_id": facts.decision_id, "result": "withheld"}
        if halted:
            raise GenerationHalted("generation was halted before the answer left", details=details)
        raise NoConsensus("a voter that was counted has just been isolated or removed; ask again", details=details)

    async def withhold(self, decision: Decision) -> None:
        """Record that an answer does not leave after all: whoever had it to send found that it may not."""
        await self._withhold(decision.state, decision.facts, decision.trace)

    async def _withhold(self, state: State, facts: Facts, trace: Trace) -> None:
        await self._commit(state, None, facts, trace, self._config.record_grace_ms / 1000, withheld=True)
        self._meter.decided("withheld", state.plan.kind, 0.0)

    async def _commit(
        self, state: State, served: Ballot | None, facts: Facts, trace: Trace, wait_s: float, *, withheld: bool = False
    ) -> Committed:
        """Return once the record is durable. What is not within ``wait_s`` does not leave, though it may become durable."""

        def build(writer: WriterRef) -> tuple[DecisionRecord, list[Span]]:
            record = build_record(state, served, facts, writer)
            if not withheld:
                return record, decision_spans(state, trace)
            now_ms = self._clock.time_ns() // 1_000_000
            return msgspec.structs.replace(record, result="withheld", issued_at=now_ms), withheld_spans(state, trace)

        try:
            with within(wait_s):
                committed = await self._log.commit(1 if withheld else span_rows(state), build)
        except TimeoutError as error:
            self._meter.decided("deadline", state.plan.kind, 0.0)
            message = "the decision could not be recorded in time, so nothing leaves; try again later"
            raise DeadlineExceeded(message, details={"decision_id": facts.decision_id}) from error
        self._remember(facts.decision_id, committed.data)
        return committed

    def _decision(
        self, state: State, candidate: Candidate, committed: Committed, facts: Facts, trace: Trace
    ) -> Decision:  # fmt: skip
        prompt_tokens, completion_tokens = _used(state)
        return Decision(
            candidate=candidate,
            committed=committed,
            state=state,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            durability=self._identity.durability,
            facts=facts,
            trace=trace,
        )

    def _facts(self, request: GenerationRequest, caller: Caller, view: PolicyView, tie_salt: str) -> Facts:
        tenant, decision_id = self._tenants(caller.tenant), self._new_id()
        now_ms = self._clock.time_ns() // 1_000_000
        merge_by = now_ms // 1000 + self._identity.merge_promise_s
        return Facts(
            decision_id=decision_id,
            now_ms=now_ms,
            tenant=tenant.pseudonym,
            prompt_commitment=commitment(tenant.prompt_salt(decision_id), prompt_bytes(request.asked)),
            config_sha256=self._identity.config_sha256,
            snapshot=view.snapshot,
            policy_sha256=view.sha256,
            tie_salt=tie_salt,
            promise=Promise(log_id=log, merge_by=merge_by) if (log := self._identity.log_id) else None,
        )

    def _keep(self, state: State, request: GenerationRequest, caller: Caller, facts: Facts) -> None:
        """Hand over what was asked and answered, where it is wanted, and while the tenant's salt is the record's."""
        if self._content is None or not self._content.wants(caller.tenant):
            return
        decision_id = facts.decision_id
        try:
            salt = self._tenants(caller.tenant).prompt_salt(decision_id)
        except NotReady:  # which is in the log: what is on record leaves all the same
            return
        if commitment(salt, prompt_bytes(request.asked)) == facts.prompt_commitment:
            content = content_of(state, decision_id, request.asked, request.answer_kind, salt)
            self._content.put(content, lambda: self._tenants(caller.tenant).prompt_salt(decision_id) == salt)

    def _trace(self, request: GenerationRequest, caller: Caller, facts: Facts, began: Began) -> Trace:
        return Trace(
            decision_id=facts.decision_id,
            trace_id=request.trace_id or self._randomness(16),
            parent_span_id=request.parent_span_id,
            tenant=facts.tenant,
            started_ns=began.wall_ns,
            ended_ns=began.ended_ns(self._clock.monotonic()),
            model=request.model,
            end_user=self._tenants(caller.tenant).user_commitment(request.end_user or ""),
        )

    def _policy_event(self, state: State, view: PolicyView) -> PolicyChanged:
        return PolicyChanged(kept_out(state.plan, view.snapshot), self._halted(view))

    def _count(self, state: State, result: str, trace: Trace) -> None:
        self._meter.decided(result, state.plan.kind, (trace.ended_ns - trace.started_ns) / 1e9)
        for layer, ballot in ballots_told(state):
            outcome = ballot_outcome(layer, ballot)
            told = (
                "busy" if outcome == "failed" and ballot.cause == "busy" else outcome
            )  # no word on the voter's health
            self._meter.voted(ballot.seat.voter, told, ballot.latency_ms / 1000)
        if state.conclusion and state.conclusion.tally.standings:
            self._meter.supported(state.conclusion.tally.standings[0].support_micro / MICRO)

    def _remember(self, decision_id: str, data: bytes) -> None:
        self._recent[decision_id] = data
        self._recent.move_to_end(decision_id)
        while len(self._recent) > self._config.recent_decisions:
            self._recent.popitem(last=False)


def _used(state: State) -> tuple[int, int]:
    """Return the tokens of prompts and of completions, summed over every voter that answered."""
    answers = [ballot.candidate for _, ballot in ballots_told(state) if ballot.candidate is not None]
    return sum(answer.prompt_tokens for answer in answers), sum(answer.completion_tokens for answer in answers)


def _rested_on(state: State) -> set[str]:
    """Return the voters that a decision rests on: those that agreed, and where parts are vouched for whoever may have done so."""
    groups = state.conclusion.groups if state.conclusion and state.plan.vouched_only else {}
    return {b.seat.voter for b in state.ballots if b.ask_id in groups or ballot_outcome(state, b) == "agreed"}


def _refusal(state: State, committed: Committed, durability: str, *, explain: bool) -> WeaverGenError:
    """Return the error of a recorded refusal."""
    details = summary(state, committed, durability, explain=explain)
    prompt, completion = _used(state)
    details["usage"] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    result, cause = committed.record.result, _why(state)
    if result == "halted":
        return GenerationHalted("generation was halted; do not retry before it resumes", details=details)
    if result == "deadline":
        return DeadlineExceeded(f"{cause}; raise weavergen.deadline_ms or ask for a shorter answer", details=details)
    if result == "screened_out":
        put_out = next(one for one in reversed((*state.earlier, state)) if _ended_as(one, "screened_out"))
        return ScreenedOut(f"{cause} ({_notes(put_out)}); rephrase the request", details=details)
    if result == "unavailable":
        return _unavailable(state, details)
    return NoConsensus(
        f"the voters do not agree: {cause}; rephrase the request or lower its ambiguity", details=details
    )


def _why(state: State) -> str:
    """Return why the last layer did not answer, and where others were tried why none of them did."""
    layers = (*state.earlier, state)
    return _cause(state) if len(layers) == 1 else "; ".join(f"layer {one.plan.layer}: {_cause(one)}" for one in layers)


def _unavailable(state: State, details: Mapping[str, Any]) -> WeaverGenError:
    """Return why no quorum could be formed, in words that tell the caller what would help."""
    if _cause(state) == SANDBOX_CAUSE:
        return NotReady(f"{SANDBOX_CAUSE}; see /readyz, and try again later", details=details)
    layers, again_s = (*state.earlier, state), asking_again_s(state)
    if full := next((layer for layer in layers if was_lost_to(layer, "busy")), None):
        when = f"in {again_s} s" if again_s is not None and again_s > 1 else "shortly"
        message = f"too few voters had room ({_notes(full)}); try again {when}"
        return Overloaded(message, details=details, retry_after_s=again_s)
    if short := next((layer for layer in layers if was_lost_to(layer, "too_long")), None):
        return PromptTooLarge(f"the prompt is too long ({_notes(short)}); shorten it", "messages", details)
    if state.plan.policy == "direct":
        message = f"the voter gave no usable answer: {_notes(state)}"
        return VoterUnavailable(message, details=details, retry_after_s=again_s)
    causes = [f"layer {layer.plan.layer}: {_cause(layer)} ({_notes(layer)})" for layer in layers]
    return CriticalSystemFailure("; ".join(causes), details=details, retry_after_s=again_s)


def _ended_as(state: State, outcome: LayerOutcome) -> bool:
    return state.conclusion is not None and state.conclusion.outcome == outcome


def _cause(state: State) -> str:
    return state.conclusion.cause if state.conclusion else ""


def _notes(state: State) -> str:
    return "; ".join(f"{b.seat.voter}: {b.note}" for b in state.ballots if b.note) or "no voter is active"
