"""Has every agent know the system-wide settings: on connect when it holds others, and whenever they change."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from escadre.v1 import agent_pb2 as pb
from hub.domain.cluster import Cluster
from hub.domain.manifest import digest_of
from hub.domain.settings import NO_SETTINGS_DIGEST, SETTING, SystemSettings, decode
from hub.errors import HubError
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Current:
    content: bytes
    digest: str


class SettingsFeed:
    """One per gateway."""

    def __init__(self, store: Store, bus: Bus, registry: Registry) -> None:
        self._store = store
        self._bus = bus
        self._registry = registry
        self._current = _Current(SystemSettings().content(), NO_SETTINGS_DIGEST)

    async def start(self) -> None:
        """Read what is set now. Raises HubError."""
        content = decode(await self._store.get_setting(SETTING)).content()
        self._current = _Current(content, digest_of(content))

    def greet(self, session: Session, hello: pb.Hello, cluster: Cluster) -> None:
        """Send an agent that has just connected what is set, if it holds something else."""
        session.cluster_names = tuple(filter(None, (cluster.name, cluster.server or hello.capabilities.server[:500])))
        session.settings_digest = hello.settings_digest.hex() or NO_SETTINGS_DIGEST
        self._tell(session)

    async def run(self) -> None:
        """Tell the agents connected here of every change until cancelled: when the bus says so, and by looking now and
        then in case the message was lost."""
        async with self._bus.subscribe("settings") as subscription:
            while True:
                try:
                    await self.start()
                except HubError as error:
                    log.error("settings cannot be read: %s; tried again", error.message)
                for session in self._registry:
                    self._tell(session)
                await subscription.next(timeout=POLL_SECONDS)

    def _tell(self, session: Session) -> None:
        current = self._current
        if session.settings_digest in ("", current.digest):
            return
        settings = pb.Settings(
            content=current.content, digest=bytes.fromhex(current.digest), cluster_names=session.cluster_names
        )
        session.put_control("settings", pb.HubMessage(settings=settings))
        session.settings_digest = current.digest
