"""A watch on one kind: a place in the kind's log, and nothing else.

A watch holds no queue of its own. It reads the log the table keeps anyway, so a thousand clusters with twenty
watches each cost little memory, and no work until something changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from agent.kube.client import EventType, Kind, WatchEvent
from agent.kube.errors import Gone, KubeError
from agent.kube.simulated.conversion import load
from agent.kube.simulated.selectors import Matcher, matches
from agent.kube.simulated.storage import Change, Record, Storage, Table

BOOKMARK_SECONDS: Final = 60.0
"""How often an open watch says how far it is."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is watched."""

    kind: Kind
    namespace: str
    terms: tuple[Matcher, ...]
    timeout_seconds: float

    def select(self, record: Record) -> bool:
        """Tell whether an object is one of those watched."""
        if self.namespace and record.namespace != self.namespace:
            return False
        return not self.terms or matches(self.terms, record.labels)


class Watcher:
    """A reader of a table's log."""

    __slots__ = ("_waiter", "failure", "position")

    def __init__(self, position: int) -> None:
        self.position = position
        self.failure: KubeError | None = None
        """Set from outside to cut the watch."""
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Look at the log again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def cut(self, failure: KubeError) -> None:
        """End the watch with an error."""
        self.failure = failure
        self.wake()

    async def wait(self, until: float) -> None:
        """Return when there may be something to read, or at a time of the loop's clock."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_at(until, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None


async def follow(storage: Storage, table: Table, version: int, request: Request) -> AsyncGenerator[WatchEvent, None]:
    """Yield the changes after a version until the time is over. Raises Gone when the log does not reach back."""
    if version < table.dropped or version > storage.version:
        raise Gone(f"too old resource version: {version} ({table.dropped})")
    loop = asyncio.get_running_loop()
    end = loop.time() + request.timeout_seconds
    bookmark_at = loop.time() + BOOKMARK_SECONDS
    watcher = Watcher(table.position(version))
    table.watches.append(watcher)
    try:
        while True:
            while (change := _next(table, watcher)) is not None:
                event = _event(change, request)
                if event is not None:
                    yield event
            now = loop.time()
            if now >= end or now >= bookmark_at:
                yield _bookmark(storage, request.kind)
                if now >= end:
                    return
                bookmark_at = now + BOOKMARK_SECONDS
                continue
            await watcher.wait(min(end, bookmark_at))
    finally:
        table.watches.remove(watcher)


def _next(table: Table, watcher: Watcher) -> Change | None:
    if watcher.failure is not None:
        raise watcher.failure
    index = watcher.position - table.start
    if index >= len(table.log):
        return None
    if index < 0:
        raise Gone("too old resource version: the watch was too slow")
    watcher.position += 1
    return table.log[index]


def _event(change: Change, request: Request) -> WatchEvent | None:
    """Return what a change is to a watch: an object that leaves the selector is deleted as far as it can tell."""
    record, before = change.record, change.before
    now = change.type is not EventType.DELETED and request.select(record)
    then = before is not None and request.select(before)
    if now:
        kind = EventType.MODIFIED if then else EventType.ADDED
        return WatchEvent(kind, load(record, request.kind))
    if not then or before is None:
        return None
    if change.type is EventType.DELETED:
        return WatchEvent(EventType.DELETED, load(record, request.kind))
    tree = load(before, request.kind)
    tree["metadata"]["resourceVersion"] = str(change.version)
    return WatchEvent(EventType.DELETED, tree)


def _bookmark(storage: Storage, kind: Kind) -> WatchEvent:
    metadata = {"resourceVersion": str(storage.version)}
    return WatchEvent(EventType.BOOKMARK, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})
