"""Brings a database to the schema this code was written for, with Alembic, from the first table on."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from hub.errors import SchemaTooNew

_MIGRATION_LOCK = 0x65736361_00000002

# Alembic keeps the migration that runs in module globals, so one process migrates one database at a time.
_one_at_a_time = threading.Lock()


def upgrade(connection: Connection) -> None:
    """Migrate to the newest schema within the connection's transaction: all of it or nothing.

    Raises SchemaTooNew when the database is at a revision this code does not know.
    """
    if connection.dialect.name == "postgresql":
        # Replicas that start together take turns, however long it takes; the later ones find the work done.
        for limit in ("lock_timeout", "statement_timeout"):
            connection.execute(select(func.set_config(limit, "0", True)))
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    config = alembic_config(connection)
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"the database is at schema {current}, which this hub (newest: {script.get_current_head()}) does not know; "
            "run the hub version that wrote it, or a newer one, or restore the backup made before the upgrade"
        )
    if current != script.get_current_head():
        with _one_at_a_time:
            command.upgrade(config, "head")


def alembic_config(connection: Connection) -> Config:
    """Return what Alembic needs, without an ini file: the scripts' folder and an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
