"""A plain client of an API server: how fast the server takes applies when nothing else is done."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path

from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION, Object
from tests.benchmarks.host import Command, serve
from tests.benchmarks.plane import apply_all, client_of
from tests.syncer.harness import config_map

MANAGER = "plain-client"


def main(pipe: Connection, kubeconfig: Path, namespace: str, count: int) -> None:
    async def build() -> dict[str, Command]:
        plain = PlainClient(kubeconfig, namespace, count)
        return {"apply": plain.apply, "stop": plain.stop}

    serve(pipe, build)


class PlainClient:
    """Applies the same ConfigMaps over and over, each time with other data."""

    def __init__(self, kubeconfig: Path, namespace: str, count: int) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._count = count
        self._round = 0

    async def apply(self) -> float:
        """Apply all of them, 16 in flight, on warm connections. Returns objects a second."""
        self._round += 1
        manifests = [self._manifest(n) for n in range(self._count)]
        async with client_of(self._kubeconfig) as (client, kind):
            await apply_all(client, kind, manifests[:64], MANAGER)
            began = time.monotonic()
            await apply_all(client, kind, manifests[64:], MANAGER)
            return (self._count - 64) / (time.monotonic() - began)

    def _manifest(self, number: int) -> Object:
        name = f"app-{number // 10:03}-{number % 10}"
        # As large as what the agent applies, but nothing that it watches.
        labels = {f"{MANAGED_LABEL}-not": "true"}
        annotations = {TRACKING_ANNOTATION: f"app-{number // 10:03}:/ConfigMap:{self._namespace}/{name}"}
        return config_map(
            name, {"round": str(self._round)}, namespace=self._namespace, labels=labels, annotations=annotations
        )

    async def stop(self) -> None:
        return
