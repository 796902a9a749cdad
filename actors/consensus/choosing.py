"""Which candidate of the winning group is served, and what became of every ballot, once a deliberation is over.

Rules:
- Inside the winning group, in this order: no screening flags; fewest kinds of outside effects that the prompt does not ask for;
  no look at the program itself (``globals``, ``getattr``, ...); the normal form that most lineages share, if at least half of
  the group's do; the lineage with fewest ballots; the voter's weight. Behaving alike vouches for none of these.
- Of the candidates that have the normal form of the one so chosen, one without words of its own beside the code goes first: their
  words are all that tells them apart. Between forms words decide nothing, or whoever writes none would win against those who do.
- A form that fewer share may be colluders' alone. A lineage that holds many seats has helped to win and gains nothing more by
  them: where another's candidate is as good, that one leaves.
- Among equals the salt draws a lineage, then one of its candidates: SHA-256(tie_salt ‖ lineage), SHA-256(tie_salt ‖ candidate
  digest). The salt is drawn by the shell when the ballots are closed, so nobody can grind variants for it, and a lineage that
  hands in many variants has one lot like every other.
- A real candidate is served, byte for byte; nothing is blended.

Left out: who wins (``counting``).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from actors.base.digests import sha256_hex
from actors.consensus.reading.beside import words_beside
from actors.consensus.reading.python_form import looks_at_itself
from actors.consensus.vocabulary import RUNNABLE, Ballot, State
from actors.spans.record import VoteOutcome


def ballot_outcome(state: State, ballot: Ballot) -> VoteOutcome:
    """Return what the record says of a ballot once the deliberation is over."""
    if ballot.outcome is not None:
        return ballot.outcome
    if ballot.state != "readable" or state.conclusion is None:
        return "cancelled"
    winner = state.conclusion.tally.winner
    agreed = winner is not None and state.conclusion.groups.get(ballot.ask_id) == winner.group
    return "agreed" if agreed else "dissented"


def choose_served(state: State, tie_salt: str) -> Ballot | None:
    """Choose the candidate that is served from the winning group, or ``None`` if there is none."""
    conclusion = state.conclusion
    if conclusion is None or conclusion.outcome != "agreed" or conclusion.tally.winner is None:
        return None
    group = conclusion.tally.winner.group
    members = [b for b in state.ballots if conclusion.groups.get(b.ask_id) == group]
    seats = Counter(b.seat.lineage for b in state.ballots)
    best = _least(members, lambda b: (_flagged(b), _effects(state, b)))
    if len({_form(b) for b in best}) > 1:
        shared = _shared(members)
        best = _least(best, lambda b: (_looks_at_itself(state, b), -shared[_form(b)]))
    best = _least(best, lambda b: seats[b.seat.lineage])
    drawn = min(best, key=lambda b: (-b.seat.weight_micro, *_lots(tie_salt, b)))
    alike = [b for b in best if _form(b) == _form(drawn)]
    if len({b.candidate_sha256 for b in alike}) > 1:
        alike = _least(alike, lambda b: _adds_words(state, b))
    return min(alike, key=lambda b: (-b.seat.weight_micro, *_lots(tie_salt, b)))


def _shared(members: Sequence[Ballot]) -> dict[str, int]:
    """Return normal form → lineages of a group that share it; 0 where less than half of them do."""
    lineages = {form: {b.seat.lineage for b in members if _form(b) == form} for form in set(map(_form, members))}
    half = len({b.seat.lineage for b in members}) / 2
    return {form: len(own) if len(own) >= half else 0 for form, own in lineages.items()}


def _least(ballots: Sequence[Ballot], key: Callable[[Ballot], Any]) -> list[Ballot]:
    keys = [key(ballot) for ballot in ballots]
    return [ballot for ballot, own in zip(ballots, keys, strict=True) if own == min(keys)]


def _lots(salt: str, ballot: Ballot) -> tuple[str, str, int]:
    """Return what the salt draws by: the lineage first, so that its number of candidates does not matter."""
    lineage, candidate = (
        sha256_hex(f"{salt}{text}".encode()) for text in (ballot.seat.lineage, ballot.candidate_sha256)
    )
    return lineage, candidate, ballot.ask_id


def _flagged(ballot: Ballot) -> bool:
    return ballot.screening is not None and ballot.screening.verdict == "flag"


def _form(ballot: Ballot) -> str:
    return ballot.reading.sha256 if ballot.reading else ""


def _effects(state: State, ballot: Ballot) -> int:
    """Return how many kinds of outside effects a candidate has that nobody asked for."""
    return len(set(ballot.screening.sinks) - state.plan.asked_sinks) if ballot.screening else 0


def _looks_at_itself(state: State, ballot: Ballot) -> bool:
    return state.plan.kind == RUNNABLE and looks_at_itself(ballot.code)


def _adds_words(state: State, ballot: Ballot) -> bool:
    """Tell whether a candidate says something, in comments or around its code, that is compared with nothing."""
    if state.plan.kind != RUNNABLE or ballot.candidate is None:
        return False
    return bool(words_beside(ballot.candidate.content, ballot.code, state.plan.question))
