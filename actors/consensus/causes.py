"""Why a layer ended without a winner, in the words that its record, its spans and the caller get. Pure.

Rules:
- One cause: the first of support, lineages, independence and lead that the group with the most support falls short of.
- No content, only numbers of the tally and of the rule that it was counted by.

Left out: when a deadline, a halt or a sandbox that failed ends a layer (``deliberation``).
"""

from actors.base.canonical import MICRO
from actors.consensus.screening.findings import Screening
from actors.consensus.tally import Rule, Tally
from actors.spans.record import LayerOutcome

HALTED_CAUSE = "generation was halted"
"""Cause of a layer that a halt ended."""
DEADLINE_NOTE = "no answer by the deadline"
NOT_COMPARED_CAUSE = "the candidates' behaviour could not be compared in time"
SANDBOX_CAUSE = "the sandbox could not run the candidates, and the prompt's examples were to be proven"
UNPROVEN: dict[str, LayerOutcome] = {NOT_COMPARED_CAUSE: "deadline", SANDBOX_CAUSE: "unavailable"}
"""Causes of a layer whose answers should have run and did not → how it ended."""
HOPELESS_CAUSE = "its voters could not form a quorum whatever they answered"
"""Cause of a layer in which nobody was asked."""
UNVOUCHED_CAUSE = "answers agree in what they do, but each has parts that most lineages did not write"
"""Cause of a layer whose answers agree and of which none is vouched for part by part."""
ALONE_NOTE = "one lineage alone uses"
BARRED_NOTE = "an earlier layer rejected it"
ISOLATED_NOTE = "isolated by policy"


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


def rejection(screening: Screening) -> str:
    """Say what was found first that cannot pass, without content."""
    found = next((finding for finding in screening.findings if finding.verdict == "reject"), None)
    return f"{found.rule} ({found.cwe}, line {found.line})" if found else "rejected"
