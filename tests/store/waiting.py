"""Waiting on conditions, never on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

LIMIT_SECONDS = 20.0


async def eventually(condition: Callable[[], Awaitable[bool]], limit: float = LIMIT_SECONDS) -> None:
    deadline = time.monotonic() + limit
    while not await condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
