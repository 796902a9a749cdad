"""Which candidate of the winning group is served, and what became of every ballot, once a deliberation is over.

Rules:
- Inside the winning group: no screening flags, then the normal form that more lineages share, then the voter's weight, then
  SHA-256(tie_salt ‖ candidate digest). The salt is drawn by the shell when the ballots are closed, so nobody can grind variants
  for it.
- A real candidate is served, byte for byte; nothing is blended.

Left out: who wins (``counting``).
"""

from actors.base.digests import sha256_hex
from actors.consensus.vocabulary import Ballot, State
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
    shared = {
        b.ask_id: len({m.seat.lineage for m in members if _form(m) == _form(b)}) for b in members
    }  # lineages that share the very normal form
    return min(
        members,
        key=lambda b: (
            b.screening is not None and b.screening.verdict == "flag",
            -shared[b.ask_id],
            -b.seat.weight_micro,
            sha256_hex(f"{tie_salt}{b.candidate_sha256}".encode()),
            b.ask_id,
        ),
    )


def _form(ballot: Ballot) -> str:
    return ballot.reading.sha256 if ballot.reading else ""
