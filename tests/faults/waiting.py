"""Waiting on conditions: a fault is over when its effect is seen, not when some time has passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(found: Callable[[], T], what: str, timeout: float = 30) -> T:
    """Call `found` until what it gives is true, and return that. Raises AssertionError, which says what was awaited."""

    async def ask() -> T:
        return found()

    return await answered(ask, what, timeout)


async def answered(found: Callable[[], Awaitable[T]], what: str, timeout: float = 30) -> T:
    """The same for what has to be awaited."""
    deadline = time.monotonic() + timeout
    while True:
        value = await found()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached within {timeout:g} s: {what}; last: {value!r}")
        await asyncio.sleep(0.02)
