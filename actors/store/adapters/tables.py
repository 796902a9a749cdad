"""Operational tables. ``cluster/migrations`` builds the same ones; a test compares the two.

Times are Unix milliseconds. Lists and maps are JSON text: nothing queries inside them.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, text

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"},
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("policies", Text, nullable=False),
    Column("tier", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("contact", String(500), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("replaced_by", String(26)),
)

auth_versions = Table(
    "auth_versions",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
    Column("issued_at_ms", BigInteger, nullable=False),
    Column("keys", Integer, nullable=False),
)

policy_versions = Table(
    "policy_versions",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
    Column("issued_at_ms", BigInteger, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("target", String(200), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("author", String(200), nullable=False),
)

revoked_keys = Table(
    "revoked_keys",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("since_s", BigInteger, nullable=False),
    Column("noted_at_ms", BigInteger, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("level", String(32), nullable=False),
    Column("dedup_key", String(64), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("occurrences", BigInteger, nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("acked_at_ms", BigInteger),
    Column("acked_by", String(200)),
    # At most one open incident of a key, whatever races: acknowledging one lets the next occurrence open another.
    Index(
        "ux_incidents_open",
        "dedup_key",
        unique=True,
        sqlite_where=text("acked_at_ms IS NULL"),
        postgresql_where=text("acked_at_ms IS NULL"),
    ),
)

health_ticks = Table(
    "health_ticks",
    metadata,
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("score", Float, nullable=False),
    Column("levels", Text, nullable=False),
    Column("checks", Text, nullable=False),
    Column("predictions", Text, nullable=False),
    Column("alarms", Text, nullable=False),
)

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("slot", String(64), primary_key=True),
    Column("api_key_id", String(26), nullable=False),
    Column("request", String(64), nullable=False),
    Column("claim_id", String(26), nullable=False),
    # End of the claim's lease while ``box`` is null, of the kept answer's time afterwards.
    Column("expires_at_ms", BigInteger, nullable=False, index=True),
    Column("decision_id", String(26)),
    Column("box", LargeBinary),
    # What the row takes of its API key's room: its box, or while that is null the largest that may come.
    Column("room_bytes", BigInteger, nullable=False, server_default="0"),
    # How much an API key holds is read from this alone, whatever lies in its boxes.
    Index("ix_kept_answers_room", "api_key_id", "expires_at_ms", "room_bytes"),
)
