"""narrow: a small change in a large repository.

One repository with 1,000 applications, each with a directory and a ConfigMap of its own, on one agent with a simulated
cluster. A commit touches the manifest of one application; then a refresh is asked for, as after a push. The hub has to
find out which of the thousand the commit concerns. Measured from the moment the refresh is asked for to the moment the
one application's status, Synced at the new commit, is in the hub's database; median of five rounds, each with another
application. `renders` and `looks` are the most that any round cost: how many times something was rendered, and how many
applications were looked at.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from tests.benchmarks.fleet import applications, commit_config_maps, fleet, say
from tests.fleet.kit import Repository

APPLICATIONS = 1000
ROUNDS = 5


async def run(root: Path, apps: int = APPLICATIONS, rounds: int = ROUNDS) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"app-{n:04}" for n in range(apps)]
    async with fleet(root, 1, 1) as bench:
        commit_config_maps(repository, names, 1, 0)
        await bench.hub.call("apply", applications(names, repository))
        await bench.all_synced(apps)
        await bench.at_rest()
        seconds, renders, looks = [], [], []
        for number in range(1, rounds + 1):
            touched = names[number * 37 % apps]
            commit_config_maps(repository, [touched], 1, number)
            before = await bench.hub.call("counters")
            async with bench.measured(f"narrow round {number}"):
                seconds += await bench.spread([touched], 1)
            await bench.at_rest()
            after = await bench.hub.call("counters")
            renders.append(after["renders"] - before["renders"])
            looks.append(after["looks"] - before["looks"])
            say(f"{seconds[-1]:.3f} s, {renders[-1]} renders, {looks[-1]} looks")
        return {"renders": max(renders), "seconds": round(statistics.median(seconds), 3), "looks": max(looks)}
