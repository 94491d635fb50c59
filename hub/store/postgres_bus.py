"""The bus over PostgreSQL's LISTEN/NOTIFY, so that the database is all that replicas need to share.

One connection listens and one publishes; either is made again when it breaks. What was said while the listener was
away is lost, so once back it tells every subscriber that anything may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
from typing import Any, LiteralString, TypeAlias, get_args

from psycopg import AsyncConnection, Error, sql
from sqlalchemy import URL

from hub.errors import StoreUnavailable
from hub.store.bus import Bus, Subscription, Topic
from hub.store.sql.postgres import connect_options

_log = logging.getLogger(__name__)

PAYLOAD_LIMIT = 7000
PATIENCE_SECONDS = 10.0
"""How long a statement may take, and a publisher wait for its turn."""
SIGN_OF_LIFE_SECONDS = 20.0
"""How often the listener asks whether the server is still there: silence looks the same either way."""
RETRY_SECONDS = (0.1, 5.0)
"""The first and the longest pause between attempts to listen again."""

_PREFIX = "escadre_"
_BROKEN = (Error, OSError, TimeoutError)
_Connection: TypeAlias = AsyncConnection[Any]


class PostgresBus(Bus):
    """On the database of a URL. `open` before use."""

    def __init__(self, url: URL) -> None:
        self._options = connect_options(url)
        self._subscriptions: set[Subscription] = set()
        self._listening: asyncio.Task[None] | None = None
        self._listener: _Connection | None = None
        self._publisher: _Connection | None = None
        self._publishing = asyncio.Lock()

    async def open(self) -> None:
        """Start to listen. Raises StoreUnavailable when the server does not answer."""
        try:
            self._listener = await self._listen()
        except _BROKEN as error:
            raise StoreUnavailable("the database does not answer; check the database URL and server") from error
        self._listening = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None
        await self._drop_listener()
        async with self._publishing:
            await self._drop_publisher()

    async def publish(self, topic: Topic, payload: str = "") -> None:
        """As the bus says. When the database cannot be reached, only this replica's subscribers are told: the others'
        listeners lost their connections too, and hear that anything may have changed. Raises ValueError for a payload
        over 7,000 bytes or with a NUL."""
        if len(payload.encode()) > PAYLOAD_LIMIT or "\0" in payload:
            raise ValueError(f"a message of {topic} is longer than {PAYLOAD_LIMIT} bytes, or holds a NUL")
        try:
            # Others may be waiting for a server that does not answer; there is no sense in waiting for all of them.
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._publishing.acquire()
            try:
                await self._notify(_PREFIX + topic, payload)
            finally:
                self._publishing.release()
        except _BROKEN as error:
            _log.warning("the bus cannot publish, other replicas learn of it by polling: %s", type(error).__name__)
            self._offer(topic, payload)

    def _register(self, subscription: Subscription) -> None:
        self._subscriptions.add(subscription)

    def _unregister(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def _offer(self, topic: str, payload: str) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.offer(topic, payload)

    async def _notify(self, channel: str, payload: str) -> None:
        """Notify, once more on a new connection when the old one turns out to be broken."""
        if self._publisher is not None:
            try:
                await _execute(self._publisher, "SELECT pg_notify(%s, %s)", channel, payload)
                return
            except _BROKEN:
                await self._drop_publisher()
        self._publisher = await self._connect()
        await _execute(self._publisher, "SELECT pg_notify(%s, %s)", channel, payload)

    async def _drop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            with contextlib.suppress(*_BROKEN):
                await publisher.close()

    async def _connect(self) -> _Connection:
        return await AsyncConnection.connect(autocommit=True, **self._options)

    async def _listen(self) -> _Connection:
        connection = await self._connect()
        try:
            for topic in get_args(Topic):
                await _execute(connection, sql.SQL("LISTEN {}").format(sql.Identifier(_PREFIX + topic)))
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _follow(self) -> None:
        """Pass messages on for ever, listening again whenever the connection breaks."""
        first, longest = RETRY_SECONDS
        pause = first
        while True:
            try:
                if self._listener is None:
                    self._listener = await self._listen()
                    _log.info("the bus is connected again")
                    pause = first
                    for topic in get_args(Topic):
                        self._offer(topic, "")
                await self._receive(self._listener)
            except _BROKEN as error:
                _log.warning("the bus lost the database, connecting again: %s", type(error).__name__)
            await self._drop_listener()
            # Spread, so that replicas do not come back all in the same instant.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret depends on it
            pause = min(pause * 2, longest)

    async def _drop_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(*_BROKEN):
                await listener.close()

    async def _receive(self, listener: _Connection) -> None:
        while True:
            async for message in listener.notifies(timeout=SIGN_OF_LIFE_SECONDS):
                self._offer(message.channel.removeprefix(_PREFIX), message.payload)
            await _execute(listener, "SELECT 1")


async def _execute(connection: _Connection, query: LiteralString | sql.Composed, *parameters: str) -> None:
    """Execute within PATIENCE_SECONDS; a connection that takes longer is cut, and fails as any broken one.

    Cancelling would not do: psycopg then asks the server to cancel, and waits for its answer without end.
    """
    executing = asyncio.ensure_future(connection.execute(query, parameters))
    try:
        done, _ = await asyncio.wait({executing}, timeout=PATIENCE_SECONDS)
    except asyncio.CancelledError:
        _cut(connection)
        await asyncio.gather(executing, return_exceptions=True)
        raise
    if not done:
        _cut(connection)
    await executing


def _cut(connection: _Connection) -> None:
    with contextlib.suppress(OSError, Error), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
