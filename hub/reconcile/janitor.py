"""Keeps what is kept from growing for ever: once an hour, in small steps."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from hub.errors import HubError
from hub.source.sources import Sources
from hub.store.contract import Store

log = logging.getLogger(__name__)

FIRST_SECONDS = 300.0
EVERY_SECONDS = 3600.0


class Janitor:
    def __init__(self, store: Store, sources: Sources) -> None:
        self._store = store
        self._sources = sources

    async def run(self) -> None:
        """Collect until cancelled."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                await self.collect()
            except HubError as error:
                log.error("collecting: %s; tried again in an hour", error.message)
            await asyncio.sleep(EVERY_SECONDS)

    async def collect(self) -> None:
        """One round over store and mirrors."""
        removed = await self._store.collect(datetime.now(UTC))
        log.info("collected: %s", ", ".join(f"{n} {what}" for what, n in removed.items() if n) or "nothing")
        projects = {str(a.id): a.spec.project for a in await self._store.list_applications()}
        states = await self._store.get_refresh_states()
        await self._sources.collect(
            (projects.get(id, ""), revision) for id, state in states.items() for revision in state.revision.sources
        )
