"""Events about pushes, folded: a thousand about one repository cost it a question or two.

An event is never taken at its word. It names a repository, and that one is asked as a poll would ask it; what changed,
and which applications that concerns, is found in Git. So an event that is repeated, late, or made up costs a question,
and one that is lost is made good by the next poll.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from hub.store.bus import Bus

SPACING_SECONDS = 1.0
"""Between two questions to one repository for the sake of pushes, however many are told of."""

T = TypeVar("T")


class Pushes(Generic[T]):
    """One per controller. T names a repository as it is polled."""

    def __init__(
        self,
        bus: Bus,
        find: Callable[[str], Iterable[T]],
        ask: Callable[[list[T]], None],
        *,
        spacing: float = SPACING_SECONDS,
    ) -> None:
        """`find` gives the repositories of a name, see `hub.domain.repo_name`; `ask` has them asked, once more where
        they are being asked already."""
        self._bus = bus
        self._find = find
        self._ask = ask
        self._spacing = spacing
        self._asked: dict[T, float] = {}
        """When, for the sake of a push; those of the last moment only."""
        self._later: dict[T, None] = {}
        """To be asked again once its time has come."""

    async def run(self) -> None:
        """Listen until cancelled."""
        self._asked.clear()
        self._later.clear()
        # A subscription of its own: a flood of made-up names must not drown what the controller is told otherwise.
        async with self._bus.subscribe("pushes") as subscription:
            while True:
                names = [name for _, name in await subscription.next(timeout=self._wait())]
                self._take(repository for name in names for repository in self._find(name))

    def _take(self, pushed: Iterable[T]) -> None:
        now = time.monotonic()
        self._asked = {repository: at for repository, at in self._asked.items() if now - at < self._spacing}
        self._later.update(dict.fromkeys(pushed))
        if due := [repository for repository in self._later if repository not in self._asked]:
            for repository in due:
                del self._later[repository]
                self._asked[repository] = now
            self._ask(due)

    def _wait(self) -> float | None:
        """Return how long nothing is due."""
        if not self._later:
            return None
        now = time.monotonic()
        return max(0.0, min(self._asked.get(each, 0.0) for each in self._later) + self._spacing - now)
