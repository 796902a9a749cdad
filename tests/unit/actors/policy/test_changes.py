"""What differs between two snapshots, and what of it is looser."""

from collections.abc import Callable

import msgspec

from actors.policy.changes import changes, loosened
from actors.policy.snapshot import Halt, PolicySnapshot
from actors.policy.transitions import halted, isolated, readmitted, successor

AT_MS = 1_800_000_000_000
Make = Callable[..., PolicySnapshot]


def test_a_successor_without_changes_changes_nothing(base: PolicySnapshot) -> None:
    """Version, predecessor and time are no changes of content."""
    assert changes(base, successor(base, AT_MS)) == []


def test_each_field_of_each_layer_is_judged_by_itself(base: PolicySnapshot, change: Make) -> None:
    """A lower quorum is looser even where the same change raises another bound."""
    primary = msgspec.structs.replace(base.layers[0], quorum="0.100000", min_lineages=3)
    found = changes(base, change(layers=[primary, base.layers[1]]))
    assert [(item.what, item.was, item.now, item.looser) for item in found] == [
        ("layer primary: quorum", "0.600000", "0.100000", True),
        ("layer primary: min_lineages", "2", "3", False),
    ]
    assert loosened(found) == "layer primary: quorum: 0.600000 → 0.100000"


def test_other_layers_are_one_change(base: PolicySnapshot, change: Make) -> None:
    """Layers of other names have no order: that is for an operator to judge."""
    found = changes(base, change(layers=[base.layers[1]]))
    assert [str(item) for item in found] == ["layers: primary, backup → backup (looser)"]


def test_voters_and_thresholds_are_named(base: PolicySnapshot, change: Make) -> None:
    """Isolation is tighter, readmission looser; so is a threshold that goes away."""
    apart = isolated(base, "b", AT_MS)
    assert [str(item) for item in changes(base, apart)] == ["voter_state b: active → isolated"]
    assert [str(item) for item in changes(apart, readmitted(apart, "b", AT_MS))] == [
        "voter_state b: isolated → active (looser)"
    ]
    found = changes(base, change(thresholds={"similarity": "0.900000"}))
    assert [(item.what, item.now, item.looser) for item in found] == [
        ("thresholds mystery", "none", True),
        ("thresholds similarity", "0.900000", False),
    ]


def test_a_lifted_halt_is_looser(base: PolicySnapshot, change: Make) -> None:
    """Going on is loosening, stopping is not."""
    stopped = halted(base, "r", "b", AT_MS)
    assert [item.looser for item in changes(base, stopped)] == [False]
    assert [item.looser for item in changes(stopped, change(halt=Halt(on=False, reason="", by="")))] == [True]
