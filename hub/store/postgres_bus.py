"""The bus over PostgreSQL's LISTEN/NOTIFY, so that the database is all that replicas need to share.

One connection listens and one publishes; either is made again when it breaks. What was said while the listener was
away is lost, so once back it tells every subscriber that anything may have changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import get_args

from psycopg import AsyncConnection, Error, sql
from sqlalchemy import URL

from hub.errors import StoreUnavailable
from hub.store.bus import Bus, Subscription, Topic
from hub.store.sql.postgres import connect_options

_log = logging.getLogger(__name__)

PAYLOAD_LIMIT = 7000
PATIENCE_SECONDS = 10.0
"""How long connecting, publishing and a sign of life may take."""
SIGN_OF_LIFE_SECONDS = 20.0
"""How often the listener asks whether the server is still there: silence looks the same either way."""
RETRY_SECONDS = (0.1, 5.0)
"""The first and the longest pause between attempts to listen again."""

_PREFIX = "escadre_"
_BROKEN = (Error, OSError, TimeoutError)


class PostgresBus(Bus):
    """On the database of a URL. `open` before use."""

    def __init__(self, url: URL) -> None:
        self._options = connect_options(url)
        self._subscriptions: set[Subscription] = set()
        self._listening: asyncio.Task[None] | None = None
        self._publisher: AsyncConnection[object] | None = None
        self._publishing = asyncio.Lock()

    async def open(self) -> None:
        """Start to listen. Raises StoreUnavailable when the server does not answer."""
        try:
            listener = await self._listen()
        except _BROKEN as error:
            raise StoreUnavailable("the database does not answer; check the database URL and server") from error
        self._listening = asyncio.create_task(self._follow(listener))

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None
        async with self._publishing:
            await self._drop_publisher()

    async def publish(self, topic: Topic, payload: str = "") -> None:
        """As the bus says. When the database cannot be reached, only this replica's subscribers are told: the others'
        listeners lost their connections too, and hear that anything may have changed. Raises ValueError for a payload
        over 7,000 bytes or with a NUL."""
        if len(payload.encode()) > PAYLOAD_LIMIT or "\0" in payload:
            raise ValueError(f"a message of {topic} is longer than {PAYLOAD_LIMIT} bytes, or holds a NUL")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._publishing:
                await self._notify(_PREFIX + topic, payload)
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
                await self._publisher.execute("SELECT pg_notify(%s, %s)", (channel, payload))
                return
            except BaseException as error:
                await self._drop_publisher()
                if not isinstance(error, _BROKEN):
                    raise
        self._publisher = await AsyncConnection.connect(autocommit=True, **self._options)
        await self._publisher.execute("SELECT pg_notify(%s, %s)", (channel, payload))

    async def _drop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            with contextlib.suppress(*_BROKEN):
                await publisher.close()

    async def _listen(self) -> AsyncConnection[object]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            connection = await AsyncConnection.connect(autocommit=True, **self._options)
            try:
                for topic in get_args(Topic):
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(_PREFIX + topic)))
            except BaseException:
                await connection.close()
                raise
        return connection

    async def _follow(self, listener: AsyncConnection[object] | None) -> None:
        """Pass messages on for ever, listening again whenever the connection breaks."""
        first, longest = RETRY_SECONDS
        pause = first
        while True:
            try:
                if listener is None:
                    listener = await self._listen()
                    _log.info("the bus is connected again")
                    pause = first
                    for topic in get_args(Topic):
                        self._offer(topic, "")
                await self._receive(listener)
            except _BROKEN as error:
                _log.warning("the bus lost the database, connecting again: %s", type(error).__name__)
            finally:
                if listener is not None:
                    with contextlib.suppress(*_BROKEN):
                        await listener.close()
                    listener = None
            # Spread, so that replicas do not come back all in the same instant.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret depends on it
            pause = min(pause * 2, longest)

    async def _receive(self, listener: AsyncConnection[object]) -> None:
        while True:
            async for message in listener.notifies(timeout=SIGN_OF_LIFE_SECONDS):
                self._offer(message.channel.removeprefix(_PREFIX), message.payload)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await listener.execute("SELECT 1")
