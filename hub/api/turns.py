"""A bounded number at once, and a bounded number waiting: for work that takes memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from hub.errors import TooManyRequests


class Turns:
    def __init__(self, at_once: int, waiting: int, what: str) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._present = 0
        self._what = what

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn. Raises TooManyRequests when too many wait already."""
        if self._present >= self._most:
            raise TooManyRequests(f"{self._most} {self._what} already", code="busy", retry_after=5.0)
        self._present += 1
        try:
            async with self._slots:
                yield
        finally:
            self._present -= 1
