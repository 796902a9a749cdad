"""The table of threats: whole, as its page shows it, and each claim with mutants."""

import pytest

from cluster.acceptance.tamper.mutate import MOMENTS, STRIKES
from cluster.acceptance.tamper.threats import BY_NAME, THREATS, Stage, Verdict, claimed, page, places
from cluster.node import REPOSITORY

KINDS = (
    "edit", "delete", "insert", "reorder", "duplicate", "truncate", "roll back", "fork", "replay", "write late", "re-sign a",
    "re-sign the log", "swap files", "flip bits in pages", "flip bits in footers", "flip bits in Delta", "flip bits in tiles",
    "flip bits in checkpoints", "flip bits in cosignatures", "remove cosignatures", "raise a number", "flip bits in a segment",
)  # fmt: skip


def test_the_page_is_the_table() -> None:
    """Write it again with ``python -m cluster.acceptance.tamper.threats`` when a claim changes."""
    assert (REPOSITORY / "docs" / "threats.md").read_text() == page()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tampering_is_judged(kind: str) -> None:
    """At every stage, with a reason each."""
    found = [threat for threat in THREATS if threat.name.startswith(kind)]
    assert found
    for threat in found:
        assert set(threat.cells) == set(Stage)
        assert all(len(cell.why) > 10 for cell in threat.cells.values())


def test_mutants_are_drawn_for_every_claim_and_for_nothing_else() -> None:
    """A cell without mutants would be words; a mutant without a cell would be held against nothing."""
    assert set(STRIKES) == set(places())
    assert set(MOMENTS) <= set(places())
    assert len(BY_NAME) == len(THREATS)


def test_what_is_witnessed_is_never_less_than_sealed() -> None:
    """Nothing that is noticed where rows are sealed goes unnoticed where witnesses have signed."""
    order = [Verdict.NOT_CLAIMED, Verdict.PROMISE, Verdict.LOCATED]
    for threat in THREATS:
        sealed, witnessed = (threat.cells[stage].verdict for stage in (Stage.SEALED, Stage.WITNESSED))
        if sealed in order:
            assert order.index(witnessed) >= order.index(sealed), threat.name


def test_rolling_back_and_splitting_the_view_are_the_witnesses_part() -> None:
    """Also where the attacker owns home and the log's key."""
    for name in ("roll back home", "fork", "re-sign the log", "delete everything"):
        found = claimed((name, Stage.SEALED)), claimed((name, Stage.WITNESSED))
        assert found == (Verdict.PROMISE, Verdict.LOCATED)
