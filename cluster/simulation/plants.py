"""Bugs to plant in the code that decides, for the time of a search, to see whether the judge finds them.

Each swaps one production function for a broken one. They prove the simulator, as canaries prove a scanner; nothing else uses
them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import msgspec

from actors.admission.adapters.leases import SharedLeases
from actors.admission.brownout import _weight
from actors.admission.door import Door
from actors.admission.idempotency import Held, judge
from actors.admission.idempotency import Verdict as Idempotent
from actors.admission.queue import Priority, Ticket
from actors.admission.quotas import Book, Leases, Note, Reserved
from actors.base.certificates import SignedCertificate
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.consensus.adapters.guarded import GuardedVoter
from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.vocabulary import Moves, Permit, Verdict
from actors.consensus.deliberation import _screened
from actors.consensus.planning import plan_layer
from actors.consensus.request import GenerationRequest
from actors.consensus.screening.findings import Screening
from actors.consensus.standing import ballots_told
from actors.consensus.telemetry import Trace, decision_spans
from actors.consensus.vocabulary import Command, Plan, Screened, State
from actors.policy.acceptance import Vouched
from actors.policy.adapters.watcher import PolicyView
from actors.policy.snapshot import PolicySnapshot
from actors.spans.record import DecisionRecord, Envelope, seal
from actors.spans.span import Span
from serve_apps.gateway.admission import VoterLimit

Swap = tuple[str, Any]
"""Where, by import path, and what is put there."""
_judge = judge
_settle = Breaker.settle
_leave = Door.leave
_refund = Book.refund
_answered = Book.answered
_write = SharedLeases._write  # noqa: SLF001 - what a plant stands for


def _nobody(*_: object) -> frozenset[str]:
    return frozenset()


def _leaky(self: Breaker, permit: Permit, verdict: Verdict, now_s: float, retry_after_s: float | None = None) -> Moves:
    if verdict != "says_nothing":
        return _settle(self, permit, verdict, now_s, retry_after_s)
    permit.settled = True
    return ()


async def _no_last_look(*_: object) -> None:
    return None


def _forged(record: DecisionRecord, key: SigningKey, certificate: SignedCertificate) -> Envelope:  # noqa: ARG001
    return seal(record, SigningKey.from_seed(bytes(32)), certificate)


def _twice(self: Book, held: Reserved) -> None:
    _refund(self, held)
    _refund(self, held)


def _loses(self: Book, leases: Leases) -> None:
    _answered(self, msgspec.structs.replace(leases, given={}))


def _stays(self: Door, priority: Priority, key: str, took_s: float | None, *, has_ended: bool) -> Ticket | None:
    return None if took_s is None else _leave(self, priority, key, took_s, has_ended=has_ended)


def _forgets(self: SharedLeases, note: Note) -> None:
    _write(self, msgspec.structs.replace(note, leased={}))


def _answers_alone(state: State, _: GenerationRequest) -> int:
    answers = [ballot.candidate for _, ballot in ballots_told(state) if ballot.candidate is not None]
    return sum(answer.prompt_tokens + answer.completion_tokens for answer in answers)


def _a_fifth(plan: Plan) -> int:
    return _weight(plan.seats) // 5


def _bulkhead(self: GuardedVoter) -> int:
    return self._config.bulkhead.max_calls


def _lowest(self: VoterLimit) -> int:
    now = self._gradient.limit
    before: int = self.__dict__.get("lowest", now)
    self.__dict__["lowest"] = lowest = min(now, before)
    return lowest


def _let_in(state: State, event: Screened) -> tuple[State, list[Command]]:
    passes = msgspec.structs.replace(event.screening, verdict="pass", sinks=())
    return _screened(state, msgspec.structs.replace(event, screening=passes))


def _passes(_pieces: object, screenings: Sequence[Screening]) -> Screening:
    return Screening("pass", screenings[0].version)


def _harmless(_rule: str, _message: str, version: str) -> Screening:
    return Screening("pass", version)


def _runs_all(*planned: Any, may_run: bool) -> Plan:  # noqa: ANN401, ARG001 - whatever it takes
    return plan_layer(*planned, may_run=True)


def _said(state: State) -> str:
    return "; ".join(ballot.candidate.content for _, ballot in ballots_told(state) if ballot.candidate is not None)


def _telling(state: State, trace: Trace) -> list[Span]:
    root, *others = decision_spans(state, trace)
    return [msgspec.structs.replace(root, attributes={**root.attributes, "answers": _said(state)}), *others]


def _believed(_current: PolicySnapshot | None, vouched: Vouched, _floor: int = 0) -> PolicySnapshot:
    return vouched.snapshot


def _never_confirmed(self: PolicyView, now_s: float, *, confirmed: bool) -> PolicyView:  # noqa: ARG001 - as production's
    return replace(self, stale=self._is_stale(now_s))


def _no_words(*_: object) -> str:
    return ""


def _claimable(
    held: Held | None, request: str, now_ms: int, given_up: Held | None = None, *, passed_ms: int | None = None
) -> Idempotent:
    found = _judge(held, request, now_ms, given_up, passed_ms=passed_ms)
    return "claim" if found == "replay" else found


def _sealed_for_good(*_: object) -> bytes:
    raise IntegrityError("the kept answer does not open", "seal")


def _soon(*_: object, **__: object) -> float:
    return 0.05


def _yes(*_: object) -> bool:
    return True


def _no(*_: object) -> bool:
    return False


def _nothing(*_: object) -> None:
    return None


PLANTS: Mapping[str, tuple[Swap, ...]] = {
    "drop the isolation check": (
        ("actors.consensus.planning.kept_out", _nobody), ("actors.consensus.actor.kept_out", _nobody),
    ),
    "isolation is not looked at last": (("actors.consensus.actor.ConsensusCoordinator._last_look", _no_last_look),),
    "leak a permit": (("actors.consensus.breakers.breaker.Breaker.settle", _leaky),),
    "forget the halt": (("actors.consensus.actor.ConsensusCoordinator._halted", _no),),
    "weaker jury": (("actors.consensus.layers._is_no_weaker", _yes),),
    "unsigned record": (("actors.consensus.adapters.decision_log.seal", _forged),),
    "lease twice": (("actors.admission.adapters.leases.SharedLeases._write", _forgets),),
    "word never left": (("actors.admission.adapters.home_slots.HomeSlots._write", _nothing),),
    "lose a lease": (("actors.admission.quotas.Book.answered", _loses),),
    "a word that is never waited out": (("actors.admission.adapters.home_slots.HomeSlots.overdue", _nobody),),
    "forget a refund": (("actors.admission.quotas.Book.refund", _nothing),),
    "refund twice": (("actors.admission.quotas.Book.refund", _twice),),
    "who did not answer read nothing": (("serve_apps.gateway.admission.used_tokens", _answers_alone),),
    "cut below policy": (("actors.admission.brownout._needed", _a_fifth),),
    "leak a door slot": (("actors.admission.door.Door.leave", _stays),),
    "forget the learnt limit": (("actors.consensus.adapters.guarded.GuardedVoter.limit", property(_bulkhead)),),
    "a limit that only falls": (("serve_apps.gateway.admission.VoterLimit.limit", property(_lowest)),),
    "let in what is refused": (("actors.consensus.deliberation._screened", _let_in),),
    "screening passes everything": (("actors.consensus.adapters.effects.joined", _passes),),
    "a blind screener passes": (("cluster.simulation.replica.refusal", _harmless),),
    "run without a sandbox": (("actors.consensus.planning.plan_layer", _runs_all),),
    "answers in a span": (("actors.consensus.actor.decision_spans", _telling),),
    "answers in a refusal": (("actors.consensus.actor._notes", _said),),
    "machines may loosen": (("actors.policy.acceptance.is_tighter", _yes),),
    "go back to an old policy": (("actors.policy.acceptance.follow", _believed),),
    "stale for ever": (("actors.policy.adapters.watcher.PolicyView.at", _never_confirmed),),
    "retry without end": (
        ("actors.consensus.adapters.guarded.retry_wait_s", _soon), ("actors.consensus.breakers.circuits.Circuits.panics", _yes),
    ),
    "replay without objection": (("serve_apps.gateway.idempotency.objection", _no_words),),
    "a kept answer is worked on again": (("actors.admission.adapters.kept_answers.judge", _claimable),),
    "what was kept never opens": (("serve_apps.gateway.idempotency.unseal", _sealed_for_good),),
    "lost lease": (("serve_apps.gateway.spending._write", _nothing),),
}  # fmt: skip
"""What is planted, by name."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Let a bug be there."""
    with ExitStack() as swapped:
        for where, what in PLANTS[name]:
            swapped.enter_context(patch(where, what))
        yield
