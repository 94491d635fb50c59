"""polling: one server that hangs, and 99 repositories that do not.

100 applications, each of a repository of its own: 99 over file://, so that what is measured is the hub, and one over
HTTP, whose server answered before and now takes connections and says nothing. Then the time of all of them comes at
once. Measured from there to the end of the last question of the round: `ls_remotes` is how many there were,
`slowest_other_s` when the last of the 99 had been answered, and `hanging_s` when the hub gave the other one up.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.benchmarks.fleet import fleet
from tests.benchmarks.imported import Imported
from tests.fleet.kit import application
from tests.source.servers import serve_http

REPOSITORIES = 100
_MANIFEST = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"


async def run(root: Path, repositories: int = REPOSITORIES) -> dict[str, float]:
    made = [Imported(root / "served" / f"repository-{n:03}.git") for n in range(repositories)]
    for repository in made:
        repository.commit([{"web/all.yaml": _MANIFEST}])
    async with fleet(root, 0) as bench:
        with serve_http(root / "served") as server:
            hanging = f"{server.url}/{made[0].path.name}"
            urls = [hanging, *(repository.url for repository in made[1:])]
            await bench.hub.call("add_cluster", "one")
            texts = (application(f"app-{n:03}", url, "web") for n, url in enumerate(urls))
            await bench.hub.call("apply", yaml.dump_all(texts, Dumper=yaml.CSafeDumper))

            async def assigned() -> bool:
                return len(await bench.hub.call("assigned")) == repositories

            await bench.until(assigned, "every application assigned")
            await bench.at_rest()
            server.silent = True
            began: float = await bench.hub.call("poll")

            async def asked() -> bool:
                return len({name for name, _, _ in await bench.hub.call("git_requests")}) == repositories

            await bench.until(asked, "every repository asked", 120)
            await bench.at_rest()
            requests = [r for r in await bench.hub.call("git_requests") if r[1] == "ls-remote"]
    return {
        "ls_remotes": len(requests),
        "slowest_other_s": round(max(at for name, _, at in requests if name != hanging) - began, 2),
        "hanging_s": round(max(at for name, _, at in requests if name == hanging) - began, 1),
    }
