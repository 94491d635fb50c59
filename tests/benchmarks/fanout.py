"""fanout: how long a commit takes to a fleet.

1,000 agents, each with its own connection, certificate, disk and simulated cluster, and one application of ten
ConfigMaps that is on all of them. A commit changes all ten; then the application is refreshed, as a webhook or a person
would. Measured for every agent: from the moment the refresh is asked for (so fetching the commit and rendering it are
part of it) to the moment its status, Synced at the new commit, is in the hub's database. Three rounds; the one whose
median is the middle one counts.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path

from tests.benchmarks.fleet import applications, commit_config_maps, fleet, say
from tests.fleet.kit import Repository

AGENTS = 1000
CONFIG_MAPS = 10
ROUNDS = 3


async def run(root: Path, agents: int = AGENTS, rounds: int = ROUNDS) -> dict[str, float]:
    repository = Repository(root / "repository")
    async with fleet(root, agents) as bench:
        commit_config_maps(repository, ["web"], CONFIG_MAPS, 0)
        await bench.hub.call("apply", applications(["web"], repository))
        await bench.all_synced(agents)
        figures = []
        for number in range(1, rounds + 1):
            commit_config_maps(repository, ["web"], CONFIG_MAPS, number)
            async with bench.measured(f"fanout round {number}"):
                times = await bench.spread(["web"], agents)
            figures.append((statistics.median(times), percentile(times, 0.99), times[-1]))
            say("p50 {:.3f} s, p99 {:.3f} s, slowest {:.3f} s".format(*figures[-1]))
        p50, p99, slowest = sorted(figures)[len(figures) // 2]
        return {"p50_s": round(p50, 3), "p99_s": round(p99, 3), "max_s": round(slowest, 3), "agents": agents}


def percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed."""
    return ordered[math.ceil(len(ordered) * share) - 1]
