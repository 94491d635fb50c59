"""Refreshes that somebody asked for: taken from the store, and done there when nothing of them is under way any more.

Whoever asks for one and waits sees it until then. One that a controller had taken when it died is taken again by the
next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hub.errors import HubError
from hub.store.contract import Store

log = logging.getLogger(__name__)


class Refreshes:
    """One per controller."""

    def __init__(self, store: Store, under_way: Callable[[str], bool]) -> None:
        """`under_way` tells whether an application is still to be looked at, or its repositories to be asked."""
        self._store = store
        self._under_way = under_way
        self._taken: set[str] = set()
        self._began = False
        self._finishing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """Taking and finishing take turns: one that is asked for anew must not be finished with the one before it."""

    def forget(self) -> None:
        """Begin anew: another replica was the controller meanwhile."""
        self._taken.clear()
        self._began = False

    async def take(self) -> dict[str, str]:
        """Return what is new: application → mode. Raises HubError."""
        async with self._turn:
            asked = await self._store.take_refresh_requests(anew=not self._began)
            self._began = True
            self._taken |= asked.keys()
        return asked

    def settle(self) -> None:
        """Tell the store of those that are done; called whenever something has ended."""
        idle = self._finishing is None or self._finishing.done()
        if idle and any(not self._under_way(id) for id in self._taken):
            self._finishing = asyncio.create_task(self._finish())

    async def _finish(self) -> None:
        async with self._turn:
            while done := {id for id in self._taken if not self._under_way(id)}:
                try:
                    await self._store.finish_refresh_requests(done)
                except HubError as error:
                    log.error("refreshes that are done cannot be told: %s; tried again", error.message)
                    return
                self._taken -= done

    async def stop(self) -> None:
        """End what is under way."""
        if self._finishing is not None:
            self._finishing.cancel()
            await asyncio.gather(self._finishing, return_exceptions=True)
