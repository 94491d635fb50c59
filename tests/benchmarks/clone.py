"""clone: the first mirror of a repository with a long past.

A repository of a gigabyte, 1,024 commits that each put another megabyte of random bytes in place of the one before, and
one application that reads a small manifest beside it. Measured from when the application is applied to when it is
assigned. `hub_rss_mb` is the largest memory of the hub that was seen meanwhile, with its render workers and its git
processes; those that serve the repository, which over file:// are started by them, are not counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.benchmarks.fleet import fleet
from tests.benchmarks.host import largest_rss
from tests.benchmarks.imported import Imported
from tests.fleet.kit import application

MEGABYTES = 1024
MIB = 1024 * 1024
_MANIFEST = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"


async def run(root: Path, megabytes: int = MEGABYTES) -> dict[str, float]:
    repository = Imported(root / "repository.git")
    repository.commit(_history(megabytes))
    async with fleet(root, 0) as bench:
        await bench.hub.call("add_cluster", "one")
        began = time.time()
        async with largest_rss(bench.hub.pid, b"upload-pack") as rss:
            text = yaml.dump(application("web", repository.url, "web"), Dumper=yaml.CSafeDumper)
            await bench.hub.call("apply", text)

            async def assigned() -> bool:
                return bool(await bench.hub.call("assigned"))

            await bench.until(assigned, "the application assigned")
        seconds = max((await bench.hub.call("assigned")).values()) - began
        mirrored = sum(path.stat().st_size for path in (root / "hub" / "repositories").rglob("*.pack"))
    return {"hub_rss_mb": rss[0], "seconds": round(seconds, 1), "mirror_mb": round(mirrored / MIB)}


def _history(megabytes: int) -> Iterator[dict[str, bytes]]:
    yield {"web/all.yaml": _MANIFEST}
    for _ in range(megabytes):
        yield {"large.bin": os.urandom(MIB)}
