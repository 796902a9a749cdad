"""Deliberation of one layer as a pure state machine: events in, commands out.

Rules:
- ``begin`` asks every seat; for each voter that fails or is isolated the next spare is asked while spares and budget last.
  Spares are asked in rank order, so who was asked depends on how many failed and never on which failed first.
- A voter that is slow stays asked, and the next spare is asked beside it (a hedge): what both bring in time counts, so the
  verdict does not depend on which came first. A hedged voter that fails has had its substitute.
- A ballot is final once it is in; doubled or unknown events change nothing. An answer whose latency is beyond the deadline
  is ``late`` and does not count.
- An answer that another ballot has given, byte for byte, is read as that one was.
- Code is screened before it counts, also code beside what was asked for (``pieces``): until then its ballot is as open as one
  that has not come. What is rejected is out.
- A sink that only one lineage's candidates use, and that the prompt did not ask for, puts these out. While ballots are open
  another lineage may yet use it, so until then such a ballot is as good as open; if it ends before that, it is out.
- Behaviour is compared once every ballot is in, if it could matter: several forms, or examples that must be passed.
- Conclusion comes as soon as no completion of the open ballots could change the winning group (``tally.settled``), or at the
  deadline; whoever is still outstanding is cancelled. Who is asked alone is waited for. Where behaviour can be compared, groups
  beside the leading one may yet merge, so their ballots count as open; with examples nothing concludes early. Nor do similarity
  groups: a late text may move their medoid. Without a winner it concludes early only if nothing rejected could have made one.
- At the end of the voting what is still open is out; then what is in is compared, if that is due. A comparison that does not
  end in its own time, or that fails where there are examples, ends the deliberation without an answer: nothing unproven slips
  through a slow, full or broken sandbox, nor through counting again. Which of them it was, time or the sandbox, is the cause.
- Answers that agree leave under ``strict`` only if one of them is vouched for part by part (``choosing``); else nobody is served,
  and while a ballot is open that could yet vouch nothing concludes early.
- A policy change turns isolated voters' ballots into dissent at once, as ``begin`` does; a halt concludes with ``halted``, and
  what a halt ended stays ended.
- The verdict is a function of the ballots that are in by the end, not of their order.
- No clock, no randomness: events carry what was measured.
- A voter that an earlier layer of the request asked is not asked again: what came of that stands, a late answer as none. An
  answer that an earlier layer rejected is put out. Under ``strict`` nobody is asked where nobody could win.

Left out: which layer comes next (``layers``), and an event for an ask that has started: no decision waits for one, and a
candidate itself says when its first token came.
"""

from typing import Literal

from msgspec.structs import replace

from actors.base.digests import sha256_hex
from actors.consensus.causes import (
    ALONE_NOTE,
    BARRED_NOTE,
    DEADLINE_NOTE,
    HALTED_CAUSE,
    HOPELESS_CAUSE,
    ISOLATED_NOTE,
    NOT_COMPARED_CAUSE,
    SANDBOX_CAUSE,
    UNPROVEN,
    UNVOUCHED_CAUSE,
    cause_of,
    rejection,
)
from actors.consensus.choosing import is_vouched
from actors.consensus.counting import Counted
from actors.consensus.lost import back_after_ms
from actors.consensus.own import levels_in
from actors.consensus.readable import Readable, readable
from actors.consensus.screening.difference import unshared
from actors.consensus.screening.findings import Screening
from actors.consensus.standing import casts_of, counted_in, form_of, forms_alone, groups_of, is_hopeless, spare_votes
from actors.consensus.tally import NO_GROUP, Tally, Vote, settled, tally
from actors.consensus.vocabulary import (
    OPEN,
    Answered,
    Ask,
    Ballot,
    BallotState,
    Cancel,
    Command,
    Compare,
    Compared,
    Conclude,
    Conclusion,
    DeadlinePassed,
    Event,
    Failed,
    Plan,
    PolicyChanged,
    Screen,
    Screened,
    Slow,
    State,
    TimedOut,
)
from actors.spans.record import LayerOutcome, Method, VoteOutcome
from models.errors import FailureCause
from models.voter import Candidate


def begin(plan: Plan, earlier: tuple[State, ...] = (), began_ms: int = 0) -> tuple[State, list[Command]]:
    """Seat the panel and ask everyone on it who is neither isolated nor was asked by an ``earlier`` layer."""
    ballots = tuple(Ballot(number, seat, "outstanding") for number, seat in enumerate(plan.seats))
    state = State(plan, ballots, plan.spares, earlier=earlier, began_ms=began_ms)
    commands: list[Command] = []
    if is_hopeless(state):
        nobody = replace(state, ballots=tuple(_unasked(ballot, plan) for ballot in ballots))
        return _conclude(nobody, [], "unavailable", counted_in(nobody, {}), {}, HOPELESS_CAUSE)
    for ballot in ballots:
        state, more = _seated(state, ballot)
        commands += more
    return _advance(state, commands)


def _unasked(ballot: Ballot, plan: Plan) -> Ballot:
    isolated = ballot.seat.voter in plan.isolated
    return replace(
        ballot, state="out", outcome="isolated" if isolated else "cancelled", note=ISOLATED_NOTE if isolated else ""
    )


def _seated(state: State, ballot: Ballot) -> tuple[State, list[Command]]:
    """Ask the holder of a seat, or let what is known of it stand."""
    if ballot.seat.voter in state.plan.isolated:
        return _out(state, ballot.ask_id, "isolated", ISOLATED_NOTE, 0)
    return _called(state, ballot)


def _called(state: State, ballot: Ballot) -> tuple[State, list[Command]]:
    """Ask a voter, unless an earlier layer did."""
    known = _known(state, ballot.seat.voter) if state.earlier else None
    return (state, [Ask(ballot.ask_id, ballot.seat.voter)]) if known is None else _carried(state, ballot, known)


def _known(state: State, voter: str) -> Ballot | None:
    """Return what came of asking a voter before, the newest; nothing did if policy isolated it or it was cancelled first."""
    ballots = (b for layer in reversed(state.earlier) for b in layer.ballots if b.seat.voter == voter)
    return next((b for b in ballots if b.state != "outstanding" and b.outcome not in ("isolated", "cancelled")), None)


def _carried(state: State, ballot: Ballot, known: Ballot) -> tuple[State, list[Command]]:
    state = _with(state, replace(ballot, carried=True))
    if known.state != "out" and known.candidate is not None:
        state, commands = _answered(state, Answered(ballot.ask_id, known.candidate, 0))  # in time, as it was
        return _with(state, replace(state.ballots[ballot.ask_id], latency_ms=known.latency_ms)), commands
    if known.outcome == "screened_out":
        again = replace(known, ask_id=ballot.ask_id, seat=ballot.seat, carried=True, replaced=False, hedged=False)
        return _substitute(state, again)
    outcome = "timeout" if known.outcome in (None, "late") else known.outcome
    return _out(
        state, ballot.ask_id, outcome, known.note, known.latency_ms, known.candidate,
        cause=known.cause, back_ms=known.back_ms,
    )  # fmt: skip


def step(state: State, event: Event) -> tuple[State, list[Command]]:
    """Take one event in; a concluded deliberation ignores everything."""
    if state.conclusion is not None:
        return state, []
    if isinstance(event, PolicyChanged):
        return _policy_changed(state, event)
    if isinstance(event, DeadlinePassed):
        return _deadline(state, event)
    if isinstance(event, Compared) and state.comparing and event.comparison is None and state.plan.examples:
        return _not_compared(state, [], SANDBOX_CAUSE)
    return _advance(*_taken_in(state, event))


def _taken_in(
    state: State, event: Answered | Failed | TimedOut | Slow | Screened | Compared
) -> tuple[State, list[Command]]:
    """Note what an ask or an effect brought."""
    match event:
        case Answered():
            return _answered(state, event)
        case Failed():
            back_ms = back_after_ms(state.began_ms + event.latency_ms, event.retry_after_s)
            return _out(
                state, event.ask_id, event.outcome, event.note, event.latency_ms, cause=event.cause, back_ms=back_ms
            )
        case TimedOut():
            return _out(state, event.ask_id, "timeout", event.note, event.latency_ms)
        case Slow():
            return _slow(state, event)
        case Screened():
            return _screened(state, event)
        case Compared():
            # one that nobody waits for changes nothing
            known = event.comparison if state.comparing else state.comparison
            return replace(state, comparing=False, comparison=known), []


def recount(state: State, plan: Plan, *, halted: bool) -> State:
    """Count a concluded deliberation again, with the ballots that are in, under a newer policy's plan of the same voters.

    What a halt ended stays ended, and what was to be compared and was not stays unproven.
    """
    seats = {seat.voter: seat for seat in (*plan.seats, *plan.spares)}
    ballots = [replace(ballot, seat=seats[ballot.seat.voter]) for ballot in state.ballots]
    closed = [replace(b, state="out", outcome="cancelled") if b.state in OPEN else b for b in ballots]
    counted_only = replace(plan, compare_ms=0)  # what has run has run; nothing more is
    before = state.conclusion
    unproven = before.cause if before is not None and before.cause in UNPROVEN else ""
    was_halted = before is not None and before.outcome == "halted"
    reopened = replace(
        state, plan=counted_only, ballots=tuple(closed), spares=(), comparing=bool(unproven), conclusion=None
    )
    recounted, _ = _policy_changed(reopened, PolicyChanged(plan.isolated, halted or was_halted))
    return recounted if recounted.conclusion is not None else _not_compared(recounted, [], unproven)[0]


def _answered(state: State, event: Answered) -> tuple[State, list[Command]]:
    ballot = _ballot(state, event.ask_id, "outstanding")
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
    digest = sha256_hex(data)
    read = _read(state, event.candidate, digest)
    if read.why:
        return _out(state, event.ask_id, "invalid", read.why, event.latency_ms, event.candidate)
    is_screened = bool(plan.language or read.beside)
    kept = replace(
        ballot, state="screening" if is_screened else "readable", candidate=event.candidate, candidate_sha256=digest,
        reading=read.reading, code=read.code, beside=read.beside, latency_ms=event.latency_ms,
    )  # fmt: skip
    if not plan.barred.isdisjoint((digest, form_of(kept))):
        return _substitute(state, _screened_out(kept, None, BARRED_NOTE))
    state = _with(state, kept)
    return state, [Screen(ballot.ask_id, read.code, plan.language, read.beside)] if is_screened else []


def _read(state: State, candidate: Candidate, digest: str) -> Readable:
    """Read an answer, or take over how another ballot with the same bytes was read."""
    for other in state.ballots:
        ended_alike = other.candidate is not None and other.candidate.finish_reason == candidate.finish_reason
        if other.candidate_sha256 == digest and ended_alike and other.reading is not None:
            return Readable(other.reading, "", other.code, other.beside)
    plan = state.plan
    return readable(plan.kind, plan.question, plan.policy, candidate.content, candidate.finish_reason, plan.schema)


def _screened(state: State, event: Screened) -> tuple[State, list[Command]]:
    ballot = _ballot(state, event.ask_id, "screening")
    if ballot is None:
        return state, []
    if event.screening.verdict != "reject":
        return _with(state, replace(ballot, state="readable", screening=event.screening)), []
    return _substitute(state, _screened_out(ballot, event.screening, rejection(event.screening)))


def _screened_out(ballot: Ballot, screening: Screening | None, note: str) -> Ballot:
    return replace(
        ballot, state="out", outcome="screened_out", note=note, screening=screening, reading=None, candidate_sha256="",
        rejected_form=form_of(ballot),
    )  # fmt: skip


def _unshared(state: State) -> dict[int, tuple[str, ...]]:
    """Return ask_id → the sinks that no other lineage's candidate uses and nobody asked for; prose is free to show any."""
    if state.plan.policy == "direct" or not state.plan.language:
        return {}
    used = {
        b.ask_id: (b.seat.lineage, frozenset(b.screening.sinks))
        for b in state.ballots
        if b.screening is not None and b.screening.verdict != "reject" and b.outcome != "isolated"
        and not (b.carried and b.outcome == "screened_out")  # what was rejected before vouches for nobody
    }  # fmt: skip
    used[-1] = ("", frozenset())  # a lineage that uses nothing: one alone is held to the same rule
    found = unshared(used, state.plan.asked_sinks)
    return {ask_id: sinks for ask_id, sinks in found.items() if state.ballots[ask_id].state == "readable"}


def _without_unshared(state: State) -> State:
    for ask_id, sinks in _unshared(state).items():
        ballot = state.ballots[ask_id]
        state = _with(state, _screened_out(ballot, ballot.screening, f"{ALONE_NOTE}: {', '.join(sinks)}"))
    return state


def _out(
    state: State, ask_id: int, outcome: VoteOutcome, note: str, latency_ms: int, candidate: Candidate | None = None,
    *, cause: FailureCause = "", back_ms: int | None = None,
) -> tuple[State, list[Command]]:  # fmt: skip
    ballot = _ballot(state, ask_id, "outstanding")
    if ballot is None:
        return state, []
    out = replace(
        ballot, state="out", outcome=outcome, note=note, latency_ms=latency_ms, candidate=candidate, cause=cause,
        back_ms=back_ms,
    )  # fmt: skip
    return _substitute(state, out)


def _slow(state: State, event: Slow) -> tuple[State, list[Command]]:
    ballot = _ballot(state, event.ask_id, "outstanding")
    if ballot is None or ballot.hedged or not _may_substitute(state):
        return state, []
    return _take_spare(_with(state, replace(ballot, hedged=True)))


def _may_substitute(state: State) -> bool:
    return bool(state.spares) and state.substituted < state.plan.max_substitutes


def _substitute(state: State, out: Ballot) -> tuple[State, list[Command]]:
    if out.hedged or not _may_substitute(state):
        return _with(state, out), []
    return _take_spare(_with(state, replace(out, replaced=True)))


def _take_spare(state: State) -> tuple[State, list[Command]]:
    seat, *spares = state.spares
    taken = Ballot(len(state.ballots), seat, "outstanding")
    state = replace(state, ballots=(*state.ballots, taken), spares=tuple(spares), substituted=state.substituted + 1)
    return _called(state, taken)


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
        groups = groups_of(state)
        return _conclude(state, commands, "halted", counted_in(state, groups), groups, HALTED_CAUSE)
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
        if ballot.state in OPEN:
            commands += [Cancel(ballot.ask_id)] if ballot.state == "outstanding" else []
            silent = replace(
                ballot, state="out", outcome="timeout", note=DEADLINE_NOTE, latency_ms=event.elapsed_ms, reading=None,
                candidate_sha256="",
            )  # fmt: skip
            state = _with(state, silent)
    state = replace(state, spares=())
    return _not_compared(state, commands, NOT_COMPARED_CAUSE) if state.comparing else _advance(state, commands)


def _not_compared(state: State, commands: list[Command], cause: str) -> tuple[State, list[Command]]:
    """End without an answer; an earlier comparison was of another panel."""
    state = replace(state, comparison=None)
    groups = groups_of(state)
    commands = commands + [Cancel(b.ask_id) for b in state.ballots if b.state == "outstanding"]
    return _conclude(state, commands, UNPROVEN[cause], Counted(forms_alone(state, groups)), groups, cause)


def _advance(state: State, commands: list[Command]) -> tuple[State, list[Command]]:
    if state.comparing:
        return state, commands
    if any(ballot.state in OPEN for ballot in state.ballots):
        return _conclude_early(state, commands)
    state = _without_unshared(state)
    if candidates := _to_compare(state):
        return replace(state, comparing=True, compared=frozenset(candidates)), [*commands, Compare(candidates)]
    groups = groups_of(state)
    return _end(state, commands, groups, counted_in(state, groups))


def _conclude_early(state: State, commands: list[Command]) -> tuple[State, list[Command]]:
    plan = state.plan
    alone, prose = plan.policy == "direct", plan.kind == "text"
    must_run = bool(plan.compare_ms and plan.examples)
    if alone or prose or must_run or plan.hear_everyone:
        return state, commands
    groups = groups_of(state)
    votes, spares = _not_yet_certain(state, groups), spare_votes(state)
    certain = settled(votes, plan.rule, spares)
    if certain is not None and certain.winner is None:
        certain = settled(_unless_rejected(state, votes), plan.rule, spares)
    if certain is None:
        return state, commands
    asked = {command.ask_id for command in commands if isinstance(command, Ask)}
    kept: list[Command] = [command for command in commands if not isinstance(command, Ask)]
    kept += [Cancel(b.ask_id) for b in state.ballots if b.state == "outstanding" and b.ask_id not in asked]
    ending = _without_unshared(state)
    groups = groups if ending is state else groups_of(ending)  # which have the numbers of what is left
    counted = counted_in(ending, groups)
    own = _own(ending, counted.tally, groups, frozenset(vote.lineage for vote in spares))
    unvouched = _is_unvouched(ending, counted.tally, groups, own)
    return (state, commands) if unvouched else _end(ending, kept, groups, counted)


def _unless_rejected(state: State, votes: list[Vote]) -> list[Vote]:
    """Return the votes with those that screening rejected as open as the others."""
    rejected = [ballot.outcome == "screened_out" for ballot in state.ballots]
    return [replace(v, outstanding=v.outstanding or gone) for v, gone in zip(votes, rejected, strict=True)]


def _not_yet_certain(state: State, groups: dict[int, int]) -> list[Vote]:
    """Return the votes with everything open that may yet change: see the rules on sinks and on behaviour."""
    votes = [cast.vote for cast in casts_of(state, groups)]
    suspect = _unshared(state)
    standings = tally(votes, state.plan.rule).standings if state.plan.compare_ms else ()
    fixed = (NO_GROUP, standings[0].group) if standings else ()
    return [
        replace(vote, outstanding=True) if ask_id in suspect or (fixed and vote.group not in fixed) else vote
        for ask_id, vote in enumerate(votes)
    ]


def _to_compare(state: State) -> dict[int, str]:
    """Return the candidates whose behaviour is to be compared now: ask_id → code; empty if it is not due."""
    if not state.plan.compare_ms:
        return {}
    readable = [b for b in state.ballots if b.state == "readable" and b.code]
    matters = bool(state.plan.examples) or len({form_of(b) for b in readable}) > 1
    candidates = {b.ask_id: b.code for b in readable}
    return candidates if matters and not candidates.keys() <= state.compared else {}


def _end(
    state: State, commands: list[Command], groups: dict[int, int], counted: Counted
) -> tuple[State, list[Command]]:
    if counted.tally.winner is not None:
        return _conclude(state, commands, "agreed", counted, groups, "")
    if any(ballot.outcome == "late" or ballot.note == DEADLINE_NOTE for ballot in state.ballots):
        cause = "the deadline passed before a quorum could be formed"
        return _conclude(state, commands, "deadline", counted, groups, cause)
    outcome = _outcome_without_winner(state, groups, counted.tally)
    return _conclude(state, commands, outcome, counted, groups, cause_of(outcome, counted.tally, state.plan.rule))


def _outcome_without_winner(state: State, groups: dict[int, int], counted: Tally) -> LayerOutcome:
    """Tell a panel that could not be heard from one whose answers cannot be vouched for."""
    votes = [cast.vote for cast in casts_of(state, groups)]
    rejected = any(ballot.outcome == "screened_out" for ballot in state.ballots)
    if rejected and settled(_unless_rejected(state, votes), state.plan.rule) is None:
        return "screened_out"
    asked = [replace(v, isolated=b.outcome == "isolated") for v, b in zip(votes, state.ballots, strict=True)]
    # examples or screening may have barred what was heard
    heard = tally(asked, state.plan.rule).outcome != "unavailable"
    return "disagreed" if heard else counted.outcome


def _conclude(
    state: State, commands: list[Command], outcome: LayerOutcome | Literal["halted"], counted: Counted,
    groups: dict[int, int], cause: str,
) -> tuple[State, list[Command]]:  # fmt: skip
    if outcome == "halted":
        commands = commands + [Cancel(b.ask_id) for b in state.ballots if b.state == "outstanding"]
    for ballot in state.ballots:
        if ballot.state == "screening":  # what was never screened is no ballot for anybody
            state = _with(state, replace(ballot, reading=None, candidate_sha256=""))
    own = _own(state, counted.tally, groups, frozenset())
    if outcome == "agreed" and _is_unvouched(state, counted.tally, groups, own):
        outcome, cause = "disagreed", UNVOUCHED_CAUSE
    conclusion = Conclusion(outcome, counted.tally, groups, _method(state, counted, groups), cause, own)
    return replace(state, comparing=False, conclusion=conclusion), [*commands, Conclude(conclusion)]


def _own(state: State, counted: Tally, groups: dict[int, int], more: frozenset[str]) -> dict[int, tuple[int, int]]:
    """Return what of each answer is its lineage's own, if there is a winner; ``more`` are lineages that may yet be asked."""
    return levels_in(state, groups, counted.winner.group, more) if counted.winner else {}


def _is_unvouched(state: State, counted: Tally, groups: dict[int, int], own: dict[int, tuple[int, int]]) -> bool:
    """Tell whether nothing of what won may be served."""
    if counted.winner is None or not state.plan.vouched_only:
        return False
    return not any(is_vouched(own, ask_id) for ask_id, group in groups.items() if group == counted.winner.group)


def _method(state: State, counted: Counted, groups: dict[int, int]) -> Method:
    """Return what the agreement rests on: its examples, equal behaviour where forms differ, else the forms."""
    if counted.by_examples:
        return "examples"
    winner = counted.tally.winner
    forms = {form_of(b) for b in state.ballots if winner and groups.get(b.ask_id) == winner.group}
    if state.plan.language and len(forms) > 1:
        return "behaviour"
    return next((b.reading.method for b in state.ballots if b.reading is not None), "none")


def _ballot(state: State, ask_id: int, expected: BallotState) -> Ballot | None:
    if not 0 <= ask_id < len(state.ballots):
        return None
    ballot = state.ballots[ask_id]
    return ballot if ballot.state == expected else None


def _with(state: State, ballot: Ballot) -> State:
    before, behind = state.ballots[: ballot.ask_id], state.ballots[ballot.ask_id + 1 :]
    return replace(state, ballots=(*before, ballot, *behind))
