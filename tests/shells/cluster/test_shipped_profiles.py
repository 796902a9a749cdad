"""The profiles that ship, held against providers that fail."""

from collections.abc import Callable

import pytest

from cluster.config import PROFILES, Config, load_profile, read_config
from cluster.local_witnesses import co_located
from cluster.profile_policy import profile_rules
from models.errors import VoterFailed
from tests.unit.actors.consensus import conftest as consensus
from tests.unit.actors.consensus.world import CALLER, FunctionVoter, World, raises, request, says, voter

trust_chain = consensus.trust_chain
make_world = consensus.make_world
SHIPPED = sorted(path.stem for path in PROFILES.glob("*.yaml") if load_profile(path.stem).get("layers"))
DOWN = raises(VoterFailed("x", "cannot be connected to"))


def failing(config: Config) -> list[set[str]]:
    """Return what fails at a time: whatever the first layer has alone, or each of its voters where the others share them all."""
    first, *later = [set(layer.members) for layer in config.layers]
    alone = first.difference(*later)
    return [alone] if alone and later else [{member} for member in sorted(first)]


def voter_of(name: str, lineage: str, *, is_down: bool) -> FunctionVoter:
    """Return a voter of a profile."""
    return voter(name, DOWN if is_down else says("Paris"), lineage)


@pytest.mark.parametrize("profile", SHIPPED)
async def test_19_the_shipped_configuration_does_not_work_against_a_failing_primary(
    make_world: Callable[..., World], profile: str
) -> None:
    """Under its own layers and rules, as ``up`` makes a policy of them, the voters that are left answer."""
    config = read_config(load_profile(profile), profile)
    for down in failing(config):
        voters = [voter_of(item.id, item.lineage or item.id, is_down=item.id in down) for item in config.voters]
        world = make_world(*voters, config=config.consensus)
        rules = profile_rules(config)
        world.policy.publish(layers=rules.layers, thresholds=rules.thresholds)
        decision = await world.coordinator.generate(request(), CALLER)
        assert decision.candidate.content == "Paris"
        assert all(world.voters[name].asked for name in down)


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_every_shipped_profile_has_two_witnesses_of_its_machine(profile: str) -> None:
    """Nobody has to know of them to have them, and that they share the machine is said."""
    config = read_config(load_profile(profile), profile)
    assert (config.log.local_witnesses, co_located(config.log)) == (2, ("witness: co-located",))
