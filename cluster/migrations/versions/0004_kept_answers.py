"""Answers that are kept under a client's ``Idempotency-Key``."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "kept_answers",
        sa.Column("slot", sa.String(64), nullable=False),
        sa.Column("api_key_id", sa.String(26), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("claim_id", sa.String(26), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.String(26)),
        sa.Column("box", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("slot", name="pk_kept_answers"),
    )
    op.create_index("ix_kept_answers_api_key_id", "kept_answers", ["api_key_id"])
    op.create_index("ix_kept_answers_expires_at_ms", "kept_answers", ["expires_at_ms"])
