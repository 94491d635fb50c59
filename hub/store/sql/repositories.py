"""Registered repositories, credential templates, and what hosts are believed by."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from hub.domain.pki import authority_purpose
from hub.domain.repository import HostTrust, SealedEntry
from hub.store.contract import RepositoryStore
from hub.store.models import AuthorityRow, HostTrustRow, RepositoryEntryRow, SettingRow, table_of
from hub.store.sql.database import one_of, upsert
from hub.store.sql.facet import Facet, values_of

_ENTRIES = table_of(RepositoryEntryRow)
_TRUST = table_of(HostTrustRow)
_AUTHORITIES = table_of(AuthorityRow)
_SETTINGS = table_of(SettingRow)


class SqlRepositories(Facet, RepositoryStore):
    async def put_entries(self, entries: Iterable[SealedEntry]) -> None:
        rows = sorted((values_of(entry) for entry in entries), key=lambda row: str(row["id"]))
        await self._database.write(lambda connection: upsert(connection, _ENTRIES, rows))

    async def list_entries(self) -> list[SealedEntry]:
        return await self._database.read(_list_entries)

    async def remove_entry(self, id: str) -> bool:
        return await self._database.write(_remove_entry, id)

    async def put_host_trust(self, trust: Iterable[HostTrust]) -> None:
        rows = sorted((values_of(item) | {"id": item.id} for item in trust), key=lambda row: str(row["id"]))
        await self._database.write(lambda connection: upsert(connection, _TRUST, rows))

    async def list_host_trust(self) -> list[HostTrust]:
        return await self._database.read(_list_trust)

    async def remove_host_trust(self, ids: Iterable[str]) -> int:
        return await self._database.write(_remove_trust, list(ids))

    async def reseal(self, again: Callable[[bytes, str], bytes]) -> int:
        return await self._database.write(_reseal, again)


def _list_entries(connection: Connection) -> list[SealedEntry]:
    query = select(_ENTRIES).order_by(_ENTRIES.c.kind, _ENTRIES.c.url, _ENTRIES.c.project)
    return [SealedEntry(**row) for row in connection.execute(query).mappings()]


def _remove_entry(connection: Connection, id: str) -> bool:
    return connection.execute(delete(_ENTRIES).where(_ENTRIES.c.id == id)).rowcount > 0


def _list_trust(connection: Connection) -> list[HostTrust]:
    columns = (column for column in _TRUST.c if column.name != "id")
    query = select(*columns).order_by(_TRUST.c.kind, _TRUST.c.server, _TRUST.c.subtype, _TRUST.c.id)
    return [HostTrust(**row) for row in connection.execute(query).mappings()]


def _remove_trust(connection: Connection, ids: list[str]) -> int:
    return connection.execute(delete(_TRUST).where(one_of(connection, _TRUST.c.id, ids))).rowcount


def _reseal(connection: Connection, again: Callable[[bytes, str], bytes]) -> int:
    count = 0
    for table, column, purposes in (
        (_AUTHORITIES, "private_key", lambda row: authority_purpose(row["id"])),
        (_ENTRIES, "sealed", lambda row: SealedEntry(row["id"], row["kind"], "", "", b"").purpose),
    ):
        count += _reseal_table(connection, table, column, purposes, again)
    return count + _reseal_settings(connection, again)


def _reseal_settings(connection: Connection, again: Callable[[bytes, str], bytes]) -> int:
    """Settings whose names begin so are encrypted for them, and text."""
    query = select(_SETTINGS).where(_SETTINGS.c.key.like("sealed/%")).with_for_update()
    rows = connection.execute(query).mappings().all()
    for row in rows:
        value = base64.b64encode(again(base64.b64decode(row["value"]), row["key"])).decode()
        connection.execute(update(_SETTINGS).where(_SETTINGS.c.key == row["key"]).values(value=value))
    return len(rows)


def _reseal_table(
    connection: Connection,
    table: Table,
    column: str,
    purpose: Callable[[Any], str],
    again: Callable[[bytes, str], bytes],
) -> int:
    count = 0
    for row in connection.execute(select(table).with_for_update()).mappings().all():
        # The private keys of retired authorities are destroyed: there is nothing to seal.
        if row[column]:
            sealed = again(row[column], purpose(row))
            connection.execute(update(table).where(table.c.id == row["id"]).values({column: sealed}))
            count += 1
    return count
