"""Accounts, their sessions, and the events people look back at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, select

from hub.domain.access import Account, Event, Session
from hub.store.contract import AccessStore
from hub.store.models import AccountRow, EventRow, SessionRow, table_of
from hub.store.sql.database import upsert
from hub.store.sql.facet import Facet, values_of

_ACCOUNTS = table_of(AccountRow)
_SESSIONS = table_of(SessionRow)
_EVENTS = table_of(EventRow)


class SqlAccess(Facet, AccessStore):
    async def put_account(self, account: Account) -> None:
        row = values_of(account) | {"created_at": account.created_at or self._now()}
        await self._database.write(lambda connection: upsert(connection, _ACCOUNTS, [row], keep=("created_at",)))

    async def get_account(self, name: str) -> Account | None:
        return await self._database.read(_get_account, name)

    async def list_accounts(self) -> list[Account]:
        return await self._database.read(_list_accounts)

    async def put_session(self, session: Session) -> None:
        row = values_of(session)
        await self._database.write(lambda connection: upsert(connection, _SESSIONS, [row]))

    async def get_session(self, hash: str) -> Session | None:
        return await self._database.read(_get_session, hash, self._now())

    async def remove_sessions(self, account: str, *, keep: str = "") -> None:
        removed = (_SESSIONS.c.account == account) & (_SESSIONS.c.hash != keep)
        await self._database.write(lambda connection: connection.execute(delete(_SESSIONS).where(removed)).close())

    async def add_events(self, events: Iterable[Event]) -> None:
        rows = [values_of(event) for event in events]
        if rows:
            await self._database.write(lambda connection: connection.execute(_EVENTS.insert(), rows).close())

    async def list_events(self, *, application: str = "", cluster: str = "", limit: int = 200) -> Sequence[Event]:
        query = select(*(column for column in _EVENTS.c if column.name != "id"))
        if application:
            query = query.where(_EVENTS.c.application == application)
        if cluster:
            query = query.where(_EVENTS.c.cluster == cluster)
        newest = query.order_by(_EVENTS.c.at.desc(), _EVENTS.c.id.desc()).limit(limit)
        return await self._database.read(_list_events, newest)


def _get_account(connection: Connection, name: str) -> Account | None:
    row = connection.execute(select(_ACCOUNTS).where(_ACCOUNTS.c.name == name)).mappings().one_or_none()
    return Account(**row) if row else None


def _list_accounts(connection: Connection) -> list[Account]:
    accounts = [Account(**row) for row in connection.execute(select(_ACCOUNTS)).mappings()]
    return sorted(accounts, key=lambda account: account.name)


def _get_session(connection: Connection, hash: str, now: datetime) -> Session | None:
    valid = (_SESSIONS.c.hash == hash) & (_SESSIONS.c.expires_at > now)
    row = connection.execute(select(_SESSIONS).where(valid)).mappings().one_or_none()
    return Session(**row) if row else None


def _list_events(connection: Connection, query: Select[Any]) -> list[Event]:
    return [Event(**row) for row in connection.execute(query).mappings()]
