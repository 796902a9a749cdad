"""The servers and the profile that cloud voters are measured with."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from cluster.bench.cloud_systems import ADAPTERS, MODELS, PROVIDERS, direct, profile_of, providers
from cluster.bench.load import Target
from cluster.bench.systems import ANSWER, answer_of, completions
from cluster.config import load_profile, read_config
from models.providers.build import Adapter, Provider

PORTS: dict[Provider, int] = {"openai": 1, "anthropic": 2, "gemini": 3}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_profile_has_a_priced_voter_of_each_provider(tmp_path: Path, adapter: Adapter) -> None:
    """All go through the adapter that is measured, form the first layer, and spend under a cap, as in ``cloud``."""
    file = tmp_path / "bench.yaml"
    file.write_text(json.dumps(profile_of(PORTS, adapter)))
    config, cloud = read_config(load_profile(str(file)), "bench"), read_config(load_profile("cloud"), "cloud")
    assert [(voter.id, voter.provider, voter.adapter) for voter in config.voters] == [
        (provider, provider, adapter) for provider in PROVIDERS
    ]
    assert all(voter.price is not None and voter.api_key_env for voter in config.voters)
    assert [layer.members for layer in config.layers] == [PROVIDERS]
    assert config.budgets.spend_per_day_usd is not None
    assert config.breakers == cloud.breakers


def test_every_server_answers_in_its_own_protocol(tmp_path: Path) -> None:
    """What a server alone is sent is answered, a wrong key is not, and the peers' request is OpenAI's server's too."""
    with providers(tmp_path) as (ports, key):
        for provider, port in ports.items():
            assert ANSWER in _said(direct(provider, port, key))
            with pytest.raises(HTTPError, match=r"40[01]"):
                _said(direct(provider, port, "another"))
        assert answer_of(completions(ports["openai"], MODELS["openai"], key))["usage"]["completion_tokens"] == 8


def _said(target: Target) -> str:
    headers = {"Content-Type": "application/json", **target.headers}
    request = Request(target.url, target.body.encode(), headers)  # noqa: S310 - loopback
    with urlopen(request, timeout=10) as response:  # noqa: S310 - as above
        return str(response.read().decode())


def test_a_target_shows_no_key() -> None:
    """Keys are in headers, which are not told; what is sent names the model."""
    target = direct("openai", 1, "the-key")
    assert "the-key" not in repr(replace(target))
    assert json.loads(target.body)["model"] == MODELS["openai"]
