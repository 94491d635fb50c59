"""Who is connected, since when, and who has fallen silent."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

from escadre.v1 import agent_pb2 as pb
from hub.domain.cluster import Connection
from hub.errors import HubError
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SEEN_SECONDS = 60.0
"""How exact "last seen" is in the store: written for all at once, this often."""
SILENT_SECONDS = 3 * SEEN_SECONDS
"""A gateway that has not written for so long is dead, and nobody is connected to it."""


class Liveness:
    """One per gateway; `replica` names it in the store."""

    def __init__(self, store: Store, bus: Bus, registry: Registry, replica: str, heartbeat_seconds: float) -> None:
        self._store = store
        self._bus = bus
        self._registry = registry
        self._replica = replica
        self.heartbeat_seconds = heartbeat_seconds
        self._dirty: dict[str, Connection] = {}
        self._gone: dict[tuple[str, str], datetime] = {}

    async def start(self) -> None:
        """Nobody is connected to a gateway that has just started, whatever it wrote before it died."""
        await self._store.disconnect_replica(self._replica, datetime.now(UTC))

    def connected(self, session: Session) -> None:
        self._dirty[session.cluster] = self._connection(session)

    def disconnected(self, session: Session) -> None:
        # A session that was brief is written all the same, so that it is known when it ended.
        self._gone[(session.cluster, session.id)] = datetime.now(UTC)

    async def run(self) -> None:
        """Beat, notice the silent, and write, until cancelled."""
        seen = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            self._beat(now)
            due = now - seen > SEEN_SECONDS
            if due:
                seen = now
                self._dirty.update({s.cluster: self._connection(s) for s in self._registry})
            try:
                await self.flush()
                if due:
                    await self._give_up_dead_gateways()
            except HubError as error:
                log.error("liveness cannot be written: %s; tried again", error.message)

    async def _give_up_dead_gateways(self) -> None:
        for cluster in await self._store.disconnect_silent(datetime.now(UTC) - timedelta(seconds=SILENT_SECONDS)):
            log.warning("cluster %s was connected to a gateway that is gone", cluster)
            await self._bus.publish("clusters", cluster)

    def _beat(self, now: float) -> None:
        beat = pb.HubMessage(heartbeat=pb.Heartbeat(sent_ms=time.time_ns() // 1_000_000))
        wall = time.time()
        for session in self._registry:
            if now - session.heard > 3 * self.heartbeat_seconds:
                session.close("silent", "nothing heard for three heartbeats")
            elif wall > session.expires_at:
                session.close("expired", "the certificate this stream was opened with has expired")
            elif now - session.beat >= self.heartbeat_seconds:
                session.beat = now
                session.put_control("heartbeat", beat)

    async def flush(self) -> None:
        dirty, self._dirty = self._dirty, {}
        gone, self._gone = self._gone, {}
        try:
            if dirty:
                await self._store.put_connections(dirty)
                dirty = {}
                await self._bus.publish("clusters")
            while gone:
                (cluster, session), at = next(iter(gone.items()))
                await self._store.disconnect(cluster, session, at)
                del gone[(cluster, session)]
                await self._bus.publish("clusters", cluster)
        except HubError:
            self._dirty = dirty | self._dirty
            self._gone = gone | self._gone
            raise

    def _connection(self, session: Session) -> Connection:
        return Connection(
            replica=self._replica,
            session=session.id,
            changed_at=datetime.fromtimestamp(session.connected_at, UTC),
            last_seen_at=datetime.now(UTC),
            agent_version=session.agent_version,
            simulated=session.simulated,
        )
