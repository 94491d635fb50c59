"""How many git commands run at once, shared out so that a repository that hangs makes only others like it wait.

A repository whose last command ended well is *proven*. Proven and unproven ones have slots of their own, polls and
fetches too, and no host may hold all slots of a kind: a server that falls silent takes `host_slots` of them at most,
once, and from then on its repositories wait among the unproven.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import StrEnum

from hub.source.policy import SourcePolicy


class Work(StrEnum):
    POLL = "ls-remote"
    FETCH = "fetch"


class Lanes:
    def __init__(self, policy: SourcePolicy) -> None:
        sizes = {Work.POLL: policy.poll_slots, Work.FETCH: policy.fetch_slots}
        self._slots = {(work, proven): asyncio.Semaphore(n) for work, n in sizes.items() for proven in (True, False)}
        self._host_slots = max(1, min(policy.host_slots, *(n - 1 for n in sizes.values())))
        self._hosts: dict[tuple[str, Work, bool], _Counted] = {}

    @contextlib.asynccontextmanager
    async def slot(self, work: Work, host: str, *, proven: bool) -> AsyncIterator[None]:
        """Hold one slot for a command of this kind against this host."""
        async with self._host(host, work, proven), self._slots[work, proven]:
            yield

    @contextlib.asynccontextmanager
    async def _host(self, host: str, work: Work, proven: bool) -> AsyncIterator[None]:
        key = (host, work, proven)
        counted = self._hosts.setdefault(key, _Counted(self._host_slots))
        counted.users += 1
        try:
            async with counted.semaphore:
                yield
        finally:
            counted.users -= 1
            if not counted.users:
                del self._hosts[key]


class _Counted:
    def __init__(self, slots: int) -> None:
        self.semaphore = asyncio.Semaphore(slots)
        self.users = 0
