"""Keeps up with the objects of one kind: lists them, then watches for changes, for as long as it runs.

A watch is not something to rely on: it ends every few minutes, is cut, goes silent, or is refused because the server
has forgotten the version it starts from. This is the one place that knows all that, so that whoever reads the objects
sees a full set, then single changes, then perhaps another full set, and needs to know nothing else.

- A full set comes only from a list that was read to its end. A failed one replaces nothing: not knowing is no delete.
- A watch that ends in good order is resumed at once from the last version seen, bookmarks included.
- `Gone` means that the changes since that version are lost: list again.
- So does a watch that lasted its time without as much as a bookmark. A server restored from a backup numbers its
  changes from an earlier version, and says nothing at all to those who wait for a later one.
- Everything else is retried after a pause that doubles up to a limit, jittered, so that a fleet does not knock in step.
- A kind that the server does not serve (any more) is told to the handler once, and asked for now and then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

from agent.engine.resource import Object
from agent.kube.client import EventType, Kind, KubeClient, Reduce, WatchEvent
from agent.kube.errors import Gone, KindUnknown, KubeError, NotFound, Throttled, Unreachable

_log = logging.getLogger(__name__)
_random = SystemRandom()


class Handler(Protocol):
    """Takes what a reflector sees. Called in the event loop, so brief; what it raises ends the reflector."""

    def on_replace(self, kind: Kind, items: list[Object]) -> None:
        """Take the full set: an object that is not in it is gone."""
        ...

    def on_event(self, kind: Kind, event: WatchEvent) -> None:
        """Take one change: ADDED, MODIFIED or DELETED. After a resumed watch one may come twice."""
        ...

    def on_gone(self, kind: Kind) -> None:
        """Take notice that the server serves no such kind. Said once; a full set follows should it come back.

        This is what one answer said, perhaps of a server that was starting. Ask discovery before believing it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. Pauses are jittered down to half of what stands here, watches by a tenth."""

    watch: float = 300.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    gone_pause: float = 30.0
    """Between two questions for a kind that is not served."""
    brief: float = 1.0
    """A watch that ends sooner, with nothing said, counts as a failure: it must not be resumed in a tight loop."""


_PACE = Pace()


class Reflector:
    """One list-and-watch loop, over all namespaces, for the objects of a kind that match a label selector."""

    def __init__(
        self,
        client: KubeClient,
        kind: Kind,
        selector: str,
        handler: Handler,
        *,
        reduce: Reduce | None = None,
        pace: Pace = _PACE,
        on_state: Callable[[Kind, KubeError | None], None] = lambda kind, error: None,
    ) -> None:
        """`on_state` is called with the error when attempts begin to fail, and with None when all is well again. With
        `reduce` only metadata is read, and of lists what that leaves is kept."""
        self.kind = kind
        self._client = client
        self._selector = selector
        self._handler = handler
        self._reduce = reduce
        self._pace = pace
        self._on_state = on_state
        self._version: str | None = None
        self._failures = 0
        """In a row, without a change or a bookmark between; and so for the next."""
        self._relists = 0
        self._told_gone = False
        self._synced = asyncio.Event()
        self._last_error: KubeError | None = None
        self._since = time.monotonic()

    @property
    def synced(self) -> bool:
        """Whether the handler has a full set, and no change since is known to be lost."""
        return self._synced.is_set()

    @property
    def last_error(self) -> KubeError | None:
        """What the last attempt failed with; None while all is well. While it is set, changes arrive late."""
        return self._last_error

    @property
    def since(self) -> float:
        """When `synced`, or whether there is an error, last changed: seconds on the monotonic clock."""
        return self._since

    async def wait_synced(self) -> None:
        """Return once the handler has a full set."""
        await self._synced.wait()

    async def run(self) -> None:
        """Keep up until cancelled. Raises only what the handler raises."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                else:
                    await self._watch(self._version)
            except (KindUnknown, NotFound) as error:
                self._lost(error)
                self._tell_gone()
                await asyncio.sleep(_jittered(self._pace.gone_pause))
            except Gone as error:
                self._lost(error)
                self._relists += 1
                # The first is the ordinary end of a version's life. A second, with nothing seen between, is not.
                await asyncio.sleep(_jittered(self._doubled(self._relists - 2)))
            except KubeError as error:
                self._failed(error)
                asked = error.retry_after if isinstance(error, Throttled) else 0.0
                await asyncio.sleep(asked + _jittered(self._doubled(self._failures - 1)))

    async def _list(self) -> None:
        listed = await self._client.list(self.kind, selector=self._selector, reduce=self._reduce)
        if not listed.resource_version:
            raise Unreachable(f"list {self.kind}: the answer has no resourceVersion to watch from")
        self._handler.on_replace(self.kind, listed.items)
        self._version = listed.resource_version
        self._told_gone = False
        self._set_state(synced=True, error=None)

    async def _watch(self, version: str) -> None:
        seconds = self._pace.watch * _random.uniform(0.9, 1.1)
        started = time.monotonic()
        stream = self._client.watch(
            self.kind,
            selector=self._selector,
            resource_version=version,
            timeout_seconds=seconds,
            metadata=self._reduce is not None,
        )
        heard = False
        try:
            async for event in stream:
                self._take(event)
                heard = True
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()  # now, not when it is collected: it holds a connection
        if heard:
            return
        lasted = time.monotonic() - started
        if lasted < self._pace.brief:
            raise Unreachable(f"watch {self.kind}: ended after {lasted:.2f} s with nothing said")
        self._well()
        if lasted >= seconds * 0.9:
            self._version = None

    def _take(self, event: WatchEvent) -> None:
        if event.type is not EventType.BOOKMARK:
            self._handler.on_event(self.kind, event)
        version = event.object.get("metadata", {}).get("resourceVersion")
        if isinstance(version, str) and version:
            self._version = version
        self._well()

    def _well(self) -> None:
        self._failures = self._relists = 0
        if self._last_error is not None:
            self._set_state(synced=self.synced, error=None)

    def _tell_gone(self) -> None:
        if not self._told_gone:
            self._told_gone = True
            self._handler.on_gone(self.kind)

    def _lost(self, error: KubeError) -> None:
        """What was seen is no longer known to be all."""
        self._version = None
        self._failures = 0  # it has answered
        self._set_state(synced=False, error=error)

    def _failed(self, error: KubeError) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning("%s; trying again", error)
        self._set_state(synced=self.synced, error=error)

    def _set_state(self, *, synced: bool, error: KubeError | None) -> None:
        turned = (error is None) != (self._last_error is None)
        if synced != self.synced or turned:
            self._since = time.monotonic()
        self._last_error = error
        if turned:
            self._on_state(self.kind, error)
        if synced:
            self._synced.set()
        else:
            self._synced.clear()

    def _doubled(self, times: int) -> float:
        if times < 0:
            return 0.0
        return min(self._pace.longest_pause, self._pace.first_pause * 2.0 ** min(times, 30))


def _jittered(seconds: float) -> float:
    return seconds * _random.uniform(0.5, 1.0)
