"""Why a layer ended without a winner, in the words that its record, its spans and the caller get. Pure.

Rules:
- One cause: the first of support, lineages, independence and lead that the group with the most support falls short of.
- No content, only numbers of the tally and of the rule that it was counted by.

Left out: deadlines and halts, whose cause is not in the tally (``deliberation``).
"""

from actors.base.canonical import MICRO
from actors.consensus.tally import Rule, Tally
from actors.spans.record import LayerOutcome


def cause_of(outcome: LayerOutcome, counted: Tally, rule: Rule) -> str:
    """Return why nobody won a tally."""
    if outcome == "unavailable":
        return "too few voters gave a readable answer to form a quorum"
    if outcome == "screened_out":
        return "too few answers passed screening to form a quorum"
    best = counted.standings[0] if counted.standings else None
    if best is None or best.support_micro < rule.quorum_micro:
        return f"no group of answers reached the quorum (largest support {_two(best.support_micro if best else 0)})"
    if best.lineages < rule.min_lineages:
        return f"the largest group is of {best.lineages} lineages, policy asks for {rule.min_lineages}"
    if best.n_eff_micro < rule.min_n_eff_micro:
        counts, least = _two(best.n_eff_micro), _two(rule.min_n_eff_micro)
        return f"the largest group counts as {counts} independent votes, policy asks for {least}"
    leads, least = _two(best.support_micro), _two(rule.min_gap_micro)
    return f"another group comes too close to the largest (support {leads}, least lead {least})"


def _two(micro: int) -> str:
    return f"{micro / MICRO:.2f}"
