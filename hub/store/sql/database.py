"""What the store's statements run on: transactions off the event loop, whichever database is behind them.

A unit of work is a plain function of a connection. It is run in a thread, in one transaction, and MUST have no other
effect: it may be run again when its transaction was rolled back for a reason that is not its own.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, func, literal, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from hub.errors import StoreUnavailable
from hub.store.contract import StoreTrouble
from hub.store.models import CleanText
from hub.store.sql.errors import mapped_errors

P = ParamSpec("P")
T = TypeVar("T")
Work: TypeAlias = Callable[[Connection], T]
Rows: TypeAlias = Sequence[Mapping[str, Any]]

_CHANGES_LOCK = 0x65736361_00000001
"""PostgreSQL's advisory lock for transactions that hand out sequences or decide by what others write."""


class Database(ABC):
    """Runs work. Raises the hub's errors only: see `hub.store.sql.errors`."""

    trouble: StoreTrouble | None = None
    """Since a write failed; until one has changed something."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was begun, then release threads and connections."""

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _backup(self, path: str) -> None: ...

    @abstractmethod
    async def _read(self, work: Work[T]) -> T: ...

    @abstractmethod
    async def _write(self, work: Work[T]) -> T: ...

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Leaves nothing open when it fails."""
        try:
            with mapped_errors():
                await self._open()
        except BaseException:
            await self.close()
            raise

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a file that does not exist yet."""
        with mapped_errors():
            await self._backup(path)

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that only reads, on one snapshot."""
        with mapped_errors():
            return await self._read(lambda connection: work(connection, *args, **kwargs))

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work in a transaction of its own. When this returns, it is on disk."""
        troubled = self.trouble is not None

        def observed(connection: Connection) -> tuple[T, bool]:
            before = _changes(connection) if troubled else 0
            result = work(connection, *args, **kwargs)
            return result, troubled and _changes(connection) != before

        try:
            with mapped_errors():
                result, stored = await self._write(observed)
        except StoreUnavailable as error:
            since = self.trouble.since if self.trouble else datetime.now(UTC)
            self.trouble = StoreTrouble(error.message, since)
            raise
        if stored:
            # One that found nothing to change succeeds on a full disk as well, and says nothing.
            self.trouble = None
        return result


def _changes(connection: Connection) -> int:
    """Return a number that is another once this transaction has changed a row."""
    if connection.dialect.name == "postgresql":
        return int(bool(connection.scalar(text("SELECT txid_current_if_assigned() IS NOT NULL"))))
    return int(getattr(connection.connection.dbapi_connection, "total_changes", 0))


def serialize(connection: Connection) -> None:
    """Make this transaction the only one that has called this, until it ends. MUST come before its first statement.

    SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_CHANGES_LOCK)))


def take_sequences(connection: Connection, count: int) -> int:
    """Hand out `count` new sequences and return the first. The transaction MUST have called `serialize`."""
    last = connection.execute(_TAKE, {"name": "changes", "count": count}).scalar_one()
    return int(last) - count + 1


def newest_sequence(connection: Connection, name: str = "changes") -> int:
    return int(connection.execute(_NEWEST, {"name": name}).scalar_one())


def bump(connection: Connection, name: str) -> None:
    """Raise a counter by one."""
    connection.execute(_TAKE, {"name": name, "count": 1})


_TAKE = text("UPDATE sequences SET value = value + :count WHERE name = :name RETURNING value")
_NEWEST = text("SELECT value FROM sequences WHERE name = :name")


def one_of(connection: Connection, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return "column is one of the values" with a single parameter, so that any number is one cached statement."""
    wanted = list(values)
    if connection.dialect.name == "postgresql":
        return column == func.any(literal(wanted, ARRAY(CleanText)))
    items = func.json_each(json.dumps(wanted)).table_valued("value")
    return column.in_(select(items.c.value))


def pairs_among(
    connection: Connection, columns: tuple[ColumnElement[str], ColumnElement[str]], pairs: Collection[tuple[str, str]]
) -> ColumnElement[bool]:
    """Return "(first, second) is one of the pairs", with as few parameters."""
    if connection.dialect.name == "postgresql":
        lists = [literal([pair[i] for pair in pairs], ARRAY(CleanText)) for i in (0, 1)]
        rows = func.unnest(*lists).table_valued("first", "second").render_derived()
        return tuple_(*columns).in_(select(rows.c.first, rows.c.second))
    value = func.json_each(json.dumps(list(pairs))).table_valued("value").c.value
    return tuple_(*columns).in_(select(func.json_extract(value, "$[0]"), func.json_extract(value, "$[1]")))


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the dialect's insert, for its ON CONFLICT clauses, which both spell alike."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def upsert(connection: Connection, table: Table, rows: Rows, *, keep: Collection[str] = ()) -> None:
    """Insert rows, or update those whose primary key exists, but for the columns to `keep` as they are.

    They are taken in the order given; where others write the same rows unserialized, that order MUST be the key's.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = insert(connection, table)
    updated = {name: statement.excluded[name] for name in rows[0] if name not in keys and name not in keep}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=updated), rows)
