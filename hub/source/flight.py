"""Lets concurrent callers share one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """At most one run at a time; whoever comes while it runs gets its outcome.

    A caller that is cancelled leaves the run to the others.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def join(self, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(start())
            self._task.add_done_callback(_retrieve)
        return await asyncio.shield(self._task)

    async def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Count the outcome as seen even when every caller has gone."""
    if not task.cancelled():
        task.exception()
