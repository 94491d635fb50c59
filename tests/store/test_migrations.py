from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Table, inspect, text

from hub.errors import SchemaTooNew
from hub.store import schema
from hub.store.models import METADATA
from hub.store.schema import upgrade
from hub.store.sql import SqlStore
from hub.store.sql import database as sql_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of one's own, to be tampered with."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/escadre.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def execute(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_models_and_migrations_agree(store: SqlStore) -> None:
    def difference(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)

    assert await store._database.read(difference) == []


async def test_the_comparison_would_notice(store: SqlStore) -> None:
    """A column added to a model alone, or to the database alone, is a difference."""

    def difference(connection: Connection) -> object:
        execute(connection, "ALTER TABLE clusters ADD COLUMN forgotten TEXT")
        return compare_metadata(MigrationContext.configure(connection), METADATA)

    assert "forgotten" in str(await store._database.write(difference))


async def test_each_tables_rows_lie_as_declared(store: SqlStore, database_url: str) -> None:
    """`compare_metadata` does not look at this, and the index of a fleet's assignments relies on it."""

    def declared(connection: Connection) -> str:
        query = text("SELECT sql FROM sqlite_master WHERE name = 'assignments'")
        return str(connection.execute(query).scalar_one())

    if database_url.startswith("sqlite"):
        assert "WITHOUT ROWID" in await store._database.read(declared)
    assert METADATA.tables["assignments"].dialect_options["sqlite"]["with_rowid"] is False


async def test_migrating_again_changes_nothing(store: SqlStore) -> None:
    await store.put_setting("a", "b")
    await store._database.write(upgrade)
    assert await store.get_setting("a") == "b"


def version(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


async def test_a_database_of_a_newer_hub(store: SqlStore, database_url: str) -> None:
    newest = await store._database.read(version)
    await store._database.write(execute, "UPDATE alembic_version SET version_num = '9999'")
    older = SqlStore(database_url)
    with pytest.raises(SchemaTooNew, match=r"9999.*restore the backup"):
        await older.open()
    # It touched nothing, and holds nothing open.
    await store._database.write(execute, f"UPDATE alembic_version SET version_num = '{newest}'")
    await older.open()
    await older.close()


async def test_a_migration_that_fails_leaves_nothing(
    store: SqlStore, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "alembic_config", _with_broken_step(tmp_path / "migrations"))
    newer = SqlStore(database_url)
    with pytest.raises(RuntimeError, match="half-way"):
        await newer.open()
    assert "half" not in await store._database.read(tables)
    monkeypatch.undo()
    await newer.open()
    await newer.close()


def _with_broken_step(directory: Path) -> object:
    shutil.copytree(Path(schema.__file__).parent / "migrations", directory)
    newest = max(int(path.name[:4]) for path in (directory / "versions").glob("0*.py"))
    (directory / "versions" / f"{newest + 1:04}_broken.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '{newest + 1:04}', '{newest:04}'\n"
        "def upgrade():\n"
        "    op.create_table('half', sa.Column('a', sa.Text(), primary_key=True))\n"
        "    raise RuntimeError('half-way')\n"
    )

    def config(connection: Connection) -> Config:
        made = Config()
        made.set_main_option("script_location", str(directory))
        made.attributes["connection"] = connection
        return made

    return config


def test_every_column_that_followers_search_has_an_index() -> None:
    for name in ("sequence", "application"):
        for table in METADATA.tables.values():
            if name in table.c:
                assert _is_indexed(table, name), f"{table.name}.{name}"


def _is_indexed(table: Table, column: str) -> bool:
    starts = [next(iter(index.columns)).name for index in table.indexes]
    return column in [*starts, next(iter(table.primary_key)).name]


def test_the_counters_that_are_used_exist() -> None:
    """`take_sequences` and `bump` update rows that only the first migration makes."""
    first = (Path(schema.__file__).parent / "migrations" / "versions" / "0001_first.py").read_text()
    assert "('changes', 0), ('clusters', 0)" in first
    assert sql_database.newest_sequence.__defaults__ == ("changes",)
