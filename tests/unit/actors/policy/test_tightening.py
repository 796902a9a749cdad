"""Which changes are tightenings: a table of single changes, and the laws of a preorder."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from actors.base.canonical import decimal_str
from actors.policy.snapshot import GENESIS, Calibration, Epochs, Halt, LayerRule, PolicySnapshot, WeightsRef
from actors.policy.tightening import is_tighter
from tests.examples import examples

Change = Callable[..., PolicySnapshot]
Fields = Callable[[PolicySnapshot], dict[str, object]]
STATES = {"a": "active", "b": "active", "c": "active"}


def layer(**fields: object) -> Fields:
    """Change fields of the first layer."""
    return lambda base: {"layers": [msgspec.structs.replace(base.layers[0], **fields), *base.layers[1:]]}


def epochs(**fields: dict[str, int]) -> Fields:
    """Change invalidation epochs."""
    return lambda base: {"invalidation_epochs": msgspec.structs.replace(base.invalidation_epochs, **fields)}


def plain(**fields: object) -> Fields:
    """Change fields of the snapshot."""
    return lambda _: fields


TIGHTER: dict[str, Fields] = {
    "halt": plain(halt=Halt(True, "r", "b")),
    "voter isolated": plain(voter_state=STATES | {"b": "isolated"}),
    "voter forgotten, which isolates it": plain(voter_state={"a": "active", "b": "active"}),
    "isolated stranger": plain(voter_state=STATES | {"d": "isolated"}),
    "quorum up": layer(quorum="0.600001"),
    "lineages up": layer(min_lineages=3),
    "independence up": layer(min_n_eff="1.6"),
    "same number, other spelling": layer(quorum="0.6"),
    "similarity up": plain(thresholds={"similarity": "0.9", "mystery": "0.5"}),
    "a gap where there was none": plain(thresholds={"similarity": "0.8", "mystery": "0.5", "min_gap": "0.1"}),
    "epoch up": epochs(voter={"a": 2}),
    "new epoch": epochs(tenant={"t": 1}),
    "learning frozen": plain(learning_frozen=True),
}
LOOSER: dict[str, Fields] = {
    "voter added": plain(voter_state=STATES | {"d": "active"}),
    "quorum down": layer(quorum="0.599999"),
    "lineages down": layer(min_lineages=1),
    "independence down": layer(min_n_eff="1.499999"),
    "member added": layer(members=["a", "b", "c", "d"]),
    "member removed": layer(members=["a", "b"]),
    "members reordered": layer(members=["b", "a", "c"]),
    "more time": layer(time_share="0.8"),
    "less time": layer(time_share="0.6"),
    "renamed layer": layer(name="other"),
    "similarity down": plain(thresholds={"similarity": "0.7", "mystery": "0.5"}),
    "unknown threshold up": plain(thresholds={"similarity": "0.8", "mystery": "0.6"}),
    "unknown threshold down": plain(thresholds={"similarity": "0.8", "mystery": "0.4"}),
    "threshold removed": plain(thresholds={"similarity": "0.8"}),
    "threshold added": plain(thresholds={"similarity": "0.8", "mystery": "0.5", "new": "1"}),
    "least correlation added": plain(thresholds={"similarity": "0.8", "mystery": "0.5", "min_correlation": "0.5"}),
    "an error stated": plain(calibration={"strict": Calibration("0.05", "measured")}),
    "other weights": plain(weights=WeightsRef("cd" * 32)),
    "other screening": plain(screening_version="2"),
    "epoch down": epochs(voter={"a": 0}),
    "epoch removed": epochs(voter={}),
    "layers removed": lambda base: {"layers": base.layers[:1]},
    "first layer removed": lambda base: {"layers": base.layers[1:]},
    "layer added": lambda base: {
        "layers": [*base.layers, msgspec.structs.replace(base.layers[0], name="x", quorum="1.0")]
    },
    "layers swapped": lambda base: {"layers": base.layers[::-1]},
}


@pytest.mark.parametrize("name", TIGHTER)
def test_a_machine_may(base: PolicySnapshot, change: Change, name: str) -> None:
    """Each of these single changes is a tightening."""
    assert is_tighter(base, change(**TIGHTER[name](base)))


@pytest.mark.parametrize("name", LOOSER)
def test_a_machine_may_not(base: PolicySnapshot, change: Change, name: str) -> None:
    """Each of these single changes is none, even beside a halt."""
    assert not is_tighter(base, change(**LOOSER[name](base)))
    assert not is_tighter(base, change(**LOOSER[name](base), halt=Halt(True, "r", "b")))


def test_gap_and_least_correlation_only_rise(change: Change) -> None:
    """Once they are there a machine may raise both; lowering either, or taking it away, is an operator's."""
    held = change(thresholds={"min_gap": "0.200000", "min_correlation": "0.500000"})
    for name, other, holds in (
        ("min_gap", "0.3", True), ("min_gap", "0.1", False), ("min_gap", None, False),
        ("min_correlation", "0.6", True), ("min_correlation", "0.4", False), ("min_correlation", None, False),
    ):  # fmt: skip
        thresholds = {key: value for key, value in (held.thresholds | {name: other}).items() if value is not None}
        assert is_tighter(held, change(thresholds=thresholds)) == holds, (name, other)


def test_loosenings_of_a_tight_snapshot(change: Change) -> None:
    """Resuming, readmitting and thawing are none."""
    tight = change(halt=Halt(True, "r", "b"), voter_state=STATES | {"a": "isolated"}, learning_frozen=True)
    assert is_tighter(tight, tight)
    for fields in ({"halt": Halt(False, "", "")}, {"voter_state": STATES}, {"learning_frozen": False}):
        assert not is_tighter(tight, msgspec.structs.replace(tight, **fields))


def decimals(low: int, high: int) -> st.SearchStrategy[str]:
    """Draw a decimal from few values, so that equal ones are common."""
    return st.integers(low, high).map(lambda tenth: decimal_str(tenth * 100_000))


counters = st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), max_size=2)
layers = st.builds(
    LayerRule,
    name=st.just("primary"),
    members=st.sampled_from([["a", "b"], ["a", "b"], ["a"]]),
    quorum=decimals(5, 7),
    min_lineages=st.integers(1, 2),
    min_n_eff=decimals(10, 11),
    time_share=st.just("1.0"),
)
snapshots = st.builds(
    PolicySnapshot,
    version=st.integers(1, 9),
    issued_at=st.integers(0, 9),
    prev_sha256=st.just(GENESIS),
    layers=layers.map(lambda one: [one]),
    voter_state=st.dictionaries(st.sampled_from("ab"), st.sampled_from(["active", "isolated"]), max_size=2),
    weights=st.just(WeightsRef("ab" * 32)),
    thresholds=st.tuples(decimals(7, 9), st.just({}) | decimals(0, 2).map(lambda value: {"min_gap": value})).map(
        lambda drawn: {"similarity": drawn[0], **drawn[1]}
    ),
    halt=st.builds(Halt, on=st.booleans(), reason=st.sampled_from("xy"), by=st.just("z")),
    screening_version=st.just("none"),
    invalidation_epochs=st.builds(Epochs, voter=counters, rule=st.just({}), tenant=st.just({})),
    learning_frozen=st.booleans(),
)


@given(snapshots)
def test_reflexive(one: PolicySnapshot) -> None:
    """Nothing changed is a tightening."""
    assert is_tighter(one, one)


@st.composite
def tightened(draw: st.DrawFn, old: PolicySnapshot) -> PolicySnapshot:
    """Draw a snapshot that differs from ``old`` by tightenings only."""
    other = draw(snapshots)
    rule, drawn = old.layers[0], other.layers[0]
    return msgspec.structs.replace(
        old,
        halt=other.halt if other.halt.on else old.halt,
        learning_frozen=old.learning_frozen or other.learning_frozen,
        voter_state={v: s for v, s in old.voter_state.items() if s == "isolated" or draw(st.booleans())},
        thresholds={
            name: max(those.thresholds.get(name, "0.000000") for those in (old, other))
            for name in old.thresholds.keys() | other.thresholds.keys()
        },
        layers=[
            msgspec.structs.replace(
                rule,
                quorum=max(rule.quorum, drawn.quorum),
                min_lineages=max(rule.min_lineages, drawn.min_lineages),
            )
        ],
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_transitive_and_antisymmetric_in_force(data: st.DataObject) -> None:
    """A chain of tightenings is a tightening, and one that can be undone as a tightening changed nothing in force."""
    first = data.draw(snapshots)
    second = data.draw(tightened(first))
    third = data.draw(tightened(second))
    assert is_tighter(first, second)
    assert is_tighter(second, third)
    assert is_tighter(first, third)
    if is_tighter(third, first):
        assert third.halt.on == first.halt.on
        assert third.layers == first.layers
        assert all(third.isolated(voter) == first.isolated(voter) for voter in "ab")


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.filter_too_much])
@given(snapshots, snapshots, snapshots)
def test_transitive_for_any_three(first: PolicySnapshot, second: PolicySnapshot, third: PolicySnapshot) -> None:
    """Whatever three snapshots: if two steps are tightenings, so is both at once."""
    assume(is_tighter(first, second) or is_tighter(second, third))
    assert not (is_tighter(first, second) and is_tighter(second, third)) or is_tighter(first, third)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.filter_too_much])
@given(snapshots, snapshots)
def test_a_tightening_never_gives_back(old: PolicySnapshot, new: PolicySnapshot) -> None:
    """After any accepted pair: a halt stands, the isolated stay out, no bar is lower."""
    assume(is_tighter(old, new))
    assert new.halt.on or not old.halt.on
    assert not any(old.isolated(voter) and not new.isolated(voter) for voter in "abc")
    assert float(new.layers[0].quorum) >= float(old.layers[0].quorum)
    assert new.layers[0].members == old.layers[0].members
