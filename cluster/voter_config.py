"""The configuration of voters: what each provider needs, what means nothing to it, and what keys and calls may cost.

Rules:
- A key is never configuration: an environment variable or a file is named that holds it.
- A setting that would do nothing for a provider is refused, and so is a voter without what its provider needs.
- Where the profile caps a day's spending, voters of cloud providers, and of servers that take a key, say what their tokens cost:
  nothing else could be capped.

Left out: layers and everything else (``cluster.config``).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

OWN_VARIABLES = ("WEAVERGEN_", "RAY_")
Provider = Literal["vllm", "openai", "anthropic", "gemini", "recorded"]
SERVERS: tuple[Provider, ...] = ("openai", "anthropic", "gemini")
"""Providers whose models are asked over HTTP."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """A section: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceConfig(Frozen):
    """What a million tokens cost, in dollars."""

    input_usd: float = Field(ge=0, le=10_000)
    output_usd: float = Field(ge=0, le=10_000)
    cached_input_usd: float | None = Field(default=None, ge=0, le=10_000)
    """Of input that the provider had cached; the price of other input unless given."""


class VoterConfig(Frozen):
    """One voter: a local engine, a model of a cloud provider or behind a server with its protocol, or recorded answers."""

    id: Name
    provider: Provider
    weights: str | None = None
    """Catalogue entry of a local engine; ``None`` means the voter's own id. Family and lineage come from there."""
    revision: str | None = None
    """Hub commit of weights that the catalogue does not pin, together with ``sha256``."""
    sha256: Sha256 | None = None
    pool: Literal["cpu", "gpu"] = "cpu"
    egress: Literal["none", "open"] = "open"
    """``none`` closes a local engine off: it runs without any network and is asked over a socket in the file system. Members of a
    layer named ``air-gapped`` have none."""
    family: str | None = None
    lineage: str | None = None
    context_tokens: int | None = Field(default=None, ge=256, le=2_097_152)
    """Context of a server's model, 8192 unless given; a local engine's is in the catalogue."""
    model: str | None = None
    """Model name that the server knows."""
    base_url: str | None = None
    """Where the server is; ``anthropic`` and ``gemini`` have their provider's address unless given."""
    api_key_env: str | None = None
    """Environment variable of ``up`` that holds the server's API key; the key itself is never configuration."""
    api_key_file: Path | None = None
    """File that holds it instead, readable by its owner only."""
    adapter: Literal["sdk", "thin"] | None = None
    """What speaks with the server: the provider's own SDK, or our thin adapter, which takes a fraction of the processor's time
    and reads the same. The SDK unless given; for ``openai`` the thin one, since most servers with its protocol are one's own."""
    stream: bool | None = None
    """Let the server stream its answer: one that stops half way is noticed sooner, and how many asks it takes is learnt from its
    first tokens. Several times a whole answer's processor time; whole answers unless given. Not every server takes
    ``stream_options`` (Mistral's refuses them)."""
    first_token_s: float | None = Field(default=None, gt=0, le=600)
    """Longest wait for the beginning of a streamed answer, 60 s unless given."""
    stall_s: float | None = Field(default=None, gt=0, le=600)
    """Longest silence within a streamed answer, 30 s unless given."""
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = None
    """What an ``openai`` server calls the bound of an answer; ``max_tokens`` unless given."""
    api_version: str | None = None
    """Version of Anthropic's protocol; the SDK's own unless given."""
    price: PriceConfig | None = None
    """What its tokens cost, where ``budgets.spend_per_day_usd`` caps them."""

    @model_validator(mode="after")
    def _fits_provider(self) -> Self:
        missing = [name for name in _NEEDED[self.provider] if not getattr(self, name)]
        if missing:
            raise ValueError(f"{_A[self.provider]} voter needs {', '.join(missing)}")
        inert = [name for name in _NOTHING_TO[self.provider] if getattr(self, name) != _unset(name)]
        if inert:
            raise ValueError(
                f"{', '.join(inert)} would mean nothing to {_A[self.provider]} voter{_WHERE.get(self.provider, '')}"
            )
        if (self.revision is None) != (self.sha256 is None):
            raise ValueError("revision and sha256 pin weights together")
        if self.api_key_env and self.api_key_file:
            raise ValueError("api_key_env and api_key_file: one of them holds the key")
        if (self.first_token_s or self.stall_s) and not self.stream:
            raise ValueError("first_token_s and stall_s bound a streamed answer: set stream")
        return self

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            require_base_url(value)
        return value

    @field_validator("api_key_env")
    @classmethod
    def _reaches_replicas(cls, value: str | None) -> str | None:
        if value is not None:
            require_variable(value)
        return value

    @property
    def catalog_id(self) -> str:
        """Return the catalogue entry of a local engine."""
        return self.weights or self.id


_NEEDED: Mapping[Provider, Sequence[str]] = {
    "vllm": (), "openai": ("base_url", "model", "family", "lineage"), "anthropic": ("model", "family", "lineage"),
    "gemini": ("model", "family", "lineage"), "recorded": ("family", "lineage"),
}  # fmt: skip
_OF_ENGINES = ("weights", "revision", "sha256", "pool", "egress")
_OF_SERVERS = (
    "base_url", "model", "api_key_env", "api_key_file", "context_tokens", "adapter", "stream", "first_token_s", "stall_s",
    "price", "max_tokens_name", "api_version",
)  # fmt: skip
_NOTHING_TO: Mapping[Provider, Sequence[str]] = {
    "vllm": (*_OF_SERVERS, "family", "lineage"), "openai": (*_OF_ENGINES, "api_version"),
    "anthropic": (*_OF_ENGINES, "max_tokens_name"), "gemini": (*_OF_ENGINES, "max_tokens_name", "api_version"),
    "recorded": (*_OF_ENGINES, *_OF_SERVERS),
}  # fmt: skip
_A: Mapping[Provider, str] = {
    "vllm": "a vllm", "openai": "an openai", "anthropic": "an anthropic", "gemini": "a gemini", "recorded": "a recorded",
}  # fmt: skip
_WHERE: Mapping[Provider, str] = {"vllm": ": the catalogue has it"}


def _unset(name: str) -> object:
    return VoterConfig.model_fields[name].default


def require_variable(name: str) -> None:
    """Raise ``ValueError`` unless an environment variable of this name reaches the replicas."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is no name of an environment variable")
    if name.startswith(OWN_VARIABLES):
        raise ValueError(f"{name} does not reach the replicas: variables of {' and '.join(OWN_VARIABLES)} are ours")


def require_base_url(value: str) -> None:
    """Raise ``ValueError`` unless a server speaking OpenAI's protocol can be reached under this address."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{value!r} is no address ({error}); an IPv6 address stands in brackets") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or any(c.isspace() for c in value):
        raise ValueError(f"{value!r} is no address; write http://host:port/v1 or https://host/v1")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            f"{parts.scheme}://{parts.hostname}…: no query, fragment or user name belongs into it; keys go into api_key_env"
        )
