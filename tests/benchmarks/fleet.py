"""A hub and a swarm of agents, put up for a bench and taken down after it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from tests.benchmarks import hubhost, swarm
from tests.benchmarks.host import Child
from tests.fleet.kit import Repository, application
from tests.syncer.harness import config_map

LONGEST_SECONDS = 600.0
REST_SECONDS = 2.0
PROFILE = "ESCADRE_BENCH_PROFILE"
"""Names a directory for profiles of the hub's and the agents' event loops while something is measured."""


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

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, timeout: float = LONGEST_SECONDS) -> None:
        """Wait until something holds. Raises RuntimeError after so many seconds."""
        deadline = time.monotonic() + timeout
        while not await holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {timeout:.0f} s: {what} ({await self.hub.call('counters')})")
            await asyncio.sleep(0.05)

    async def all_synced(self, assignments: int) -> None:
        """Wait until so many pairs of cluster and application are on record as Synced."""

        async def holds() -> bool:
            return bool(await self.hub.call("synced") == assignments)

        await self.until(holds, f"{assignments} assignments Synced")

    async def all_connected(self, agents: int) -> None:
        async def holds() -> bool:
            return bool((await self.hub.call("counters"))["connected"] == agents)

        await self.until(holds, f"{agents} agents connected")

    async def at_rest(self) -> None:
        """Wait until the hub has heard nothing but heartbeats for a while."""
        before: object = None
        while before != (before := await self.hub.call("counters")):
            await asyncio.sleep(REST_SECONDS)

    async def spread(self, refresh: list[str], assignments: int) -> list[float]:
        """Refresh, and wait until so many statuses Synced at a new set are on record; returns when each was, in
        seconds after the refresh began, in order."""
        await self.hub.call("watch")
        began: float = await self.hub.call("refresh", refresh)

        async def arrived() -> bool:
            return bool(await self.hub.call("arrived") == assignments)

        await self.until(arrived, f"{assignments} statuses at the new commit", 120)
        return [at - began for at in await self.hub.call("arrivals")]

    @asynccontextmanager
    async def measured(self, what: str) -> AsyncIterator[None]:
        """Tell what the processes use meanwhile, and profile them where that is asked for."""
        directory = os.environ.get(PROFILE)
        children = {"hub": self.hub} | {f"agents-{n}": s for n, s in enumerate(self.swarms)}
        if directory:
            for child in children.values():
                await child.call("profile")
        before = {name: child.cpu_seconds() for name, child in children.items()}
        yield
        used = ", ".join(f"{name} {child.cpu_seconds() - before[name]:.2f} s" for name, child in children.items())
        say(f"{what}: CPU of {used}")
        if directory:
            for name, child in children.items():
                await child.call("profiled", f"{directory}/{what.replace(' ', '-')}-{name}.prof")


@asynccontextmanager
async def fleet(root: Path, agents: int, processes: int = 2) -> AsyncIterator[BenchFleet]:
    """Start a hub and so many agents with simulated clusters, all connected."""
    hub = Child(hubhost.main, root)
    names = [f"cluster-{n:04}" for n in range(agents)]
    swarms = [Child(swarm.main, root, names[n::processes]) for n in range(processes if agents else 0)]
    result: BenchFleet | None = None
    try:
        port = await hub.call("port")
        result = BenchFleet(root, hub, swarms, port)
        await asyncio.gather(*(_start(hub, child, port) for child in swarms))
        await result.all_connected(agents)
        yield result
    finally:
        await asyncio.gather(*(child.stop() for child in swarms))
        await (result.hub if result is not None else hub).stop()


async def _start(hub: Child, child: Child, port: int) -> None:
    enrolled = await hub.call("enrol", await child.call("requests"))
    await child.call("start", port, enrolled)


def commit_config_maps(repository: Repository, paths: Iterable[str], count: int, round: int) -> None:
    """Commit ConfigMaps `<path>-<n>` at every path, all of them other than in the round before."""
    for path in paths:
        maps = (config_map(f"{path}-{n}", {"round": str(round)}) for n in range(count))
        repository.write(f"{path}/all.yaml", *maps)
    repository.commit(f"round {round}")


def applications(names: Iterable[str], repository: Repository) -> str:
    """Return YAML of applications for all clusters, each of the path of its name, automated, with self-heal."""
    return yaml.dump_all((application(n, repository.url, n) for n in names), Dumper=yaml.CSafeDumper)


def say(text: str) -> None:
    """Tell whoever runs the bench how it goes."""
    print(f"  {text}", file=sys.stderr, flush=True)
