"""Ends the streams of clusters whose certificates were revoked, the moment it is known."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from hub.errors import HubError
from hub.fleet.registry import Registry
from hub.store.bus import Bus

log = logging.getLogger(__name__)

POLL_SECONDS = 30.0


class Revoked(Protocol):
    async def refresh(self) -> frozenset[str]: ...

    def __contains__(self, serial: str) -> bool: ...


async def watch_revocations(bus: Bus, revoked: Revoked, registry: Registry) -> None:
    """Drop revoked streams until cancelled: when told, and by looking now and then in case the message was lost."""
    async with bus.subscribe("revocations") as subscription:
        while True:
            messages: list[Any] = await subscription.next(timeout=POLL_SECONDS)
            try:
                await revoked.refresh()
            except HubError as error:
                log.error("revocations cannot be read: %s; tried again", error.message)
                continue
            named = {payload for _, payload in messages}
            for session in registry:
                if session.serial in revoked:
                    reason = "told" if session.cluster in named else "found"
                    log.info("cluster %s was revoked (%s): its stream ends", session.name, reason)
                    session.close("revoked", "this cluster's certificate was revoked")
