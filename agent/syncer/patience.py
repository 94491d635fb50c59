"""Requests that are worth repeating, and waits that end: how one operation bears with a cluster.

Whatever may pass by itself is tried again a few times before it counts as a failure, and somebody who terminates the
operation is heard during every wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent.kube import errors
from agent.syncer.clock import Clock

REQUEST_ATTEMPTS = 4
LONGEST_THROTTLE_SECONDS = 10.0
POLL_SECONDS = 0.1

T = TypeVar("T")


class Terminated(Exception):
    """Somebody asked for the operation to end."""


class Patience:
    """One per operation."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._terminated = asyncio.Event()

    def terminate(self) -> None:
        """End the operation before its next request."""
        self._terminated.set()

    def check(self) -> None:
        """Raise Terminated if the operation is to end."""
        if self._terminated.is_set():
            raise Terminated

    async def request(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request, repeated a few times while its failure may pass. Raises KubeError, Terminated."""
        for attempt in range(1, REQUEST_ATTEMPTS):
            try:
                return await request()
            except errors.Throttled as error:
                wait = min(error.retry_after, LONGEST_THROTTLE_SECONDS)
                await self._pause(wait * random.uniform(1.0, 1.5))  # noqa: S311 - jitter
            except errors.NamespaceTerminating:
                raise
            except errors.Retryable:
                await self._pause(0.1 * 3**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        return await request()

    async def until(
        self,
        read: Callable[[], Awaitable[T]],
        holds: Callable[[T], bool],
        seconds: float,
        *,
        every: float = POLL_SECONDS,
    ) -> bool:
        """Read, `every` so many seconds, until something holds; False when it did not within `seconds`.

        Raises KubeError, Terminated.
        """
        deadline = self._clock.monotonic() + seconds
        while not holds(await self.request(read)):
            if self._clock.monotonic() > deadline:
                return False
            await self._pause(every)
        return True

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._terminated.wait()
        self.check()
