"""The one clock of the agent's middle, so that tests can turn it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now_ms(self) -> int:
        """Unix time in milliseconds, for people and for the hub."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump, for delays."""
        ...

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something in so many seconds, in the running event loop."""
        ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def after(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, call)
