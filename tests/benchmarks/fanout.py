"""fanout: one application of 10 ConfigMaps on 1,000 agents, one commit that changes all ten."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import yaml

from tests.benchmarks.fleet import fleet
from tests.fleet.kit import Repository, application
from tests.syncer.harness import config_map

AGENTS = 1000
ROUNDS = 3


async def run(root: Path, agents: int = AGENTS) -> dict[str, float]:
    """Seconds from the refresh that finds the commit to the hub's record of each cluster being Synced at it."""
    repository = Repository(root / "repository")
    async with fleet(root, agents) as bench:
        _commit(repository, 0)
        await bench.hub.call("apply", yaml.safe_dump(application("web", repository.url, "web")))
        await bench.all_synced(agents)
        rounds = []
        for number in range(1, ROUNDS + 1):
            _commit(repository, number)
            await bench.hub.call("watch", "web")
            before = bench.hub.cpu_seconds(), sum(s.cpu_seconds() for s in bench.swarms)
            began = await bench.hub.call("refresh", ["web"])

            async def arrived() -> bool:
                return len(await bench.hub.call("arrivals")) == agents

            await bench.until(arrived, "all agents Synced", 60)
            times = sorted(at - began for at in (await bench.hub.call("arrivals")).values())
            hub_cpu = bench.hub.cpu_seconds() - before[0]
            agents_cpu = sum(s.cpu_seconds() for s in bench.swarms) - before[1]
            print(f"  round {number}: hub {hub_cpu:.2f} s of CPU, agents {agents_cpu:.2f} s", file=sys.stderr)
            rounds.append((statistics.median(times), times[int(len(times) * 0.99) - 1], times[-1]))
        rounds.sort()
        p50, p99, slowest = rounds[len(rounds) // 2]
        return {"p50_s": round(p50, 3), "p99_s": round(p99, 3), "max_s": round(slowest, 3), "agents": agents}


def _commit(repository: Repository, number: int) -> None:
    repository.write("web/all.yaml", *(config_map(f"settings-{n}", {"round": str(number)}) for n in range(10)))
    repository.commit(f"round {number}")
