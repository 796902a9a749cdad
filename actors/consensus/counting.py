"""From ballots to an end: which of them count, for which group, and by which of the policy's rules one wins.

Rules:
- Examples are gates: a group with a candidate that fails an example of the prompt cannot win, whatever its size. Its ballots
  stay dissent.
- ``strict`` and ``evidence`` take the layer's own rule first. Where nobody wins by it, ``evidence`` counts once more among the
  ballots that passed at least ``LEAST_EXAMPLES`` examples, and there one lineage suffices. An isolated voter stays dissent there
  too: it may have passed with another answer.
- Whoever is asked several times and passes once has guessed: a group of such a lineage alone takes two ballots to win by
  examples, whatever became of the others. Else a sibling that fails would make a guess evidence.
- A ballot that screening put out is dissent, as an isolated voter's: else keeping a voter out of the panel, whose sink it shared,
  would take away its weight against the rest of its lineage, and make a group win that had not.
- The record says of every ballot what is needed to count again: this module is what decides, and what replays.

Left out: how answers come into groups (``grouping``), and when counting is due (``deliberation``).
"""

from collections.abc import Collection, Sequence

import msgspec

from actors.base.canonical import MICRO
from actors.consensus.tally import NO_GROUP, Rule, Tally, Vote, could_agree, tally
from actors.spans.record import VoteOutcome

DISSENT: tuple[VoteOutcome, ...] = ("isolated", "screened_out")
"""Outcomes of ballots that take their part of their lineage's weight and side with every rival, whatever they said."""
LEAST_EXAMPLES = 2
"""Examples of the prompt that must have run before they are evidence."""


class Cast(msgspec.Struct, frozen=True):
    """One ballot as it is counted."""

    vote: Vote
    passed: int = 0
    """Examples of the prompt that its candidate passed."""


class Counted(msgspec.Struct, frozen=True):
    """The end of a count."""

    tally: Tally
    by_examples: bool = False
    """One that only examples vouch for has won."""


def barred_groups(casts: Collection[Cast], examples: int) -> frozenset[int]:
    """Return the groups that cannot win: somebody in them fails one of the ``examples`` that were run."""
    return frozenset(cast.vote.group for cast in casts if cast.vote.group != NO_GROUP and cast.passed < examples)


def admitted(casts: Sequence[Cast], examples: int) -> list[Vote]:
    """Return the votes as the tally may see them: those of barred groups are for nobody."""
    barred = barred_groups(casts, examples)
    return [msgspec.structs.replace(c.vote, group=NO_GROUP) if c.vote.group in barred else c.vote for c in casts]


def count(casts: Sequence[Cast], rule: Rule, policy: str, examples: int, *, seconded: bool = True) -> Counted:
    """Count the ballots under a policy; ``examples`` is how many of the prompt's have been run, 0 if none could be.

    ``seconded`` is whether one answer of a lineage asked several times is no evidence; in records from before it was.
    """
    votes = admitted(casts, examples)
    counted = tally(votes, rule)
    if counted.winner is None and policy == "evidence" and examples >= LEAST_EXAMPLES:
        evident = tally([v for v in votes if v.group != NO_GROUP or v.isolated], _one_lineage(rule))
        if evident.winner is not None and not (seconded and _is_guessed(casts, evident.winner.group)):
            return Counted(evident, by_examples=True)
    return Counted(counted)


def _is_guessed(casts: Sequence[Cast], group: int) -> bool:
    """Tell whether a group is one ballot of a lineage that was asked several times."""
    authors = [cast.vote.lineage for cast in casts if cast.vote.group == group]
    return len(authors) == 1 and [cast.vote.lineage for cast in casts].count(authors[0]) > 1


def has_answered(outcome: VoteOutcome, *, came: bool) -> bool:
    """Tell whether a ballot that is in no group was an answer all the same; ``came`` is whether there was one.

    What screening put out was one, and so is declining, and what cannot be read: else being rejected were being silent.
    """
    return outcome in ("screened_out", "refused") or (outcome == "invalid" and came)


def was_heard(casts: Sequence[Cast], answers: Sequence[bool], rule: Rule) -> bool:
    """Tell whether those that answered would have formed a quorum had they agreed; ``answers`` as ``has_answered`` says."""
    votes = [
        msgspec.structs.replace(cast.vote, outstanding=answered, isolated=cast.vote.isolated and not answered)
        for cast, answered in zip(casts, answers, strict=True)
    ]
    return could_agree(votes, rule)


def _one_lineage(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, min_lineages=1, min_n_eff_micro=MICRO)
