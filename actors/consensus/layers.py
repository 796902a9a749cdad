"""Which layer of a request is asked next, if any, and what it has for it. Pure.

Rules:
- A layer that was not *heard* (those that answered could not have formed a quorum had they agreed) fails over to the next one,
  whatever that asks for. Being late, failing and being cancelled is silence. Being rejected, declining, and answering what cannot
  be read are answers: else a question that everybody declines would be asked of ever weaker models.
- A layer that was heard and did not agree, or whose answers screening put out, escalates only to a layer that is *no weaker* and
  *new*: none of quorum, lineages, n_eff and lead is lower, and none of its lineages, on the panel or standing by, was asked
  before. So whoever makes a layer disagree gets no weaker jury, no other majority of the same voters, and takes no ballot along.
  Layers that may not be asked are passed over.
- Every layer that ended so far must allow the next one, not only the last.
- An answer, a halt, and what was to be proven and could not be (``UNPROVEN``) end the request: the sandbox is the same for all.
- The time that is left is divided by the shares of the layers that can still follow, so that what one did not use the others
  have, and none is kept for a layer that may not be asked any more. Which can is told before the layer is asked: those that
  might be asked if it stays silent, which allows most, and in which somebody could win.
- A request that ends in a silent layer ended by the last one before it that was heard and rejected or disagreed: who asked a
  further jury in vain knows what the first one said, and asking longer or again does not unsay it.
- What a layer rejected (by screening, by a sink that one lineage alone uses, by an example that fails) is barred from all later
  ones, by its bytes and by its form.

Left out: running a layer (``deliberation``), planning one (``planning``).
"""

from collections.abc import Iterable, Sequence

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.causes import HALTED_CAUSE, UNPROVEN
from actors.consensus.choosing import ballot_outcome
from actors.consensus.counting import has_answered, was_heard
from actors.consensus.standing import casts_of, examples_run, form_of, groups_of
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import Ballot, Plan, State
from actors.spans.record import LayerOutcome, LayerTried

_SILENT: tuple[LayerOutcome, ...] = ("unavailable", "deadline")
_REFUSED: tuple[LayerOutcome, ...] = ("disagreed", "screened_out")


class Ended(msgspec.Struct, frozen=True):
    """What of a layer that ended decides what may follow it."""

    outcome: LayerOutcome
    cause: str
    heard: bool
    rule: Rule
    lineages: frozenset[str]
    """Of everybody on its ballots."""


class Offer(msgspec.Struct, frozen=True):
    """What a layer that may come next brings."""

    rule: Rule
    lineages: frozenset[str]
    """Of its panel, without whom policy isolates."""
    everyone: frozenset[str]
    """Of all who may get a ballot in it."""


def may_follow(ended: Sequence[Ended], offer: Offer) -> bool:
    """Tell whether a layer may be asked after those that ended."""
    asked = frozenset(lineage for layer in ended for lineage in layer.lineages)
    return all(_allows(layer, offer, asked) for layer in ended)


def _allows(layer: Ended, offer: Offer, asked: frozenset[str]) -> bool:
    if layer.outcome == "agreed" or layer.cause in UNPROVEN or layer.cause == HALTED_CAUSE:
        return False
    was_silent = layer.outcome in _SILENT and not layer.heard
    new = offer.everyone.isdisjoint(asked) and len(offer.lineages) >= layer.rule.min_lineages
    return was_silent or (new and _is_no_weaker(layer.rule, offer.rule))


def _is_no_weaker(old: Rule, new: Rule) -> bool:
    return (
        new.quorum_micro >= old.quorum_micro
        and new.min_lineages >= old.min_lineages
        and new.min_n_eff_micro >= old.min_n_eff_micro
        and new.min_gap_micro >= old.min_gap_micro
    )


def no_weaker(old: Rule, new: Rule) -> Rule:
    """Return ``new`` with whatever of it is weaker as it was: a policy that loosens meanwhile loosens no request under way."""
    return msgspec.structs.replace(
        new,
        quorum_micro=max(old.quorum_micro, new.quorum_micro),
        min_lineages=max(old.min_lineages, new.min_lineages),
        min_n_eff_micro=max(old.min_n_eff_micro, new.min_n_eff_micro),
        min_gap_micro=max(old.min_gap_micro, new.min_gap_micro),
    )


def ended(state: State) -> Ended:
    """Return what of a concluded layer decides what may follow it."""
    if state.conclusion is None:
        raise ValueError("the layer is not over")
    outcome = state.conclusion.outcome
    answers = [has_answered(ballot_outcome(state, b), came=b.candidate is not None) for b in state.ballots]
    return Ended(
        outcome="unavailable" if outcome == "halted" else outcome,
        cause=state.conclusion.cause,
        heard=was_heard(casts_of(state, state.conclusion.groups), answers, state.plan.rule),
        rule=state.plan.rule,
        lineages=frozenset(ballot.seat.lineage for ballot in state.ballots),
    )


def offer(plan: Plan) -> Offer:
    """Return what a planned layer brings."""
    seated = frozenset(seat.lineage for seat in plan.seats if seat.voter not in plan.isolated)
    return Offer(plan.rule, seated, frozenset(seat.lineage for seat in (*plan.seats, *plan.spares)))


def following(tried: Sequence[State], plans: Iterable[Plan]) -> Plan | None:
    """Return the first of the plans of later layers that may be asked after those that were tried."""
    ends = [ended(state) for state in tried]
    return next((plan for plan in plans if may_follow(ends, offer(plan))), None)


def silent(plan: Plan) -> Ended:
    """Return the end of a planned layer that allows most to follow it: nobody in it is heard."""
    return Ended("unavailable", "", heard=False, rule=plan.rule, lineages=offer(plan).everyone)


def time_ms(left_ms: int, own_micro: int, later_micro: Iterable[int]) -> int:
    """Return the time of a layer: its share of what is left, beside those of the layers that can still follow it."""
    return left_ms * own_micro // (own_micro + sum(later_micro))


def deciding(tried: Sequence[LayerTried]) -> LayerTried:
    """Return the layer by which a request ended that tried these: the last, or, if that was silent, whichever spoke last."""
    last = tried[-1]
    if last.outcome not in _SILENT or last.cause in UNPROVEN or last.cause == HALTED_CAUSE:
        return last
    return next((layer for layer in reversed(tried) if layer.outcome in _REFUSED), last)


def barred(tried: Iterable[State]) -> frozenset[str]:
    """Return the digests of all that the layers rejected."""
    return frozenset(digest for state in tried for ballot in state.ballots for digest in _rejected(state, ballot))


def rejected_forms(state: State) -> list[str]:
    """Return the digests of the forms that a layer rejected, sorted."""
    forms = {form_of(b) or b.rejected_form for b in state.ballots if _is_rejected(state, b)}
    return sorted(forms - {""})


def _rejected(state: State, ballot: Ballot) -> list[str]:
    if not _is_rejected(state, ballot) or ballot.candidate is None:
        return []
    data = ballot.candidate.content.encode("utf-8", "surrogatepass")
    return [digest for digest in (sha256_hex(data), form_of(ballot) or ballot.rejected_form) if digest]


def _is_rejected(state: State, ballot: Ballot) -> bool:
    if ballot.outcome == "screened_out" or ballot.rejected_form:  # isolating its voter afterwards makes it no better
        return True
    passed = state.comparison.examples_passed.get(ballot.ask_id, 0) if state.comparison else 0
    return ballot.ask_id in groups_of(state) and passed < examples_run(state)


def independence(earlier: Iterable[str], members: Iterable[str]) -> str:
    """Tell how much of a layer is new beside the lineages of the layers before it: ``full``, ``partial`` or ``none``."""
    known, own = frozenset(earlier), frozenset(members)
    if known.isdisjoint(own):
        return "full"
    return "none" if own <= known else "partial"
