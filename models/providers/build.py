"""A provider's voter from its settings: the one place that knows which SDK and which protocol belong together."""

from dataclasses import dataclass, field
from typing import Literal

from models.http1 import ConnectionPool
from models.providers.anthropic_map import VERSIONS, Anthropic
from models.providers.cloud import CloudVoter, Limits
from models.providers.dialect import Dialect
from models.providers.gemini_map import Gemini
from models.providers.openai_map import OpenAI
from models.providers.sdk_clients import AnthropicSdk, GeminiSdk, OpenAISdk
from models.providers.thin import ThinUpstream
from models.providers.upstream import Upstream
from models.voter import VoterInfo

Provider = Literal["openai", "anthropic", "gemini"]
Adapter = Literal["sdk", "thin"]

BASE_URLS: dict[Provider, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach one model of one provider; the key is given apart, so that this can be shown."""

    provider: Provider
    model: str
    base_url: str | None = None
    """``None`` is the provider's own address."""
    adapter: Adapter = "sdk"
    stream: bool = False
    limits: Limits = field(default_factory=Limits)
    max_response_bytes: int = 4 << 20
    max_connections: int = 64
    max_tokens_name: str = "max_tokens"
    """What OpenAI's protocol calls the bound; its newer models want ``max_completion_tokens``."""
    api_version: str = VERSIONS[0]
    """The version of Anthropic's protocol; only 2023-06-01 takes ``temperature`` and ``top_p``."""


def dialect_of(settings: Settings) -> Dialect:
    """Return the provider's protocol."""
    match settings.provider:
        case "openai":
            return OpenAI(settings.max_tokens_name)
        case "anthropic":
            return Anthropic(settings.api_version)
        case "gemini":
            return Gemini()


def cloud_voter(info: VoterInfo, settings: Settings, key: str | None, pool: ConnectionPool) -> CloudVoter:
    """Return the voter; ``pool`` serves the thin adapter, an SDK has connections of its own."""
    dialect = dialect_of(settings)
    upstream = _upstream(settings, dialect, key, pool)
    return CloudVoter(info, dialect, upstream, settings.model, settings.limits, stream=settings.stream)


def _upstream(settings: Settings, dialect: Dialect, key: str | None, pool: ConnectionPool) -> Upstream:
    base_url = settings.base_url or BASE_URLS[settings.provider]
    size, width = settings.max_response_bytes, settings.max_connections
    if settings.adapter == "thin":
        return ThinUpstream(dialect, base_url, settings.model, key, pool, max_response_bytes=size)
    match settings.provider:
        case "openai":
            return OpenAISdk(dialect, base_url, key, max_response_bytes=size, max_connections=width)
        case "anthropic":
            return AnthropicSdk(dialect, base_url, key, max_response_bytes=size, max_connections=width)
        case "gemini":
            return GeminiSdk(dialect, base_url, settings.model, key, max_response_bytes=size, max_connections=width)
