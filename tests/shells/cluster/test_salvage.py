"""What can still be read of a configuration."""

from typing import Any

import pytest
import yaml

from actors.policy.config import PolicyConfig
from actors.store.config import StoreConfig
from cluster.config import load_profile, plain, read_config
from cluster.salvage import Salvaged, salvaged

HOOK = {"url": "http://127.0.0.1:9/hook", "secret": "s" * 16}
STORE: dict[str, Any] = {"webhook": HOOK, "timeout_s": 2.0}


@pytest.mark.parametrize("said", [True, False])
def test_of_a_whole_configuration_the_sections_are_those_in_force(*, said: bool) -> None:
    """Whoever goes by what can be read goes by the configuration where that can be read."""
    config = read_config(load_profile("cpu") | {"store": STORE, "policy": {"on_stale": "halt"}}, "x")
    assert salvaged(yaml.safe_dump(plain(config, said=said))) == Salvaged(
        config.store, config.policy, store_is_whole=True
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"supervisor": {"max_restarts": 3}},
        {"voters": "none"},
        {"store": STORE | {"removed": 1}},
        {"store": STORE | {"pool_size": 0, "auth_poll_ms": "soon", "removed": {"a": 1}}},
        {"store": STORE | {"webhook": HOOK | {"removed": 1, "attempts": 99}}},
        {"policy": "none"},
    ],
)
def test_a_key_that_is_refused_takes_no_other_with_it(broken: dict[str, Any]) -> None:
    """Unknown, out of bounds, of a wrong type, deep inside: the rest of the section is read."""
    kept = salvaged(yaml.safe_dump({"profile": "t", "store": STORE} | broken))
    assert kept.store == StoreConfig.model_validate(STORE)
    assert kept.store_is_whole == ("store" not in broken)


@pytest.mark.parametrize("hook", [{"url": "x"}, {"secret": "s" * 16}, HOOK | {"secret": "short"}, 7])
def test_a_receiver_that_cannot_be_made_whole_is_none(hook: object) -> None:
    """What it needs and does not have is no reason to lose the section."""
    store = salvaged(yaml.safe_dump({"store": {"webhook": hook, "timeout_s": 2.0}})).store
    assert store == StoreConfig(timeout_s=2.0)


@pytest.mark.parametrize("text", ["", "{", "- a", "a: 1\na: 2", "\ufffd", "store: {1: 2}", "store: []"])
def test_of_garbage_the_defaults_remain(text: str) -> None:
    """No mapping, duplicate keys, keys that are no names."""
    assert salvaged(text) == Salvaged(StoreConfig(), PolicyConfig(), store_is_whole=False)
