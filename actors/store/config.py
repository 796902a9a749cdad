"""Configuration of operational state: the database, the AuthSnapshot's polling and the webhook."""

from pathlib import Path

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr


class WebhookConfig(BaseModel):
    """Where messages to people are posted, signed with a shared secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: AnyHttpUrl
    secret: SecretStr = Field(min_length=16)
    """Key of the HMAC; the receiver holds the same one."""
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    """Of connecting, and of each wait for the receiver."""
    attempts: int = Field(default=4, ge=1, le=10)
    first_wait_s: float = Field(default=0.5, ge=0, le=10)
    """Wait before the second attempt; it doubles, with jitter, up to ``max_wait_s``."""
    max_wait_s: float = Field(default=10.0, ge=0, le=60)


class StoreConfig(BaseModel):
    """Operational tables and what follows from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: SecretStr | None = None
    """``postgresql://…`` on several nodes; without one, SQLite in ``home/state.db``."""
    pool_size: int = Field(default=4, ge=1, le=64)
    """Most connections of one process."""
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    """Longest wait for a connection, for a lock, and for one statement of PostgreSQL's."""
    auth_poll_ms: int = Field(default=250, ge=10, le=1000)
    """A revocation is promised to reach every replica within 2 s."""
    max_auth_bytes: int = Field(default=16_777_216, ge=1024, le=268_435_456)
    """Larger AuthSnapshots are refused unread (a key takes about 300 bytes)."""
    incident_queue: int = Field(default=256, ge=1, le=65_536)
    """Incidents that wait for the database in one process; more are logged only."""
    webhook: WebhookConfig | None = None

    def url(self, home: Path) -> str:
        """Return the database's URL; it may hold a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{home / 'state.db'}"
