"""Run by Alembic for every command; the connection comes from `hub.store.schema`, never from an ini file."""

from alembic import context

from hub.store.models import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
)

with context.begin_transaction():
    context.run_migrations()
