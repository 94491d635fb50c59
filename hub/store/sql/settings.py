"""Small named values, and the store's own life: opening, closing, checking, copying."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hub.store.contract import Store, StoreTrouble
from hub.store.models import SettingRow, table_of
from hub.store.sql.database import insert, upsert
from hub.store.sql.facet import Facet

_SETTINGS = table_of(SettingRow)


class SqlSettings(Facet, Store):
    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def ping(self) -> None:
        await self._database.read(_get_setting, "")

    def trouble(self) -> StoreTrouble | None:
        return self._database.trouble

    async def backup(self, path: str) -> None:
        await self._database.backup(path)

    async def get_setting(self, key: str) -> str | None:
        return await self._database.read(_get_setting, key)

    async def put_setting(self, key: str, value: str, *, only_if_absent: bool = False) -> str:
        return await self._database.write(_put_setting, {"key": key, "value": value}, only_if_absent)


def _get_setting(connection: Connection, key: str) -> str | None:
    return connection.scalar(select(_SETTINGS.c.value).where(_SETTINGS.c.key == key))


def _put_setting(connection: Connection, row: dict[str, str], only_if_absent: bool) -> str:
    if only_if_absent:
        connection.execute(insert(connection, _SETTINGS).on_conflict_do_nothing(), row)
    else:
        upsert(connection, _SETTINGS, [row])
    return _get_setting(connection, row["key"]) or ""
