"""The bench's hub: the real one, in a process of its own, with a few extra ears to measure by."""

from __future__ import annotations

import gc
import logging
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hub.config import Settings
from hub.domain.cluster import Cluster
from hub.domain.status import ApplicationStatus
from hub.formats.objects import parse_objects
from hub.server import Hub
from tests.benchmarks.host import Command, serve


def main(pipe: Connection, root: Path, port: int = 0) -> None:
    logging.basicConfig(level=logging.WARNING)

    async def build() -> dict[str, Command]:
        host = HubHost(root, port)
        await host.start()
        return {name: getattr(host, name) for name in HubHost.COMMANDS}

    serve(pipe, build)


class HubHost:
    COMMANDS = (
        "port", "enrol", "apply", "refresh", "statuses", "watch", "arrivals", "counters", "agreement", "stop", "synced",
        "drifts",
    )  # fmt: skip

    def __init__(self, root: Path, port: int) -> None:
        settings = {
            "data_dir": root / "hub",
            "host": "127.0.0.1",
            "port": 0,
            "agent_port": port,
            "allow_file_repositories": (root,),
            "roles": ("gateway", "controller"),
            "poll_seconds": 3600.0,
        }
        self.hub = Hub(Settings.model_validate(settings))
        self._watched = ""
        self._arrivals: dict[str, float] = {}

    async def start(self) -> None:
        await self.hub.start()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)  # as hub.__main__ does
        put = self.hub.store.put_statuses

        async def listening(statuses: Iterable[ApplicationStatus]) -> None:
            rows = list(statuses)
            await put(rows)
            now = time.time()
            for status in rows:
                if status.synced_manifest_set == status.manifest_set != self._watched and status.sync == "Synced":
                    self._arrivals.setdefault(f"{status.cluster} {status.application}", now)

        self.hub.store.put_statuses = listening  # type: ignore[method-assign]

    async def stop(self) -> None:
        await self.hub.stop()

    async def port(self) -> int:
        return self.hub.agent_port

    async def enrol(self, requests: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
        """name → CSR to name → (uid, certificate PEM), and under "" the trust bundle."""
        result: dict[str, Any] = {}
        for name, csr in requests.items():
            cluster = Cluster(str(uuid.uuid4()), name, {"fleet": "bench"}, created_at=datetime.now(UTC))
            await self.hub.store.add_cluster(cluster)
            issued = await self.hub.trust.pki.issue_from_csr(cluster.uid, csr)
            result[name] = (cluster.uid, issued.pem, issued.record.not_before, issued.record.not_after)
        bundle = self.hub.trust.pki.trust_bundle()
        result[""] = (bundle.authorities, {k.id: k.public_key for k in bundle.signing_keys})
        await self.hub.bus.publish("clusters")
        return result

    async def apply(self, text: str) -> None:
        for parsed in parse_objects(text, name="bench"):
            await self.hub.store.put_application(parsed.value)  # type: ignore[arg-type]
        await self.hub.bus.publish("applications")

    async def refresh(self, names: list[str]) -> float:
        began = time.time()
        await self.hub.store.request_refresh([f"argocd/{n}" for n in names], "normal")
        await self.hub.bus.publish("refresh")
        return began

    async def watch(self, application: str) -> None:
        """Begin to note when statuses arrive that are Synced at another set than the application's present one."""
        sets = await self.hub.store.current_sets()
        self._watched = sets.get(f"argocd/{application}", "")
        self._arrivals = {}

    async def arrivals(self) -> dict[str, float]:
        return self._arrivals

    async def synced(self) -> tuple[int, int]:
        """How many assignments there are in all, and how many are reported Synced."""
        summaries = await self.hub.store.status_summaries()
        clusters = [c.uid for c in await self.hub.store.list_clusters()]
        total = sum(map(len, (await self.hub.store.assignment_index(clusters)).values()))
        return total, sum(sync == "Synced" for _, _, sync, _, _ in summaries)

    async def statuses(self, application: str) -> list[ApplicationStatus]:
        return await self.hub.store.statuses_of_application(f"argocd/{application}")

    async def drifts(self, application: str) -> list[Any]:
        return await self.hub.store.drifts_of_application(f"argocd/{application}", limit=1000)

    async def counters(self) -> dict[str, float]:
        hub = self.hub
        assert hub.dispatcher is not None and hub.renderer is not None and hub.reports is not None
        assert hub.controller is not None
        return {
            "connected": len(hub.registry),
            "blobs_sent": hub.dispatcher.blobs_sent,
            "assignments_sent": hub.dispatcher.assignments_sent,
            "renders": hub.renderer.renders_total,
            "looks": hub.controller.looks,
            "statuses": hub.reports.statuses_written,
        }

    async def agreement(self) -> int:
        """How many connected agents hold what is assigned to them."""
        return sum(session.agreed for session in self.hub.registry)
