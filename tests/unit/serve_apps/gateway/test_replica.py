"""What a replica says of its voters."""

from types import SimpleNamespace
from typing import Any

from models.voter import VoterInfo
from serve_apps.gateway.replica import Gateway
from tests.unit.actors.consensus.world import snapshot


def test_models_tell_each_voter_s_state_whatever_layer_it_is_in() -> None:
    """A voter is active exactly if the policy in force lets it answer; one outside every layer may be either."""
    gateway: Any = Gateway.__new__(Gateway)
    states = {"a": "active", "b": "isolated", "c": "active"}
    gateway.policy = lambda: snapshot("ab", voter_state=states)
    gateway._voters = {name: SimpleNamespace(info=VoterInfo(name, name, name)) for name in "abcd"}
    told = {model["id"]: (model["weavergen"]["layers"], model["weavergen"]["state"]) for model in gateway.models()}
    assert told == {
        "consensus": (["primary"], "active"),
        "a": (["primary"], "active"),
        "b": (["primary"], "isolated"),
        "c": ([], "active"),
        "d": ([], "isolated"),
    }
