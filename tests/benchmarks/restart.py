"""restart: what a fleet costs a hub that has died.

1,000 agents and 100 applications of one ConfigMap that are on all of them: 100,000 assignments, all synced, and nothing
on its way any more. Then the hub's process is killed (SIGKILL) and at once started again on the same data and port.
Measured from the kill to the
moment when every agent is connected again and its inventory digest was found equal to the hub's. Agents back off as
they do by default, jitter included. `blobs_sent`, `assignments_sent` and `statuses_sent` are what crossed the link
since the new hub started, counted a few seconds after agreement, so that whatever was to follow has followed.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.benchmarks.fleet import applications, commit_config_maps, fleet, say
from tests.fleet.kit import Repository

AGENTS = 1000
APPLICATIONS = 100
AFTERMATH_SECONDS = 5.0


async def run(
    root: Path, agents: int = AGENTS, apps: int = APPLICATIONS, aftermath: float = AFTERMATH_SECONDS
) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"app-{n:03}" for n in range(apps)]
    async with fleet(root, agents) as bench:
        commit_config_maps(repository, names, 1, 0)
        began = time.monotonic()
        await bench.hub.call("apply", applications(names, repository))
        await bench.all_synced(agents * apps)
        say(f"{agents * apps} assignments synced in {time.monotonic() - began:.0f} s")
        await bench.at_rest()
        began = time.monotonic()
        await bench.restart_hub()

        async def agreed() -> bool:
            return bool(await bench.hub.call("agreement") == agents)

        await bench.until(agreed, "all agents connected and in agreement", 300)
        seconds = time.monotonic() - began
        await asyncio.sleep(aftermath)
        counters = await bench.hub.call("counters")
        return {
            "seconds": round(seconds, 1),
            "blobs_sent": counters["blobs_sent"],
            "assignments_sent": counters["assignments_sent"],
            "statuses_sent": counters["statuses"],
            "assignments": agents * apps,
        }
