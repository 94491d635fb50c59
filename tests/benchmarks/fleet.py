"""A hub and a swarm of agents, put up for a bench and taken down after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks import hubhost, swarm
from tests.benchmarks.host import Child


class BenchFleet:
    def __init__(self, root: Path, hub: Child, swarms: list[Child], port: int) -> None:
        self.root = root
        self.hub = hub
        self.swarms = swarms
        self.port = port

    async def restart_hub(self) -> None:
        """kill -9, and start again on the same data and port."""
        self.hub.kill()
        self.hub = Child(hubhost.main, self.root, self.port)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, timeout: float = 300) -> None:
        deadline = time.monotonic() + timeout
        while not await holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {timeout:.0f} s: {what} ({await self.hub.call('counters')})")
            await asyncio.sleep(0.05)

    async def all_synced(self, assignments: int, timeout: float = 300) -> None:
        async def holds() -> bool:
            return bool(await self.hub.call("synced") == (assignments, assignments))

        await self.until(holds, f"{assignments} assignments Synced", timeout)


@asynccontextmanager
async def fleet(root: Path, agents: int, processes: int = 1) -> AsyncIterator[BenchFleet]:
    """Start a hub and so many agents, all connected."""
    hub = Child(hubhost.main, root)
    names = [f"cluster-{n:04}" for n in range(agents)]
    swarms = [Child(swarm.main, root, names[n::processes]) for n in range(processes)]
    result: BenchFleet | None = None
    try:
        port = await hub.call("port")
        result = BenchFleet(root, hub, swarms, port)
        for child in swarms:
            requests = await child.call("requests")
            enrolled: dict[str, Any] = await hub.call("enrol", requests)
            await child.call("start", port, enrolled)

        async def connected() -> bool:
            return bool((await hub.call("counters"))["connected"] == agents)

        await result.until(connected, f"{agents} agents connected")
        yield result
    finally:
        current = result.hub if result is not None else hub
        await asyncio.gather(*(child.stop() for child in swarms))
        await current.stop()
