"""Breakers of several voters: ejection and panic as causes of the same breaker."""

import pytest

from actors.consensus.breakers.circuits import Circuits
from actors.consensus.breakers.config import BreakerConfig, OutlierConfig
from actors.consensus.breakers.merging import Report
from actors.consensus.breakers.vocabulary import Denied, Permit, Transition, Verdict
from actors.consensus.breakers.window import Counts

WIDE = BreakerConfig(window_calls=100, minimum_calls=100, failure_rate=0.5, outliers=OutlierConfig(panic_below=0))
"""Nothing opens these before an ejection does, and nobody panics."""
NARROW = BreakerConfig(outliers=OutlierConfig(enabled=False))
"""The seed's breakers, no ejection, panic below one half."""


def call(
    circuits: Circuits, voter: str, verdict: Verdict, now_s: float, asked_s: float | None = None
) -> list[Transition]:
    """Make a call that is let in."""
    circuit = circuits.of(voter)
    permit, moves = circuit.admit(now_s)
    assert isinstance(permit, Permit), permit
    return [*moves, *circuit.settle(permit, verdict, now_s, asked_s)]


def denied(circuits: Circuits, voter: str, now_s: float) -> bool:
    """Tell whether a call is denied."""
    return isinstance(circuits.of(voter).admit(now_s)[0], Denied)


def test_an_outlier_s_breaker_opens_long_before_its_rate_would() -> None:
    """Five failures in a row eject it for 30 s; the others go on; it comes back as any open breaker does, by a probe."""
    circuits = Circuits(WIDE, [["a", "b", "c"]])
    moves = [move for _ in range(5) for move in call(circuits, "a", "sick", 0.0)]
    assert [(move.after, move.cause, move.until_s) for move in moves] == [("open", "outlier", 30.0)]
    assert (denied(circuits, "a", 29.9), denied(circuits, "b", 29.9)) == (True, False)
    assert [move.after for move in call(circuits, "a", "healthy", 30.0)] == ["half_open", "closed"]


def test_only_so_many_are_ejected_but_every_breaker_opens_by_its_own_rate() -> None:
    """The second of three is no outlier while the first is ejected; its own breaker is untouched by that bound."""
    circuits = Circuits(WIDE, [["a", "b", "c"]])
    for voter in "ab":
        for _ in range(5):
            call(circuits, voter, "sick", 0.0)
    assert (denied(circuits, "a", 1.0), denied(circuits, "b", 1.0)) == (True, False)
    for _ in range(95):
        call(circuits, "b", "sick", 1.0)
    assert circuits.views(1.0)["b"].cause == "failure_rate"


def test_success_and_late_failures_eject_nobody() -> None:
    """A success starts the count again; failures of calls let in before the breaker moved are not counted."""
    circuits = Circuits(WIDE, [["a"]])
    for verdict in ("sick", "sick", "sick", "sick", "healthy", "sick", "says_nothing"):
        assert call(circuits, "a", verdict, 0.0) == []
    circuit = circuits.of("a")
    late = [circuit.admit(0.0)[0] for _ in range(9)]
    circuits.force("a", "closed", 1.0)
    circuits.force("a", "none", 1.0)
    for permit in late:
        assert isinstance(permit, Permit)
        assert circuit.settle(permit, "sick", 2.0) == ()
    assert circuits.views(2.0)["a"].state == "closed"


def test_a_settled_call_is_no_second_failure() -> None:
    """Nobody is ejected by one call that ends five times."""
    circuits = Circuits(WIDE, [["a"]])
    circuit = circuits.of("a")
    permit, _ = circuit.admit(0.0)
    assert isinstance(permit, Permit)
    for _ in range(9):
        circuit.settle(permit, "sick", 0.0)
    assert circuits.views(0.0)["a"].state == "closed"


def sicken(circuits: Circuits, *voters: str, asked_s: float | None = None) -> None:
    """Open the breakers of these voters at 0."""
    for voter in voters:
        for _ in range(4):
            call(circuits, voter, "sick", 0.0)
        call(circuits, voter, "sick", 0.0, asked_s)


def test_below_the_panic_threshold_health_is_ignored() -> None:
    """Two of three are open and no other layer is there: all are asked, and what they answer changes no breaker."""
    circuits = Circuits(NARROW, [["a", "b", "c"]])
    sicken(circuits, "a")
    assert denied(circuits, "a", 1.0)
    sicken(circuits, "b")
    assert not denied(circuits, "a", 1.0)
    assert call(circuits, "b", "healthy", 1.0) == []
    assert circuits.views(1.0)["b"].state == "open"


def test_nobody_panics_while_later_layers_can_take_over() -> None:
    """All primaries are open and the backups are well: no primary is asked until it is probed."""
    circuits = Circuits(NARROW, [["a", "b", "c"], ["d", "e", "f"]])
    sicken(circuits, "a", "b", "c")
    assert all(denied(circuits, voter, 59.0) for voter in "abc")
    sicken(circuits, "d", "e")
    assert not any(denied(circuits, voter, 59.0) for voter in "abcdef")


def test_a_later_layer_that_is_half_ill_is_not_room_enough() -> None:
    """Two thirds of the backups are well: the primaries are asked although they are open, the ill backup is not."""
    circuits = Circuits(NARROW, [["a", "b", "c"], ["d", "e", "f"]])
    sicken(circuits, "a", "b", "c", "d")
    assert [denied(circuits, voter, 59.0) for voter in "abcd"] == [False, False, False, True]


def test_voters_that_an_operator_keeps_out_are_no_room() -> None:
    """Two of three are forced open: the third is asked although it is open."""
    circuits = Circuits(NARROW, [["a", "b", "c"]])
    sicken(circuits, "c")
    assert denied(circuits, "c", 0.0)
    circuits.force("a", "open", 0.0)
    circuits.force("b", "open", 0.0)
    assert not denied(circuits, "c", 0.0)


def test_what_a_breaker_does_is_told_although_a_call_passes_it() -> None:
    """Its probe was silent for too long while the others were open: the call is let in, and that it opened again is told."""
    circuits = Circuits(NARROW, [["a", "b", "c"]])
    sicken(circuits, "a", "b")
    circuits.of("a").admit(60.0)
    circuits.force("c", "open", 60.0)
    admitted, moves = circuits.of("a").admit(660.0)
    assert isinstance(admitted, Permit)
    assert [(move.after, move.cause) for move in moves] == [("open", "probes_silent")]


def test_in_panic_neither_an_operator_nor_the_voter_s_own_wish_is_ignored() -> None:
    """Forced open stays so; a voter that asked for 50 s is not asked before."""
    circuits = Circuits(NARROW, [["a", "b", "c"]])
    sicken(circuits, "a", "b", asked_s=50.0)
    sicken(circuits, "c")
    circuits.force("c", "open", 0.0)
    assert all(denied(circuits, voter, 49.0) for voter in "abc")
    assert (denied(circuits, "a", 50.0), denied(circuits, "c", 50.0)) == (False, True)


def test_a_voter_in_several_layers_has_one_breaker() -> None:
    """Open in one, open in all."""
    circuits = Circuits(NARROW, [["a", "b", "c"], ["a", "d"]])
    sicken(circuits, "a")
    assert list(circuits.views(0.0)) == ["a", "b", "c", "d"]
    assert denied(circuits, "a", 1.0)


def test_layers_that_share_their_voters_are_no_room_twice() -> None:
    """Two of three are open and the later layers are the same three: nobody else can take over, so health is ignored."""
    circuits = Circuits(NARROW, [["a", "b", "c"], ["b", "c"], ["c"]])
    sicken(circuits, "a", "b")
    assert not denied(circuits, "a", 1.0)


def test_a_single_voter_cools() -> None:
    """Nobody is left while it does, and yet it is not asked; then it is probed."""
    circuits = Circuits(NARROW, [["a"]])
    sicken(circuits, "a")
    assert denied(circuits, "a", 59.0)
    assert [move.after for move in call(circuits, "a", "healthy", 60.0)] == ["half_open", "closed"]


def test_what_others_report_reaches_the_voter_it_is_about() -> None:
    """It opens that one; a voter that is not asked here is passed over."""
    circuits = Circuits(NARROW, [["a", "b", "c"]])
    moved = circuits.hear({"a": [Report(Counts(), 20.0)], "b": [], "z": [Report(Counts(), 20.0)]}, 0.0)
    assert {voter: [move.cause for move in moves] for voter, moves in moved.items()} == {"a": ["replicas"]}
    assert circuits.reports(0.0) == dict.fromkeys("abc", Report(Counts(), 0.0))


def test_a_voter_without_a_layer_is_named() -> None:
    """It has no breaker."""
    with pytest.raises(KeyError, match="z"):
        Circuits(NARROW, [["a"]]).of("z")
