"""Which candidate of the winning group is served, and what became of every ballot, once a deliberation is over.

Rules:
- Under ``strict`` a lineage that holds more than half of the ballots vouches and is not served while another is in the group:
  with two lineages, which it takes, never.
- Else, in this order: no screening flags; code with the least of its own (``own``), then words with the least; not the lineage
  with more than half of the ballots; the normal form that most lineages share, if at least half of the group's do (one that fewer
  share may be colluders' alone); the lineage with fewest ballots; the voter's weight.
- Among equals the salt draws a lineage, then one of its candidates: SHA-256(tie_salt ‖ lineage), SHA-256(tie_salt ‖ candidate
  digest). The salt is drawn by the shell when the ballots are closed, so nobody can grind variants for it, and a lineage that
  hands in many variants has one lot at most.
- Under ``strict``, code leaves only if it is vouched for, part by part: every element and every word stands in what most of the
  asked lineages wrote, so in what an honest one wrote unless most are not. Of these the first is served; if there is none, there
  is no consensus, though the answers do the same.
- A real candidate is served, byte for byte; nothing is blended.
- All of it stands in the record: ``rank`` is what chooses, and what ``replay`` checks.

Left out: who wins (``counting``).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.own import COMMON
from actors.consensus.vocabulary import Ballot, Conclusion, State
from actors.spans.record import VoteOutcome


class Contender(msgspec.Struct, frozen=True):
    """A candidate of the winning group, as the choice sees it."""

    lineage: str
    form_sha256: str
    candidate_sha256: str
    flagged: bool
    weight_micro: int
    own_code: int = 0
    """Level of its code, see ``own``."""
    own_words: int = 0
    """Level of its words beside the code."""


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
    ranked = _ranked(members, state, conclusion, tie_salt) if len(members) > 1 else members
    return next((b for b in ranked if not state.plan.vouched_only or is_vouched(conclusion.own, b.ask_id)), None)


def _ranked(members: Sequence[Ballot], state: State, conclusion: Conclusion, tie_salt: str) -> list[Ballot]:
    order = rank(
        [_contender(b, conclusion) for b in members], [b.seat.lineage for b in state.ballots], tie_salt,
        majority_last=state.plan.policy != "evidence",
    )  # fmt: skip
    return [members[place] for place in order]


def is_vouched(own: Mapping[int, tuple[int, int]], ask_id: int) -> bool:
    """Tell whether most lineages wrote every part of an answer, by the levels of all that there is a choice between."""
    return own.get(ask_id, (COMMON, COMMON)) == (COMMON, COMMON)


def _contender(ballot: Ballot, conclusion: Conclusion) -> Contender:
    code, words = conclusion.own.get(ballot.ask_id, (0, 0))
    return Contender(
        ballot.seat.lineage, ballot.reading.sha256 if ballot.reading else "", ballot.candidate_sha256,
        ballot.screening is not None and ballot.screening.verdict == "flag", ballot.seat.weight_micro, code, words,
    )  # fmt: skip


def rank(group: Sequence[Contender], lineages: Iterable[str], tie_salt: str, *, majority_last: bool) -> list[int]:
    """Return the places of a group's candidates, the one to be served first; ``lineages`` names that of every ballot cast.

    ``majority_last`` puts the lineage with more than half of the ballots behind all others, whatever these wrote.
    """
    if len(group) == 1:
        return [0]
    ballots = Counter(lineages)
    half = len({one.lineage for one in group}) / 2
    authors: dict[str, set[str]] = {}
    for one in group:
        authors.setdefault(one.form_sha256, set()).add(one.lineage)

    def key(place: int) -> tuple[bool, bool, int, int, bool, int, int, int, str, str, int]:
        one = group[place]
        shared = len(authors[one.form_sha256])
        is_most = 2 * ballots[one.lineage] > ballots.total()
        return (
            is_most and majority_last,
            one.flagged,
            one.own_code,
            one.own_words,
            is_most,
            -shared if shared >= half else 0,
            ballots[one.lineage],
            -one.weight_micro,
            sha256_hex(f"{tie_salt}{one.lineage}".encode()),
            sha256_hex(f"{tie_salt}{one.candidate_sha256}".encode()),
            place,
        )

    return sorted(range(len(group)), key=key)
