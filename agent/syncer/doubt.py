"""Whether the cluster's API still answers while nobody has anything to ask of it.

A watch that is cut is opened again within a moment, and nobody needs to hear of it. When it stays away because the API
server does, every application would go on looking as well as it did when it was last seen. And an open watch on which
nothing happens says nothing, so after a while of failures the API is asked something else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agent.engine.resource import GroupKind
from agent.kube.errors import KubeError
from agent.syncer.clock import Clock, Timer

DOUBT_SECONDS = 10.0
"""How long watches may be away before the API is asked, and between two questions after that."""


class Doubt:
    """Told of every watch that begins to fail, and that is well again."""

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[object]], on_change: Callable[[], None]) -> None:
        """`ask` puts a small question to the API; it raises KubeError. `on_change` is called when `error` comes or
        goes."""
        self.error: KubeError | None = None
        """Why the API does not answer, and has not for a while."""
        self._clock = clock
        self._question = ask
        self._on_change = on_change
        self._failing: set[GroupKind] = set()
        self._timer: Timer | None = None
        self._asking: asyncio.Task[None] | None = None

    def watched(self, group_kind: GroupKind, error: KubeError | None) -> None:
        """A kind's watch has begun to fail, or, without an error, is well or was given up."""
        if error is not None:
            self._failing.add(group_kind)
            self._later()
            return
        self._failing.discard(group_kind)
        if not self._failing:
            self._settle(None)

    def stop(self) -> None:
        for waiting in (self._timer, self._asking):
            if waiting is not None:
                waiting.cancel()

    def _later(self) -> None:
        if self._timer is None and self._asking is None:
            self._timer = self._clock.after(DOUBT_SECONDS, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._failing:
            self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            await self._question()
            error = None
        except KubeError as caught:
            error = caught
        self._asking = None
        # It may have been heard from meanwhile.
        self._settle(error if self._failing else None)
        if self._failing:
            self._later()

    def _settle(self, error: KubeError | None) -> None:
        changed = (error is None) != (self.error is None)
        self.error = error
        if changed:
            self._on_change()
