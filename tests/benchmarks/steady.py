"""steady: what an agent takes while much happens and nothing is to be done.

One real control plane with 10,000 managed custom resources, in ten applications. A client that is neither hub nor agent
changes the status of 100 of them a second, each still Ready: nothing has drifted, and no health changes. Measured over
a minute: the agent's use of one core, and the requests it makes, which the API server's audit log counts; watches that
are open, or opened anew when their time is over, are none of them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from pathlib import Path

from agent.engine.resource import GroupKind, Object
from agent.kube.client import Kind
from agent.kube.cluster import ClusterClient
from agent.kube.kubeconfig import load_kubeconfig
from tests.benchmarks.fleet import applications, say
from tests.benchmarks.plane import AGENT, real_cluster
from tests.benchmarks.program import settled, size_at_rest
from tests.controlplane.cluster import ControlPlane
from tests.fleet.kit import Repository
from tests.syncer.objects import crd, group_of, widget

APPLICATIONS = 10
OBJECTS = 1000
PER_SECOND = 100
SECONDS = 60.0
GROUP = "bench"


async def run(
    root: Path,
    apps: int = APPLICATIONS,
    objects: int = OBJECTS,
    seconds: float = SECONDS,
    plane: ControlPlane | None = None,
) -> dict[str, float]:
    repository = Repository(root / "repository")
    names = [f"app-{n}" for n in range(apps)]
    repository.write("kinds/all.yaml", crd(GROUP))
    for name in names:
        repository.write(f"{name}/all.yaml", *(widget(GROUP, f"{name}-{n}") for n in range(objects)))
    repository.commit("all")
    async with real_cluster(root, audited=True, plane=plane) as cluster:
        await cluster.bench.hub.call("apply", applications(["kinds"], repository))
        await cluster.bench.all_synced(1)
        await cluster.bench.hub.call("apply", applications(names, repository))
        await cluster.bench.all_synced(apps + 1)
        await settled(cluster.agent.pid)
        say(f"{apps * objects} resources are Synced")
        async with asyncio.timeout(seconds * 10):
            busy = asyncio.create_task(_keep_busy(cluster.plane.kubeconfig_path))
            try:
                await asyncio.sleep(min(5.0, seconds))
                before = _requests(cluster.plane.audit_log)
                size = await size_at_rest(cluster.agent.pid, seconds)
                made = _requests(cluster.plane.audit_log) - before
            finally:
                busy.cancel()
                (outcome,) = await asyncio.gather(busy, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome
    return {
        "cpu_percent": size.cpu_percent,
        "api_requests": made,
        "rss_mb": size.rss_mb,
        "managed": apps * objects,
        "updates_per_s": PER_SECOND,
    }


async def _keep_busy(kubeconfig: Path) -> None:
    """Change so many statuses a second until cancelled, one object after the other."""
    client = ClusterClient(load_kubeconfig(kubeconfig))
    try:
        kind = (await client.discover(refresh=True)).preferred[GroupKind(group_of(GROUP), "Widget")]
        live = (await client.list(kind)).items
        began = time.monotonic()
        for number in itertools.count():
            await _touch(client, kind, live, number)
            await asyncio.sleep(max(0.0, began + (number + 1) / PER_SECOND - time.monotonic()))
    finally:
        await client.close()


async def _touch(client: ClusterClient, kind: Kind, live: list[Object], number: int) -> None:
    place = number % len(live)
    conditions = [{"type": "Ready", "status": "True", "reason": "Bench"}]
    status = {"conditions": conditions, "probes": number}
    live[place] = await client.replace(kind, live[place] | {"status": status}, field_manager="operator")


def _requests(audit: Path) -> int:
    """Count what the agent asked for so far, but for watches."""
    with audit.open(encoding="utf-8") as lines:
        events = map(json.loads, lines)
        return sum(e["user"]["username"] == AGENT and e["verb"] != "watch" for e in events)
