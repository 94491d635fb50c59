"""hub-size: what a hub takes to have 1,000 agents.

The program `escadre-hub serve`, all roles in its one process, with its defaults and SQLite, and 1,000 agents on
connections of their own that hold one application of ten ConfigMaps. Once all are connected and the hub has come to
rest, it is watched for a minute in which nothing happens but heartbeats, pings and polls. `rss_mb` is the largest
resident memory seen, of the hub and its render workers together; `cpu_percent` their mean use, of one core.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.benchmarks import hubhost, swarm
from tests.benchmarks.fleet import applications, commit_config_maps, say
from tests.benchmarks.host import Child
from tests.benchmarks.program import Size, settled, size_at_rest, start_hub
from tests.controlplane.process import free_port
from tests.fleet.kit import Repository

AGENTS = 1000
CONFIG_MAPS = 10
SWARMS = 2
REST_SECONDS = 60.0
CONNECT_SECONDS = 120.0


async def run(root: Path, agents: int = AGENTS, rest: float = REST_SECONDS) -> dict[str, float]:
    repository = Repository(root / "repository")
    commit_config_maps(repository, ["web"], CONFIG_MAPS, 0)
    port = free_port()
    names = [f"cluster-{n:04}" for n in range(agents)]
    swarms = [Child(swarm.main, root, names[n::SWARMS]) for n in range(SWARMS)]
    try:
        await _prepare(root, port, swarms, repository, agents)
        size = await _measure(root, port, swarms, agents, rest)
    finally:
        await asyncio.gather(*(child.stop() for child in swarms))
    return {"rss_mb": size.rss_mb, "cpu_percent": size.cpu_percent, "agents": agents}


async def _prepare(root: Path, port: int, swarms: list[Child], repository: Repository, agents: int) -> None:
    """Enrol the agents and have the application on all of them, with a bench's hub."""
    hub = Child(hubhost.main, root, port)
    try:
        for child in swarms:
            enrolled = await hub.call("enrol", await child.call("requests"))
            await child.call("start", port, enrolled)
        await hub.call("apply", applications(["web"], repository))
        deadline = time.monotonic() + CONNECT_SECONDS
        while await hub.call("synced") < agents:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{await hub.call('synced')} of {agents} agents Synced")
            await asyncio.sleep(0.1)
    finally:
        await hub.stop()


async def _measure(root: Path, port: int, swarms: list[Child], agents: int, rest: float) -> Size:
    hub = start_hub(root, free_port(), port)
    try:
        deadline = time.monotonic() + CONNECT_SECONDS
        while (connected := sum([await child.call("connected") for child in swarms])) < agents:
            if time.monotonic() > deadline or not hub.running:
                raise RuntimeError(f"{connected} of {agents} agents connected\n{hub.tail()}")
            await asyncio.sleep(0.2)
        await settled(hub.pid)
        say("connected and at rest")
        return await size_at_rest(hub.pid, rest)
    finally:
        hub.kill()
