"""Watching: what has changed is told as it is now, never as a log of how it came about.

A watcher holds what it has sent and compares it with the present whenever the bus says so, and on every heartbeat. So a
reader that is slow, or away for a while, costs no queue: it gets the newest state when it is ready for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.api.overview import Overviews
from hub.domain.operation import OperationState
from hub.domain.status import ApplicationStatus
from hub.errors import TooManyRequests
from hub.store.bus import Bus, Subscription
from hub.store.contract import Store

HEARTBEAT_SECONDS = 15.0
LEAST_INTERVAL = 0.5
"""Seconds between two looks of one watcher: what changes faster is told once."""
_RING = 2_000
_KNOWN = 20_000
_PAGE = 1_000
_PAGES = 5
_RECENT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OperationChange:
    number: int
    """Counts up in this process."""
    application: str
    cluster: str
    """The cluster's uid."""
    operation: OperationState


class Feed:
    """Shared by all watchers of this process."""

    def __init__(self, store: Store, bus: Bus, overviews: Overviews, clock: Callable[[], datetime], limit: int) -> None:
        self.operations = Operations(store, clock)
        self._bus = bus
        self._overviews = overviews
        self._limit = limit
        self._watchers = 0
        self._closing = asyncio.Event()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """End every stream: the server stops."""
        self._closing.set()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[AsyncGenerator[float, None]]:
        """Take one of the watchers' places, and give its `moments`. Raises TooManyRequests when there is none left."""
        if self._watchers >= self._limit:
            raise TooManyRequests(f"{self._limit} event streams are open already", code="busy", retry_after=30.0)
        self._watchers += 1
        try:
            async with contextlib.aclosing(self._moments()) as moments:
                yield moments
        finally:
            self._watchers -= 1

    async def _moments(self) -> AsyncGenerator[float, None]:
        """Yield the monotonic time up to which a look has to see, whenever it is time for one: at once, when
        something has changed, and at every heartbeat. Ends when the server stops."""
        async with self._bus.subscribe("applications", "statuses", "assignments", "clusters") as subscription:
            wanted = time.monotonic()
            while not self.closing:
                began = time.monotonic()
                yield wanted
                await self._pause(began)
                if await self._woken(subscription):
                    wanted = time.monotonic()

    async def _pause(self, began: float) -> None:
        """Leave out what comes too soon. A look that takes long is not repeated at once, either."""
        spent = time.monotonic() - began
        seconds = max(LEAST_INTERVAL - spent, min(4 * spent, HEARTBEAT_SECONDS))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _woken(self, subscription: Subscription) -> bool:
        """Wait for a message; False after a heartbeat's time, or when the server stops."""
        message = asyncio.create_task(subscription.next(HEARTBEAT_SECONDS))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({message, closing}, return_when=asyncio.FIRST_COMPLETED)
            return message.done() and bool(message.result())
        finally:
            for task in (message, closing):
                task.cancel()
            await asyncio.gather(message, closing, return_exceptions=True)


class Operations:
    """The newest changes of operations, read once for all watchers."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._sequence = -1
        self._number = 0
        self._changes: deque[OperationChange] = deque(maxlen=_RING)
        self._known: OrderedDict[tuple[str, str], tuple[str, str, int]] = OrderedDict()

    async def newest(self) -> int:
        """Return the number after which a new watcher's changes begin."""
        await self.after(self._number)
        return self._number

    async def after(self, number: int) -> list[OperationChange]:
        """Return the changes with a greater number that are still remembered. Raises StoreUnavailable."""
        async with self._lock:
            await self._catch_up()
        return [change for change in self._changes if change.number > number]

    async def _catch_up(self) -> None:
        if self._sequence < 0:
            self._sequence = await self._store.assignment_sequence()
        for _ in range(_PAGES):
            statuses, newest = await self._store.statuses_since(self._sequence, _PAGE)
            self._sequence = newest
            self._take(statuses)
            if len(statuses) < _PAGE:
                return
        # Nobody has watched for a while: what is running shows in the applications themselves.
        self._sequence = await self._store.assignment_sequence()

    def _take(self, statuses: list[ApplicationStatus]) -> None:
        now = self._clock()
        for status in statuses:
            operation = status.operation
            if operation is None or _is_old(operation, now):
                continue
            pair = (status.application, status.cluster)
            standing = (operation.id, str(operation.phase), operation.done)
            if self._known.pop(pair, None) != standing:
                self._number += 1
                self._changes.append(OperationChange(self._number, *pair, operation))
            self._known[pair] = standing
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)


def _is_old(operation: OperationState, now: datetime) -> bool:
    return operation.finished_at is not None and now - operation.finished_at > _RECENT
