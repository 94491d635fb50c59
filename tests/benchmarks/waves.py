"""waves: what a sync of many waves takes beyond the time it leaves between them.

One real control plane, and one application of 20 waves of five ConfigMaps each, healthy as soon as they are there. A
commit changes all of them; the application is refreshed. Measured from that moment to the moment its status, Synced at
the new commit, is in the hub's database. Of that 2 s between one wave and the next are meant; `idle_s` is the rest.
"""

from __future__ import annotations

from pathlib import Path

from agent.syncer.operation import WAVE_SECONDS
from tests.benchmarks.fleet import applications, say
from tests.benchmarks.plane import real_cluster
from tests.controlplane.cluster import ControlPlane
from tests.fleet.kit import Repository
from tests.syncer.harness import config_map

WAVES = 20
OBJECTS = 5


async def run(root: Path, waves: int = WAVES, plane: ControlPlane | None = None) -> dict[str, float]:
    repository = Repository(root / "repository")
    async with real_cluster(root, plane=plane) as cluster:
        _commit(repository, waves, 0)
        await cluster.bench.hub.call("apply", applications(["web"], repository))
        await cluster.bench.all_synced(1)
        await cluster.bench.at_rest()
        _commit(repository, waves, 1)
        (seconds,) = await cluster.bench.spread(["web"], 1)
    idle = seconds - (waves - 1) * WAVE_SECONDS
    say(f"{waves} waves in {seconds:.2f} s")
    return {"idle_s": round(idle, 2), "seconds": round(seconds, 2), "waves": waves}


def _commit(repository: Repository, waves: int, round: int) -> None:
    maps = (
        config_map(f"wave-{wave}-{n}", {"round": str(round)}, annotations={"argocd.argoproj.io/sync-wave": str(wave)})
        for wave in range(waves)
        for n in range(OBJECTS)
    )
    repository.write("web/all.yaml", *maps)
    repository.commit(f"round {round}")
