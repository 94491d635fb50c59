"""Waiting on conditions, never on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_SECONDS = 20.0


async def until(condition: Callable[[], T], limit: float = LIMIT_SECONDS) -> T:
    """Return the condition's value once it is true."""
    deadline = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
    return value
