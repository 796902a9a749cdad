"""What a replica says of its voters and of itself."""

from types import SimpleNamespace
from typing import Any

import pytest

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


@pytest.fixture
def gateway() -> Any:
    """Make a whole replica of which nothing runs: each part says what readiness asks of it."""
    made: Any = Gateway.__new__(Gateway)
    view = SimpleNamespace(snapshot=snapshot("ab"), stale=False, halted=lambda _: False)
    made._parts = SimpleNamespace(policy=SimpleNamespace(current=view), auth=SimpleNamespace(current=object()))
    made._clock = SimpleNamespace(monotonic=lambda: 0.0)
    made._voters = {name: SimpleNamespace(info=VoterInfo(name, name, name)) for name in "ab"}
    made._own = frozenset("ab")
    made._health = SimpleNamespace(failing=list)
    made._coordinator = SimpleNamespace(weights_problem=str)
    made._wal = SimpleNamespace(unavailable_because="")
    made._spans = SimpleNamespace(problem="")
    made._log = SimpleNamespace(seconds_left=lambda _: 100.0)
    made._settings = SimpleNamespace(degraded=())
    return made


FAULTS: dict[str, tuple[str, str, object, bool]] = {
    "no policy": ("_parts.policy", "current", None, False),
    "no keys": ("_parts.auth", "current", None, False),
    "unusable weights": ("_coordinator", "weights_problem", lambda: "gone", False),
    "full log": ("_wal", "unavailable_because", "full", False),
    "expired certificate": ("_log", "seconds_left", lambda _: 0.0, False),
    "silent voter": ("_health", "failing", lambda: ["a"], False),
    "halted": ("_parts.policy.current", "halted", lambda _: True, True),
    "stale policy": ("_parts.policy.current", "stale", True, True),
    "spans without a table": ("_spans", "problem", "away", True),
    "co-located keys": ("_settings", "degraded", ("root: co-located",), True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_readiness_asks_every_part(gateway: Any, fault: str) -> None:
    """A whole replica is ready and degraded in nothing; a fault of any one part shows, as a reason or as degraded."""
    judged = gateway.readiness()
    assert (judged.ready, judged.reasons, judged.degraded) == (True, [], [])
    path, name, value, ready = FAULTS[fault]
    part = gateway
    for step in path.split("."):
        part = getattr(part, step)
    setattr(part, name, value)
    judged = gateway.readiness()
    assert judged.ready is ready
    assert judged.degraded if ready else judged.reasons
