"""The bench's hub: the real one, of all roles, in a process of its own, with a few extra ears to measure by.

What is heard is heard once it is in the store: a status counts from when the write of its batch has returned.
"""

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

from hub.api.webhooks.secrets import SETTING, sealed
from hub.config import Settings
from hub.domain.application import Application
from hub.domain.assignment import Assignment, AssignmentContent
from hub.domain.cluster import Cluster
from hub.domain.status import ApplicationStatus, DriftReport
from hub.domain.webhook_secrets import WebhookSecrets
from hub.formats.objects import parse_objects
from hub.server import Hub
from hub.source.repository import GitRequest
from tests.benchmarks.host import Command, serve

Pair = tuple[str, str]
"""(cluster uid, application id)"""


def main(pipe: Connection, root: Path, port: int = 0) -> None:
    logging.basicConfig(level=logging.WARNING)

    async def build() -> dict[str, Command]:
        host = HubHost(root, port)
        await host.start()
        return {name: getattr(host, name) for name in HubHost.COMMANDS}

    serve(pipe, build)


class HubHost:
    COMMANDS = (
        "port", "enrol", "apply", "refresh", "watch", "arrivals", "arrived", "synced", "drifts", "counters",
        "degraded", "agreement", "stop", "add_cluster", "webhooks", "assigned", "poll", "git_requests",
    )  # fmt: skip

    def __init__(self, root: Path, port: int) -> None:
        settings = {
            "data_dir": root / "hub",
            "host": "127.0.0.1",
            "port": 0,
            "agent_port": port,
            "allow_file_repositories": (root,),
            "initial_password_file": root / "password",
            # What a bench measures begins with a refresh, not with a poll that happens to come.
            "poll_seconds": 3600.0,
        }
        self.hub = Hub(Settings.model_validate(settings))
        self._synced: dict[Pair, bool] = {}
        self._before: dict[str, str] = {}
        self._arrivals: dict[Pair, float] = {}
        self._drifts: dict[str, float] = {}
        self._degraded: dict[str, float] = {}
        self._assigned: dict[str, float] = {}
        self._git: list[tuple[str, str, float]] = []

    async def start(self) -> None:
        await self.hub.start()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)  # as hub.__main__ does
        self._listen_to_statuses()
        self._listen_to_drifts()
        self._listen_to_assignments()
        self._listen_to_git()

    def _listen_to_statuses(self) -> None:
        put = self.hub.store.put_statuses

        async def listening(statuses: Iterable[ApplicationStatus]) -> None:
            rows = list(statuses)
            await put(rows)
            now = time.time()
            for status in rows:
                pair = (status.cluster, status.application)
                done = status.sync == "Synced" and status.synced_manifest_set == status.manifest_set
                self._synced[pair] = done
                for resource in status.resources:
                    if resource.health == "Degraded":
                        self._degraded.setdefault(resource.key.name, now)
                if done and status.manifest_set != self._before.get(status.application, status.manifest_set):
                    self._arrivals.setdefault(pair, now)

        self.hub.store.put_statuses = listening  # type: ignore[method-assign]

    def _listen_to_drifts(self) -> None:
        put = self.hub.store.put_drifts

        async def listening(drifts: Iterable[DriftReport]) -> None:
            rows = list(drifts)
            await put(rows)
            now = time.time()
            for drift in rows:
                self._drifts.setdefault(drift.key.name, now)

        self.hub.store.put_drifts = listening  # type: ignore[method-assign]

    def _listen_to_assignments(self) -> None:
        assign = self.hub.store.assign

        async def listening(contents: Iterable[tuple[str, AssignmentContent]], **named: Any) -> list[Assignment]:
            changed = await assign(contents, **named)
            now = time.time()
            self._assigned.update({assignment.content.application: now for assignment in changed})
            return changed

        self.hub.store.assign = listening  # type: ignore[method-assign]

    def _listen_to_git(self) -> None:
        observe = self.hub._git_observer

        def listening(request: GitRequest) -> None:
            observe(request)
            self._git.append((request.repository, request.kind, time.time()))

        self.hub._git_observer = listening

    async def stop(self) -> None:
        await self.hub.stop()

    async def port(self) -> int:
        return self.hub.agent_port

    async def enrol(self, requests: dict[str, bytes]) -> dict[str, Any]:
        """name → CSR to name → (uid, certificate PEM, not before, not after), and under "" the trust bundle."""
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
        """Create or change the applications of a YAML text."""
        for parsed in parse_objects(text, name="bench"):
            assert isinstance(parsed.value, Application)
            await self.hub.store.put_application(parsed.value)
        await self.hub.bus.publish("applications")

    async def refresh(self, names: list[str]) -> float:
        """Ask for what the API asks for when somebody refreshes. Returns the Unix time at which that began."""
        began = time.time()
        await self.hub.store.request_refresh([f"argocd/{n}" for n in names], "normal")
        await self.hub.bus.publish("refresh")
        return began

    async def add_cluster(self, name: str) -> None:
        """One without an agent."""
        await self.hub.store.add_cluster(
            Cluster(str(uuid.uuid4()), name, {"fleet": "bench"}, created_at=datetime.now(UTC))
        )
        await self.hub.bus.publish("clusters")

    async def webhooks(self, secrets: dict[str, str]) -> tuple[int, str]:
        """Set what events are believed by. Returns the HTTPS port, and the authorities to trust on it."""
        await self.hub.store.put_setting(SETTING, sealed(WebhookSecrets(secrets), self.hub.trust.box))
        return self.hub.api_port, "".join(self.hub.trust.enrolments.authorities()["authorities"])

    async def assigned(self, anew: bool = False) -> dict[str, float]:
        """Application → the Unix time its newest assignment was on record, of those that were changed since asked for
        `anew`."""
        if anew:
            self._assigned = {}
        return self._assigned

    async def poll(self) -> float:
        """Have every repository asked as if the time of all had come. Returns the Unix time at which that began."""
        assert self.hub.controller is not None
        self._git = []
        began = time.time()
        for repository in self.hub.controller._watcher._repositories.values():
            repository.due = 0.0
        await self.hub.bus.publish("refresh")
        return began

    async def git_requests(self) -> list[tuple[str, str, float]]:
        """Repository, kind and the Unix time of the end of every command against a server since `poll`."""
        return self._git

    async def watch(self) -> None:
        """Begin to note when statuses arrive that are Synced at another set than their application's present one."""
        self._before = await self.hub.store.current_sets()
        self._arrivals = {}

    async def arrived(self) -> int:
        return len(self._arrivals)

    async def arrivals(self) -> list[float]:
        """Return the Unix times of all that arrived since `watch`, in order."""
        return sorted(self._arrivals.values())

    async def synced(self) -> int:
        """How many pairs of cluster and application were told to be Synced at what is assigned."""
        return sum(self._synced.values())

    async def drifts(self) -> dict[str, float]:
        """Name of an object → the Unix time its first drift report was on record."""
        return self._drifts

    async def degraded(self) -> dict[str, float]:
        """Name of an object → the Unix time its first status as Degraded was on record."""
        return self._degraded

    async def counters(self) -> dict[str, int]:
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
        """How many agents are connected and hold what is assigned to them."""
        return sum(session.agreed for session in self.hub.registry)
