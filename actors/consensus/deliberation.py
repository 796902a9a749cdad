"""Deliberation of one layer as a pure state machine: events in, commands out.

Rules:
- ``begin`` asks every seat; for each voter that fails or is isolated the next spare is asked while spares and budget last.
  Spares are asked in rank order, so who was asked depends on how many failed and never on which failed first.
- A ballot is final once it is in; doubled or unknown events change nothing. An answer whose latency is beyond the deadline
  is ``late`` and does not count.
- Conclusion comes as soon as no completion of the outstanding ballots could change the winning group (``tally.settled``),
  or at the deadline; whoever is still outstanding is cancelled. Similarity groups never conclude early: a late text may
  move their medoid.
- A policy change turns isolated voters' ballots into dissent at once, as ``begin`` does; a halt concludes with ``halted``.
- The verdict is a function of the ballots that are in by the end, not of their order.
- The served candidate is chosen inside the winning group by (normal form shared by more lineages, weight,
  SHA-256(tie_salt ‖ candidate digest)). The salt is drawn by the shell when the ballots are closed.
- No clock, no randomness: events carry what was measured.

Left out: ``Screen`` and ``Compare`` (effects that join with the sandbox), several layers, and an event for an ask that has
started: no decision waits for one, and a candidate itself says when its first token came.
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from actors.base.digests import sha256_hex
from actors.consensus.grouping import Answer, group_answers
from actors.consensus.reading.examples import Example
from actors.consensus.reading.reading import Reading, read_answer, single_answer
from actors.consensus.tally import NO_GROUP, Rule, Tally, Vote, settled, tally
from actors.policy.snapshot import PolicyName
from actors.spans.record import LayerOutcome, Method, VoteOutcome
from models.errors import FailureCause
from models.voter import Candidate


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
    """Answers that took longer are late."""
    hear_everyone: bool = False
    """Wait for every ballot although the end is certain (the caller wants to see them all)."""
    examples: tuple[Example, ...] = ()
    """What the prompt says a right answer does; nothing has run them, so none counts as passed."""


HALTED_CAUSE = "generation was halted"
"""Cause of a layer that a halt ended."""
DEADLINE_NOTE = "no answer by the deadline"
ISOLATED_NOTE = "isolated by policy"
BallotState = Literal["outstanding", "readable", "out"]


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
    candidate: Candidate | None = None
    candidate_sha256: str = ""
    reading: Reading | None = None
    latency_ms: int = 0
    replaced: bool = False
    """A substitute was asked in its place."""


class Ask(msgspec.Struct, frozen=True):
    """Ask a voter; the answer comes back as an event with this ``ask_id``."""

    ask_id: int
    voter: str


class Cancel(msgspec.Struct, frozen=True):
    """Stop asking; nothing more is wanted of it."""

    ask_id: int


class Conclude(msgspec.Struct, frozen=True):
    """The deliberation is over."""

    conclusion: "Conclusion"


Command = Ask | Cancel | Conclude


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


class TimedOut(msgspec.Struct, frozen=True):
    """A voter used up its own time."""

    ask_id: int
    latency_ms: int
    note: str = "no answer in time"


class PolicyChanged(msgspec.Struct, frozen=True):
    """A newer policy is in force; ``isolated`` are all voters that it keeps from this panel."""

    isolated: frozenset[str]
    halted: bool


class DeadlinePassed(msgspec.Struct, frozen=True):
    """The layer's time is over."""

    elapsed_ms: int


Event = Answered | Failed | TimedOut | PolicyChanged | DeadlinePassed


class Conclusion(msgspec.Struct, frozen=True):
    """How the layer ended. ``halted`` and ``deadline`` carry the tally as it stood."""

    outcome: LayerOutcome | Literal["halted"]
    tally: Tally
    groups: dict[int, int]
    """ask_id → group of every readable ballot."""
    method: Method
    cause: str


class State(msgspec.Struct, frozen=True):
    """Everything a deliberation knows."""

    plan: Plan
    ballots: tuple[Ballot, ...]
    spares: tuple[Seat, ...]
    substituted: int = 0
    conclusion: Conclusion | None = None


def begin(plan: Plan) -> tuple[State, list[Command]]:
    """Seat the panel and ask everyone on it who is not isolated."""
    ballots = tuple(Ballot(number, seat, "outstanding") for number, seat in enumerate(plan.seats))
    state = State(plan, ballots, plan.spares)
    commands: list[Command] = []
    for ballot in ballots:
        if ballot.seat.voter in plan.isolated:
            state, more = _out(state, ballot.ask_id, "isolated", ISOLATED_NOTE, 0)
            commands += more
        else:
            commands.append(Ask(ballot.ask_id, ballot.seat.voter))
    return _advance(state, commands)


def step(state: State, event: Event) -> tuple[State, list[Command]]:
    """Take one event in; a concluded deliberation ignores everything."""
    if state.conclusion is not None:
        return state, []
    match event:
        case Answered():
            return _advance(*_answered(state, event))
        case Failed():
            return _advance(*_out(state, event.ask_id, event.outcome, event.note, event.latency_ms, cause=event.cause))
        case TimedOut():
            return _advance(*_out(state, event.ask_id, "timeout", event.note, event.latency_ms))
        case PolicyChanged():
            return _policy_changed(state, event)
        case DeadlinePassed():
            return _deadline(state, event)


def recount(state: State, plan: Plan, *, halted: bool) -> State:
    """Count a concluded deliberation again, with the ballots that are in, under a newer policy's plan of the same voters."""
    seats = {seat.voter: seat for seat in (*plan.seats, *plan.spares)}
    ballots = [replace(ballot, seat=seats[ballot.seat.voter]) for ballot in state.ballots]
    closed = [replace(b, state="out", outcome="cancelled") if b.state == "outstanding" else b for b in ballots]
    reopened = replace(state, plan=plan, ballots=tuple(closed), spares=(), conclusion=None)
    recounted, _ = _policy_changed(reopened, PolicyChanged(plan.isolated, halted))
    return recounted


def ballot_outcome(state: State, ballot: Ballot) -> VoteOutcome:
    """Return what the record says of a ballot once the deliberation is over."""
    if ballot.outcome is not None:
        return ballot.outcome
    if ballot.state == "outstanding" or state.conclusion is None:
        return "cancelled"
    winner = state.conclusion.tally.winner
    agreed = winner is not None and state.conclusion.groups.get(ballot.ask_id) == winner.group
    return "agreed" if agreed else "dissented"


def was_lost_to(state: State, cause: FailureCause) -> bool:
    """Tell whether a quorum could yet have been formed had no ballot been lost to ``cause``."""
    votes = _votes(state, _groups(state))
    lost = [ballot.cause == cause and ballot.outcome != "isolated" for ballot in state.ballots]
    hoped = [replace(vote, outstanding=vote.outstanding or gone) for vote, gone in zip(votes, lost, strict=True)]
    return any(lost) and settled(hoped, state.plan.rule) is None


def choose_served(state: State, tie_salt: str) -> Ballot | None:
    """Choose the candidate that is served from the winning group, or ``None`` if there is none."""
    conclusion = state.conclusion
    if conclusion is None or conclusion.outcome != "agreed" or conclusion.tally.winner is None:
        return None
    group = conclusion.tally.winner.group
    members = [b for b in state.ballots if conclusion.groups.get(b.ask_id) == group]
    shared = {
        b.ask_id: len({m.seat.lineage for m in members if _form(m) == _form(b)}) for b in members
    }  # lineages that share the very normal form
    return min(
        members,
        key=lambda b: (
            -shared[b.ask_id],
            -b.seat.weight_micro,
            sha256_hex(f"{tie_salt}{b.candidate_sha256}".encode()),
            b.ask_id,
        ),
    )


def _form(ballot: Ballot) -> str:
    return ballot.reading.sha256 if ballot.reading else ""


def _answered(state: State, event: Answered) -> tuple[State, list[Command]]:
    ballot = _outstanding(state, event.ask_id)
    if ballot is None:
        return state, []
    plan, content = state.plan, event.candidate.content
    if event.latency_ms > plan.deadline_ms:
        late = replace(
            ballot, state="out", outcome="late", note="answered after the deadline", candidate=event.candidate
        )
        return _with(state, replace(late, latency_ms=event.latency_ms)), []
    data = content.encode("utf-8", "surrogatepass")
    if len(data) > plan.max_answer_bytes:
        return _out(state, event.ask_id, "invalid", "answer too large", event.latency_ms)
    reading = read_answer(plan.kind, plan.question, content)
    why = reading.why_invalid
    if not why and event.candidate.finish_reason == "length" and plan.kind.startswith(("code:", "json")):
        why = "answer cut off by max_tokens"
    if not why and not reading.form:
        why = "nothing to compare"
    if not _is_text(content):
        why = "answer is not valid Unicode"
    if plan.policy == "direct" and content.strip() and _is_text(content):
        why, reading = "", single_answer(reading, content)
    if why:
        return _out(state, event.ask_id, "invalid", why, event.latency_ms, event.candidate)
    kept = replace(
        ballot, state="readable", candidate=event.candidate, candidate_sha256=sha256_hex(data), reading=reading,
        latency_ms=event.latency_ms,
    )  # fmt: skip
    return _with(state, kept), []


def _is_text(content: str) -> bool:
    return content.isascii() or not any("\ud800" <= character <= "\udfff" for character in content)


def _out(
    state: State, ask_id: int, outcome: VoteOutcome, note: str, latency_ms: int, candidate: Candidate | None = None,
    *, cause: FailureCause = "",
) -> tuple[State, list[Command]]:  # fmt: skip
    ballot = _outstanding(state, ask_id)
    if ballot is None:
        return state, []
    out = replace(
        ballot, state="out", outcome=outcome, note=note, latency_ms=latency_ms, candidate=candidate, cause=cause
    )
    return _substitute(state, out)


def _substitute(state: State, out: Ballot) -> tuple[State, list[Command]]:
    if not state.spares or state.substituted >= state.plan.max_substitutes:
        return _with(state, out), []
    seat, *spares = state.spares
    taken = Ballot(len(state.ballots), seat, "outstanding")
    state = _with(state, replace(out, replaced=True))
    state = replace(state, ballots=(*state.ballots, taken), spares=tuple(spares), substituted=state.substituted + 1)
    return state, [Ask(taken.ask_id, seat.voter)]


def _policy_changed(state: State, event: PolicyChanged) -> tuple[State, list[Command]]:
    commands: list[Command] = []
    state = replace(state, spares=tuple(seat for seat in state.spares if seat.voter not in event.isolated))
    for ballot in state.ballots:
        if ballot.seat.voter in event.isolated and ballot.outcome != "isolated":
            if ballot.state == "outstanding":
                commands.append(Cancel(ballot.ask_id))
            state, more = _isolate(state, ballot, substitute=not event.halted)
            commands += more
    if event.halted:
        groups = _groups(state)
        return _conclude(state, commands, "halted", _count(state, groups), groups, HALTED_CAUSE)
    return _advance(state, commands)


def _isolate(state: State, ballot: Ballot, *, substitute: bool) -> tuple[State, list[Command]]:
    isolated = replace(
        ballot, state="out", outcome="isolated", note=ISOLATED_NOTE, reading=None, candidate_sha256=""
    )  # fmt: skip
    if substitute and ballot.state != "out":  # one that failed before had its substitute, if there was one to have
        return _substitute(state, isolated)
    return _with(state, isolated), []


def _deadline(state: State, event: DeadlinePassed) -> tuple[State, list[Command]]:
    commands: list[Command] = []
    for ballot in state.ballots:
        if ballot.state == "outstanding":
            commands.append(Cancel(ballot.ask_id))
            silent = replace(ballot, state="out", outcome="timeout", note=DEADLINE_NOTE, latency_ms=event.elapsed_ms)
            state = _with(state, silent)
    groups = _groups(state)
    return _end(state, commands, _count(state, groups), groups)


def _advance(state: State, commands: list[Command]) -> tuple[State, list[Command]]:
    groups = _groups(state)
    votes = _votes(state, groups)
    prose = state.plan.kind == "text" and state.plan.policy != "direct"
    early = not (prose or state.plan.hear_everyone)
    done = (
        settled(votes, state.plan.rule, _spare_votes(state)) if early or not any(v.outstanding for v in votes) else None
    )
    if done is None:
        return state, commands
    cancels = [Cancel(b.ask_id) for b in state.ballots if b.state == "outstanding"]
    asked = {command.ask_id for command in commands if isinstance(command, Ask)}
    kept: list[Command] = [command for command in commands if not isinstance(command, Ask)]
    kept += [command for command in cancels if command.ask_id not in asked]
    return _end(state, kept, done, groups)


def _end(state: State, commands: list[Command], counted: Tally, groups: dict[int, int]) -> tuple[State, list[Command]]:
    if counted.winner is not None:
        return _conclude(state, commands, "agreed", counted, groups, "")
    if any(ballot.outcome == "late" or ballot.note == DEADLINE_NOTE for ballot in state.ballots):
        cause = "the deadline passed before a quorum could be formed"
        return _conclude(state, commands, "deadline", counted, groups, cause)
    return _conclude(state, commands, counted.outcome, counted, groups, _cause(counted))


def _conclude(
    state: State, commands: list[Command], outcome: LayerOutcome | Literal["halted"], counted: Tally,
    groups: dict[int, int], cause: str,
) -> tuple[State, list[Command]]:  # fmt: skip
    if outcome == "halted":
        commands = commands + [Cancel(b.ask_id) for b in state.ballots if b.state == "outstanding"]
    methods = [b.reading.method for b in state.ballots if b.reading is not None]
    conclusion = Conclusion(outcome, counted, groups, methods[0] if methods else "none", cause)
    return replace(state, conclusion=conclusion), [*commands, Conclude(conclusion)]


def _cause(counted: Tally) -> str:
    if counted.outcome == "unavailable":
        return "too few voters gave a readable answer to form a quorum"
    best = counted.standings[0].support_micro if counted.standings else 0
    return f"no group of answers reached the quorum (largest support {best / 1_000_000:.2f})"


def _groups(state: State) -> dict[int, int]:
    answers = [
        Answer(b.ask_id, b.reading.form, b.reading.sha256, b.reading.method, b.seat.weight_micro)
        for b in state.ballots
        if b.state == "readable" and b.reading is not None
    ]
    return group_answers(answers, state.plan.similarity_micro)


def _votes(state: State, groups: dict[int, int]) -> list[Vote]:
    seats = len(state.plan.seats)
    return [
        Vote(
            b.seat.lineage, b.seat.weight_micro, groups.get(b.ask_id, NO_GROUP), b.state == "outstanding",
            b.outcome == "isolated", b.ask_id >= seats,
        )
        for b in state.ballots
    ]  # fmt: skip


def _spare_votes(state: State) -> list[Vote]:
    left = state.plan.max_substitutes - state.substituted
    return [
        Vote(seat.lineage, seat.weight_micro, NO_GROUP, outstanding=True, substitute=True)
        for seat in state.spares[: max(left, 0)]
    ]


def _count(state: State, groups: dict[int, int]) -> Tally:
    return tally(_votes(state, groups), state.plan.rule)


def _outstanding(state: State, ask_id: int) -> Ballot | None:
    if not 0 <= ask_id < len(state.ballots):
        return None
    ballot = state.ballots[ask_id]
    return ballot if ballot.state == "outstanding" else None


def _with(state: State, ballot: Ballot) -> State:
    ballots = list(state.ballots)
    ballots[ballot.ask_id] = ballot
    return replace(state, ballots=tuple(ballots))
