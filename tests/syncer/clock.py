"""A clock that tests turn: it runs faster than others, and jumps ahead when told to, with all that waits on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PACE = 6.0
"""Seconds of it in a second: what an agent waits for is mostly nothing that takes time here."""


class TurnedClock:
    """Satisfies `agent.syncer.clock.Clock`."""

    def __init__(self) -> None:
        self._began, self._start = time.time(), time.monotonic()
        self._ahead = 0.0
        self._alarms: set[Alarm] = set()

    def now_ms(self) -> int:
        return int((self._began + self.monotonic()) * 1000)

    def monotonic(self) -> float:
        return (time.monotonic() - self._start) * PACE + self._ahead

    def after(self, seconds: float, call: Callable[[], None]) -> Alarm:
        return Alarm(self, seconds, call)

    def set_back(self, seconds: float) -> None:
        """As an administrator does with a machine's clock: nothing waits for longer."""
        self._began -= seconds

    def advance(self, seconds: float) -> None:
        """Let so much time have passed; what was waiting for it is called at the loop's next turn."""
        self._ahead += seconds
        for alarm in list(self._alarms):
            alarm.set()


class Alarm:
    def __init__(self, clock: TurnedClock, seconds: float, call: Callable[[], None]) -> None:
        self._clock = clock
        self._due = clock.monotonic() + seconds
        self._call = call
        self._handle: asyncio.TimerHandle | None = None
        clock._alarms.add(self)
        self.set()

    def set(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        left = max(0.0, self._due - self._clock.monotonic()) / PACE
        self._handle = asyncio.get_running_loop().call_later(left, self._ring)

    def cancel(self) -> None:
        self._clock._alarms.discard(self)
        if self._handle is not None:
            self._handle.cancel()

    def _ring(self) -> None:
        self._clock._alarms.discard(self)
        self._call()
