"""Voters behind HTTP: cloud providers and servers that speak their protocols, each from its settings.

Rules:
- A server that speaks OpenAI's protocol and streams nothing is asked by the voter that costs least (``models.openai_http``),
  unless its settings name an adapter or a price.
- A priced voter asks only while the day's money lasts; what is spent is shared by all of this replica's voters.
- A key comes from the environment variable or the file that the settings name, and from nowhere else.
"""

from collections.abc import Mapping
from dataclasses import replace

from actors.base.canonical import MICRO
from actors.base.errors import ConfigurationError
from actors.consensus.ports import Clock
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from models.providers.build import Adapter, Provider, Settings, cloud_voter
from models.providers.capped import CappedVoter, HoldsLedger
from models.providers.cloud import Limits
from models.providers.keys import KeyMissing, read_key
from models.providers.prices import Price
from models.voter import Voter, VoterInfo
from serve_apps.gateway.settings import GatewaySettings, PriceSettings, ServerSettings

_ADAPTERS: Mapping[Provider, Adapter] = {"openai": "thin", "anthropic": "sdk", "gemini": "sdk"}
"""What speaks with a server whose settings name no adapter."""


def server_voters(
    settings: GatewaySettings, pool: ConnectionPool, purse: HoldsLedger | None, clock: Clock
) -> dict[str, Voter]:
    """Return the voters behind HTTP servers; raise ``ConfigurationError`` if a key they need is not there."""
    return {item.id: _voter(item, settings, pool, purse, clock) for item in settings.servers}


def _voter(
    item: ServerSettings, settings: GatewaySettings, pool: ConnectionPool, purse: HoldsLedger | None, clock: Clock
) -> Voter:
    info, key = VoterInfo(item.id, item.family, item.lineage, item.context_tokens), _api_key(item)
    try:
        if item.provider == "openai" and item.adapter is None and not item.stream and item.price is None:
            return OpenAIHttpVoter(info, str(item.base_url), item.model, key, pool, timeout_s=settings.voter_timeout_s)
        voter = cloud_voter(info, _settings(item, settings), key, pool)
    except ValueError as error:  # an address or a key that no request could carry; its text may hold the key
        raise ConfigurationError(
            f"voter {item.id}: base_url must be a whole http or https address, and the key one line"
        ) from error
    if item.price is None or purse is None:
        return voter
    return CappedVoter(voter, _price(item.price), purse, lambda: clock.time_ns() / 1e9)


def _settings(item: ServerSettings, settings: GatewaySettings) -> Settings:
    limits = Limits(settings.voter_timeout_s, item.first_token_s, item.stall_s)
    made = Settings(
        item.provider, item.model, item.base_url, item.adapter or _ADAPTERS[item.provider], item.stream, limits,
        max_connections=settings.max_connections, max_tokens_name=item.max_tokens_name,
    )  # fmt: skip
    return made if item.api_version is None else replace(made, api_version=item.api_version)


def _price(price: PriceSettings) -> Price:
    cached = price.cached_input_usd
    return Price(
        round(price.input_usd * MICRO),
        round(price.output_usd * MICRO),
        None if cached is None else round(cached * MICRO),
    )


def _api_key(item: ServerSettings) -> str | None:
    if item.api_key_env is None and item.api_key_file is None:
        return None
    try:
        return read_key(env=item.api_key_env, file=item.api_key_file)
    except KeyMissing as error:
        raise ConfigurationError(
            f"voter {item.id}: {error}, for `weavergen up`, or leave it out if the server needs no key"
        ) from error
