"""How layers stand."""

import pytest
from msgspec.structs import replace

from actors.policy.snapshot import LayerRule
from serve_apps.gateway.layers import LayerStanding, deciding, standings
from tests.unit.actors.consensus.world import snapshot

LINEAGES = {"a": "x", "b": "x", "c": "y", "d": "z"}


def rule(name: str, members: str, min_lineages: int = 2) -> LayerRule:
    """Return a layer of voters with one letter each."""
    return LayerRule(
        name=name, members=list(members), quorum="0.6", min_lineages=min_lineages, min_n_eff="1.0", time_share="1.0"
    )


def stands(*layers: LayerRule, failing: str = "", own: str = "", isolated: str = "") -> tuple[LayerStanding, ...]:
    """Return how layers stand with some voters failing, some of them our own engines, some isolated."""
    made = snapshot("abcde", layers=list(layers))
    state = {**made.voter_state, **dict.fromkeys(isolated, "isolated")}
    return standings(replace(made, voter_state=state), LINEAGES, failing, own)


def test_a_voter_that_fails_does_not_answer() -> None:
    """Its lineage counts only through another voter of it; an engine of our own could be restarted, a foreign server not."""
    for failing, expected in (("", (3, 3)), ("a", (3, 3)), ("abd", (1, 2))):
        (layer,) = stands(rule("primary", "abcd"), failing=failing, own="abc")
        assert (layer.answering_lineages, layer.restartable_lineages) == expected
        assert layer.able is (expected[0] >= 2)


def test_every_member_says_how_it_stands() -> None:
    """Active, failing, isolated, or in the policy and not deployed."""
    (layer,) = stands(rule("primary", "abce"), failing="b", isolated="c")
    assert layer.members == {"a": "active", "b": "failing", "c": "isolated", "e": "missing"}


def test_independence_is_beside_all_layers_before() -> None:
    """By lineage: another voter of the same one is nothing new."""
    found = stands(rule("one", "ac"), rule("two", "bd"), rule("three", "bc"))
    assert [layer.independence for layer in found] == ["full", "partial", "none"]


def test_readiness_rests_on_layers_that_make_a_consensus() -> None:
    """A single voter's layer counts only where there is no other."""
    found = stands(rule("one", "ac"), rule("alone", "d", 1))
    assert [layer.name for layer in deciding(found)] == ["one"]
    assert deciding(found[1:]) == found[1:]


@pytest.mark.parametrize(("closed", "egress"), [("ab", "none"), ("abc", "none"), ("a", "open"), ("", "open")])
def test_a_layer_has_no_egress_if_none_of_it_has(closed: str, egress: str) -> None:
    """One voter with a network is one too many."""
    made = snapshot("abcd", layers=[rule("air-gapped", "ab", 1)])
    (layer,) = standings(made, LINEAGES, (), "", closed)
    assert layer.egress == egress
