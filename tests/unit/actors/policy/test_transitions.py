"""Halt, resume, isolate, readmit as successors."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.base.errors import InvalidRequest, ModelNotFound, VersionConflict
from actors.policy.snapshot import GENESIS, Epochs, Halt, LayerRule, PolicySnapshot, WeightsRef
from actors.policy.tightening import is_tighter
from actors.policy.transitions import expect_version, frozen, halted, isolated, readmitted, resumed, successor, unfrozen

LATER = 1_800_000_000_000
Change = Callable[..., PolicySnapshot]


def test_a_successor_names_its_predecessor(base: PolicySnapshot) -> None:
    """The next version is one higher and carries the digest of the one before."""
    new = successor(base, LATER)
    assert (new.version, new.prev_sha256, new.issued_at) == (2, base.sha256, LATER)


def test_time_never_runs_backwards(base: PolicySnapshot) -> None:
    """A clock that was set back does not date a successor before its predecessor."""
    assert successor(base, 0).issued_at == base.issued_at


def test_halt_and_resume(base: PolicySnapshot) -> None:
    """A halt keeps reason and author and is a tightening; its resumption is none."""
    stopped = halted(base, "odd votes", "ann", LATER)
    assert stopped.halt == Halt(True, "odd votes", "ann")
    assert is_tighter(base, stopped)
    going = resumed(stopped, "looked into", "bob", LATER)
    assert going.halt == Halt(False, "looked into", "bob")
    assert not is_tighter(stopped, going)


def test_isolate_and_readmit(base: PolicySnapshot) -> None:
    """An isolation removes one voter and is a tightening; its readmission is none."""
    without = isolated(base, "b", LATER)
    assert [without.isolated(voter) for voter in "abc"] == [False, True, False]
    assert is_tighter(base, without)
    back = readmitted(without, "b", LATER)
    assert back.voter_state == base.voter_state
    assert not is_tighter(without, back)


def test_freeze_and_unfreeze(base: PolicySnapshot) -> None:
    """Freezing learning is a tightening; letting it go on is none."""
    still = frozen(base, LATER)
    assert still.learning_frozen
    assert is_tighter(base, still)
    going = unfrozen(still, LATER)
    assert not going.learning_frozen
    assert not is_tighter(still, going)
    for again in (lambda: frozen(still, LATER), lambda: unfrozen(going, LATER)):
        with pytest.raises(InvalidRequest, match="frozen"):
            again()


def test_nothing_to_do_is_said(base: PolicySnapshot) -> None:
    """A transition into the state that is in force is refused and says who was faster."""
    stopped = halted(base, "odd votes", "ann", LATER)
    with pytest.raises(InvalidRequest, match="already halted by ann: odd votes"):
        halted(stopped, "again", "bob", LATER)
    with pytest.raises(InvalidRequest, match="not halted"):
        resumed(base, "r", "b", LATER)
    with pytest.raises(InvalidRequest, match="already active"):
        readmitted(base, "a", LATER)
    with pytest.raises(InvalidRequest, match="already isolated"):
        isolated(isolated(base, "a", LATER), "a", LATER)


def test_a_member_without_a_state_can_be_readmitted(change: Change) -> None:
    """A layer's member that voter_state does not name counts as isolated, and can be named active."""
    forgotten = change(voter_state={"a": "active"})
    assert readmitted(forgotten, "c", LATER).voter_state == {"a": "active", "c": "active"}


def test_unknown_voters_are_named_with_the_known_ones(base: PolicySnapshot) -> None:
    """A misspelt voter is refused with the names there are."""
    with pytest.raises(ModelNotFound, match="a, b, c"):
        isolated(base, "zz", LATER)


@pytest.mark.parametrize(("reason", "by", "field"), [("", "x", "reason"), ("x" * 501, "x", "reason"), ("x", "", "by")])
def test_reason_and_author_are_bounded(base: PolicySnapshot, reason: str, by: str, field: str) -> None:
    """A halt needs a reason and an author of sensible length."""
    with pytest.raises(InvalidRequest) as caught:
        halted(base, reason, by, LATER)
    assert caught.value.param == field


def test_if_version(base: PolicySnapshot) -> None:
    """A decision made on another version is a conflict; without a version there is none."""
    expect_version(base, None)
    expect_version(base, 1)
    with pytest.raises(VersionConflict, match="version 1 is in force, not 2"):
        expect_version(base, 2)


class Transitions(RuleBasedStateMachine):
    """Any sequence of transitions keeps an unbroken chain and does what it says to one thing only."""

    def __init__(self) -> None:
        super().__init__()
        layer = LayerRule("primary", ["a", "b"], "0.6", 2, "1.5", "1.0")
        self.chain = [
            PolicySnapshot(
                1,
                0,
                GENESIS,
                [layer],
                {"a": "active", "b": "active"},
                WeightsRef("ab" * 32),
                {},
                Halt(False, "", ""),
                "none",
                Epochs({}, {}, {}),
                False,
            )
        ]
        self.stopped = False
        self.out: set[str] = set()

    @property
    def now(self) -> PolicySnapshot:
        """Return the newest snapshot."""
        return self.chain[-1]

    @precondition(lambda self: not self.stopped)
    @rule(at=st.integers(0, 10))
    def halt(self, at: int) -> None:
        """Halt."""
        self.chain.append(halted(self.now, "r", "b", at))
        self.stopped = True

    @precondition(lambda self: self.stopped)
    @rule(at=st.integers(0, 10))
    def resume(self, at: int) -> None:
        """Resume."""
        self.chain.append(resumed(self.now, "r", "b", at))
        self.stopped = False

    @rule(voter=st.sampled_from("ab"), at=st.integers(0, 10))
    def toggle(self, voter: str, at: int) -> None:
        """Isolate or readmit."""
        move = readmitted if voter in self.out else isolated
        self.chain.append(move(self.now, voter, at))
        self.out ^= {voter}

    @invariant()
    def state_is_what_was_asked_for(self) -> None:
        """Halt and isolation are exactly those asked for."""
        assert self.now.halt.on == self.stopped
        assert {voter for voter in "ab" if self.now.isolated(voter)} == self.out

    @invariant()
    def chain_is_unbroken(self) -> None:
        """Versions rise by one, digests link, time does not fall."""
        for before, after in zip(self.chain, self.chain[1:], strict=False):
            assert (after.version, after.prev_sha256) == (before.version + 1, before.sha256)
            assert after.issued_at >= before.issued_at


TestTransitions = Transitions.TestCase
TestTransitions.settings = settings(max_examples=30, stateful_step_count=15)
