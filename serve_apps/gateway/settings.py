"""What one gateway replica is built from: a plain, frozen value that can be sent to another process."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actors.admission.config import AdmissionConfig
from actors.admission.idempotency_config import IdempotencyConfig
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.config import ConsensusConfig
from actors.consensus.retention.config import ContentConfig
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.screening.config import ScreeningConfig
from actors.policy.config import PolicyConfig
from actors.spans.config import LogConfig, SpansConfig
from actors.spans.otlp.config import OtlpConfig
from actors.store.config import StoreConfig


class PriceSettings(BaseModel):
    """What a million tokens cost, in dollars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None


class ServerSettings(BaseModel):
    """A voter behind a cloud provider, or behind another server that speaks its protocol."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    family: str
    lineage: str
    provider: Literal["openai", "anthropic", "gemini"] = "openai"
    model: str
    base_url: str | None = None
    """``None`` is the provider's own address."""
    context_tokens: int = 8192
    api_key_env: str | None = None
    """Environment variable that holds the server's API key; the key itself is no setting."""
    api_key_file: Path | None = None
    """File that holds it instead."""
    adapter: Literal["sdk", "thin"] | None = None
    stream: bool = False
    first_token_s: float = 60.0
    stall_s: float = 30.0
    max_tokens_name: str = "max_tokens"
    api_version: str | None = None
    price: PriceSettings | None = None


class RecordedSettings(BaseModel):
    """A file of recorded answers and the digest it must have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    sha256: str


class GatewaySettings(BaseModel):
    """Everything a replica needs beside the handles of local engines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    config_sha256: str
    profile: str
    system: str = ""
    """Digest of home and configuration; ``/readyz`` shows it, so that the supervisor knows its own gateway."""
    durability: str = "local"
    degraded: tuple[str, ...] = ()
    """What ``/readyz`` says of this installation for as long as it lasts (``root: co-located``)."""
    consensus: ConsensusConfig
    admission: AdmissionConfig = AdmissionConfig()
    max_replicas: int = Field(default=1, ge=1, le=128)
    """Replicas that there may be: among so many a key's limit is shared."""
    breakers: BreakerConfig = BreakerConfig()
    layers: tuple[tuple[str, ...], ...] = ()
    """Members of each layer, first asked first: where too few of one are well, health is ignored in it."""
    closed: tuple[str, ...] = ()
    """Voters that no network reaches."""
    screening: ScreeningConfig = ScreeningConfig()
    sandbox: SandboxConfig = SandboxConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    content: ContentConfig = ContentConfig()
    idempotency: IdempotencyConfig = IdempotencyConfig()
    policy: PolicyConfig
    spans: SpansConfig
    log: LogConfig = LogConfig()
    otlp: OtlpConfig = OtlpConfig()
    store: StoreConfig
    recorded: tuple[RecordedSettings, ...] = ()
    """Files of recorded answers; their voters are this replica's."""
    servers: tuple[ServerSettings, ...] = ()
    spend_per_day_usd: float | None = None
    """Cap on what priced voters cost in a day."""
    max_body_bytes: int = Field(default=4_194_304, ge=1024, le=67_108_864)
    body_timeout_s: float = Field(default=10.0, gt=0, le=600)
    """How long a client may take to send a request's body."""
    max_lookups: int = Field(default=16, ge=1, le=1024)
    """Look-ups of decisions under way at once; more are refused with 429."""
    max_feedback: int = Field(default=16, ge=1, le=1024)
    """Words of feedback under way at once; more are refused with 429."""
    max_connections: int = Field(default=256, ge=1, le=10_000)
    """Connections to one voter's HTTP server."""
    voter_timeout_s: float = Field(default=300.0, gt=0, le=3600)
    certificate_wait_s: float = Field(default=30.0, gt=0, le=600)
    """How long a starting replica waits for its writer certificate."""
    metrics_refresh_s: float = Field(default=1.0, gt=0, le=60)
    breakers_exchange_s: float = Field(default=1.0, gt=0, le=60)
    """How often replicas compare what their breakers saw."""

    @property
    def places(self) -> int:
        """Return how many requests of the hot path a replica may have under way, those included that wait."""
        return self.consensus.max_concurrent + self.admission.line.max_waiting
