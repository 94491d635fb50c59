"""What a simulated cluster still has to do after a write: controllers' reactions, deletions that follow deletions.

Reactions never run inside the write that causes them, or a chain of owners would recurse as deep as it is long.
They wait in a queue that the cluster drains at the end of each request, or, when they are to take time, in
one timer for the whole cluster.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

Task: TypeAlias = Callable[[], None]


class Tasks:
    """Work that is due now, and work that is due later."""

    __slots__ = ("_closed", "_draining", "_later", "_sequence", "_soon", "_timer")

    def __init__(self) -> None:
        self._soon: deque[Task] | None = None
        self._later: list[tuple[float, int, Task]] | None = None
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._closed = False

    def soon(self, task: Task) -> None:
        """Run a task at the end of the request under way."""
        if self._soon is None:
            self._soon = deque()
        self._soon.append(task)

    def later(self, seconds: float, task: Task) -> None:
        """Run a task after some real time; at the end of the request when it is no time at all."""
        if seconds <= 0:
            self.soon(task)
            return
        if self._closed:
            return
        if self._later is None:
            self._later = []
        due = asyncio.get_running_loop().time() + seconds
        self._sequence += 1
        heapq.heappush(self._later, (due, self._sequence, task))
        self._arm()

    def drain(self) -> None:
        """Run what is due, and what that makes due."""
        if not self._soon or self._draining:
            return
        self._draining = True
        try:
            while self._soon:
                self._soon.popleft()()
        finally:
            self._draining = False

    def close(self) -> None:
        """Forget what is due later. Idempotent."""
        self._closed = True
        self._later = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._later:
            self._timer = asyncio.get_running_loop().call_at(self._later[0][0], self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._later and self._later[0][0] <= now:
            self.soon(heapq.heappop(self._later)[2])
        self.drain()
        self._arm()
