"""Named leases: of many replicas, one does the work, and another takes over when it dies.

A lease is a row with an expiry. Where replicas share a database, its clock is the only one that counts, so replicas
whose clocks disagree still agree on who holds what.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection, DateTime, delete, func, select

from hub.errors import StoreUnavailable
from hub.store.contract import Store
from hub.store.models import LeaseRow, table_of
from hub.store.sql.database import insert
from hub.store.sql.facet import Facet

_log = logging.getLogger(__name__)

_LEASES = table_of(LeaseRow)

RETRY_SECONDS = 0.5
"""How long after a failed renewal the next is tried."""


class SqlLeases(Facet, Store):
    @asynccontextmanager
    async def lease(self, name: str, holder: str, seconds: float) -> AsyncIterator[bool]:
        # Each use has a token of its own: two tasks of one holder exclude each other too.
        token = uuid4().hex
        asked = time.monotonic()
        if not await self._database.write(_take, name, holder, token, seconds, self._now()):
            yield False
            return
        keeper = _Keeper(asyncio.current_task())
        renewing = asyncio.create_task(self._renew(keeper, name, holder, token, seconds, asked))
        try:
            yield True
        except asyncio.CancelledError:
            if keeper.lost():
                raise StoreUnavailable(f'the lease "{name}" was lost: the database did not renew it in time') from None
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._release(name, token)

    async def end_leases(self, holder: str) -> int:
        return await self._database.write(_end, holder)

    async def _renew(self, keeper: _Keeper, name: str, holder: str, token: str, seconds: float, since: float) -> None:
        """Renew at a third of the time; when another may have it, stop the body that relies on it."""
        pause = seconds / 3
        while True:
            await asyncio.sleep(min(pause, max(since + seconds - time.monotonic(), 0)))
            asked = time.monotonic()
            if asked >= since + seconds:
                break
            try:
                async with asyncio.timeout(since + seconds - asked):
                    kept = await self._database.write(_take, name, holder, token, seconds, self._now())
            except (StoreUnavailable, TimeoutError) as error:
                _log.warning("lease %s: not renewed, trying again: %s", name, error)
                pause = min(RETRY_SECONDS, seconds / 10)
                continue
            if not kept:
                break
            since, pause = asked, seconds / 3
        keeper.stop()

    async def _release(self, name: str, token: str) -> None:
        try:
            await self._database.write(_give_back, name, token)
        except StoreUnavailable as error:
            _log.warning("lease %s: not given back, it ends by itself: %s", name, error)


class _Keeper:
    """Cancels the body of a lost lease, and knows that it was this which cancelled it."""

    def __init__(self, task: asyncio.Task[object] | None) -> None:
        self._task = task
        self._stopped = False

    def stop(self) -> None:
        if self._task is not None:
            self._stopped = True
            self._task.cancel()

    def lost(self) -> bool:
        """Whether the cancellation being handled was this one's, and nobody else's besides."""
        return self._stopped and self._task is not None and self._task.uncancel() == 0


def _take(connection: Connection, name: str, holder: str, token: str, seconds: float, now: datetime) -> bool:
    """Take a lease that is free or ended, or renew one's own."""
    if connection.dialect.name == "postgresql":
        now = connection.execute(select(func.clock_timestamp(type_=DateTime(timezone=True)))).scalar_one()
    row = {"name": name, "holder": holder, "token": token, "expires_at": now + timedelta(seconds=seconds)}
    statement = insert(connection, _LEASES)
    mine_or_over = (_LEASES.c.token == token) | (_LEASES.c.expires_at <= now)
    taken = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": holder, "token": token, "expires_at": row["expires_at"]},
        where=mine_or_over,
    )
    return connection.execute(taken.returning(_LEASES.c.name), row).one_or_none() is not None


def _give_back(connection: Connection, name: str, token: str) -> None:
    connection.execute(delete(_LEASES).where(_LEASES.c.name == name, _LEASES.c.token == token))


def _end(connection: Connection, holder: str) -> int:
    return connection.execute(delete(_LEASES).where(_LEASES.c.holder == holder)).rowcount
