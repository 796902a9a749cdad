"""Voters behind HTTP, from their settings."""

from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import ConfigurationError
from actors.consensus.adapters.clock import SystemClock
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from models.providers.capped import CappedVoter, Purse
from models.providers.cloud import CloudVoter
from models.providers.sdk_clients import AnthropicSdk, GeminiSdk, OpenAISdk
from models.providers.spend import SpendLedger
from models.providers.thin import ThinUpstream
from models.voter import Voter
from serve_apps.gateway.servers import server_voters
from serve_apps.gateway.settings import PriceSettings, ServerSettings
from tests.unit.serve_apps.gateway.test_parts import settings_of


def remote(**more: Any) -> ServerSettings:
    """Return the settings of one voter behind a server."""
    base = {"id": "v", "family": "f", "lineage": "l", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    return ServerSettings(**base | more)


def made_of(tmp_path: Path, voter: ServerSettings, cap_micro: int | None = None) -> Voter:
    """Build one voter, under a cap or without one."""
    purse = None if cap_micro is None else Purse(SpendLedger(cap_micro))
    return server_voters(settings_of(tmp_path, servers=(voter,)), ConnectionPool(1), purse, SystemClock())[voter.id]


def sent_by(tmp_path: Path, voter: ServerSettings) -> bytes:
    """Return a request as the voter would send it."""
    made = made_of(tmp_path, voter)
    assert isinstance(made, OpenAIHttpVoter)
    return made._endpoint.encode(b"")


def test_a_voter_sends_the_key_it_was_given_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a key gets no authorization header at all; a key that was promised and is missing is refused."""
    monkeypatch.setenv("SOME_KEY", "s3cret")
    monkeypatch.delenv("NO_KEY", raising=False)
    assert b"Authorization: Bearer s3cret\r\n" in sent_by(tmp_path, remote(api_key_env="SOME_KEY"))
    assert b"Authorization" not in sent_by(tmp_path, remote())
    with pytest.raises(ConfigurationError, match="voter v: the environment variable NO_KEY"):
        sent_by(tmp_path, remote(api_key_env="NO_KEY"))


@pytest.mark.parametrize("base_url", ["ftp://h/v1", "h/v1", "http://h\r\nX: y/v1", "http://"])
def test_an_address_no_request_can_go_to_is_refused(tmp_path: Path, base_url: str) -> None:
    """The complaint is one line and names the voter and the field."""
    with pytest.raises(ConfigurationError, match="voter v: base_url") as caught:
        sent_by(tmp_path, remote(base_url=base_url))
    assert "\n" not in str(caught.value)


def test_a_key_is_never_part_of_a_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of two lines cannot be sent, and is not shown either."""
    monkeypatch.setenv("SOME_KEY", "s3c\nret")
    with pytest.raises(ConfigurationError) as caught:
        sent_by(tmp_path, remote(api_key_env="SOME_KEY"))
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "upstream"),
    [
        ({"provider": "openai", "adapter": "sdk"}, OpenAISdk),
        ({"provider": "openai", "adapter": "thin"}, ThinUpstream),
        ({"provider": "openai", "stream": True}, ThinUpstream),
        ({"provider": "anthropic", "base_url": None}, AnthropicSdk),
        ({"provider": "anthropic", "adapter": "thin"}, ThinUpstream),
        ({"provider": "gemini", "base_url": None}, GeminiSdk),
        ({"provider": "gemini", "adapter": "thin"}, ThinUpstream),
    ],
)
def test_a_provider_is_asked_through_its_sdk_unless_its_settings_say_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], upstream: type
) -> None:
    """Servers with OpenAI's protocol are mostly one's own: they are asked the thin way."""
    monkeypatch.setenv("SOME_KEY", "s3cret")
    made = made_of(tmp_path, remote(api_key_env="SOME_KEY", **more))
    assert isinstance(made, CloudVoter)
    assert isinstance(made._upstream, upstream)


def test_a_priced_voter_is_capped_and_another_is_not(tmp_path: Path) -> None:
    """A price is in dollars for a million tokens."""
    price = PriceSettings(input_usd=2.5, output_usd=10, cached_input_usd=1.25)
    made = made_of(tmp_path, remote(price=price), cap_micro=1)
    assert isinstance(made, CappedVoter)
    assert (made._price.input_micro, made._price.output_micro, made._price.cached_micro) == (
        2_500_000,
        10_000_000,
        1_250_000,
    )
    assert isinstance(made_of(tmp_path, remote(), cap_micro=1), OpenAIHttpVoter)


def test_a_key_may_lie_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    """One that others can read is refused by name, and never shown."""
    file = tmp_path / "key"
    file.write_text("s3cret\n")
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"voter v: others can read the file .*key: chmod 600") as caught:
        made_of(tmp_path, remote(api_key_file=file))
    assert "s3cret" not in str(caught.value)
    file.chmod(0o600)
    assert b"Authorization: Bearer s3cret\r\n" in sent_by(tmp_path, remote(api_key_file=file))
