"""Run by Alembic inside the transaction that ``upgrade`` opened."""

from alembic import context

from actors.store.adapters.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
