"""What each kept answer takes of its API key's room, in an index that answers alone how much an API key holds."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, fill it, and put the index in the place of the one by API key."""
    op.add_column("kept_answers", sa.Column("room_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE kept_answers SET room_bytes = COALESCE(LENGTH(box), 0)")
    op.drop_index("ix_kept_answers_api_key_id", "kept_answers")
    op.create_index("ix_kept_answers_room", "kept_answers", ["api_key_id", "expires_at_ms", "room_bytes"])
