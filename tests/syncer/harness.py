"""A hub's stand-in for tests of the agent's middle: makes manifest sets and assignments, and waits on statuses."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.engine.assignment import (
    Assignment,
    Deletion,
    IgnoreDifference,
    ManifestSetRef,
    OperationRequest,
    Retry,
    Revision,
    SourceRevision,
    SyncPolicy,
)
from agent.engine.operation import OperationState
from agent.engine.resource import Object, ResourceKey
from agent.engine.status import ApplicationStatus, DriftReport
from agent.hubclient.outbox import Outbox
from agent.kube.client import KubeClient
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.manager import Syncer
from tests.syncer.cluster import until

Blobs = dict[str, bytes]
AUTOMATED = SyncPolicy(automated=True, prune=True, self_heal=True)
MANUAL = SyncPolicy()
RETRY = Retry(limit=2, duration_seconds=10, factor=3, max_seconds=60)


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"k": "v"}}


def deployment(name: str, replicas: int = 1, image: str = "app:1") -> Object:
    labels = {"app": name}
    container = {"name": "main", "image": image}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def bad_deployment(name: str) -> Object:
    """Return one that every API server refuses: its selector does not select its own pods."""
    bad = deployment(name)
    bad["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    return bad


def manifest_set(objects: Sequence[Object]) -> tuple[ManifestSetRef, Blobs]:
    rows, blobs = [], {}
    for obj in objects:
        content = canonical(obj)
        group, _, version = obj["apiVersion"].rpartition("/")
        metadata = obj["metadata"]
        digest = sha(content)
        blobs[digest] = content
        name = metadata.get("name") or metadata["generateName"]
        row = [group, version, obj["kind"], metadata.get("namespace", ""), name, digest, len(content)]
        rows.append(row)
    content = canonical({"resources": rows})
    blobs[sha(content)] = content
    return ManifestSetRef(sha(content), "", "", len(rows)), blobs


class Hub:
    """Assigns to one agent's syncer, and reads its outbox.

    Its applications are `<name>-<namespace>`: the clusters of a test run are shared, and a syncer watches all of one.
    """

    def __init__(
        self, client: KubeClient, path: Path, *, namespace: str = "default", clock: Clock | None = None
    ) -> None:
        self.client = client
        self.path = path
        self.namespace = namespace
        self._clock = clock
        self._generations = itertools.count(1)
        self._operations = itertools.count(1)
        self.statuses: dict[str, ApplicationStatus] = {}
        self.told: list[ApplicationStatus] = []
        """Every status, in order."""
        self.drifts: list[DriftReport] = []
        self.finished: list[OperationState] = []
        self.changed = asyncio.Condition()
        self.open()

    def open(self) -> None:
        self.storage = Storage(self.path / "agent.db")
        self.outbox = Outbox(self.storage)
        self.outbox.connected = True
        self.syncer = Syncer(self.client, self.storage, self.outbox, self._clock)

    async def start(self) -> None:
        await self.syncer.start()
        self._reader = asyncio.create_task(self._read())

    async def stop(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.syncer.stop()
        self.storage.close()

    def killed(self, path: Path) -> Hub:
        """Return another hub whose agent has what this one's has on disk at this moment, as if it were killed."""
        path.mkdir()
        for file in self.path.glob("agent.db*"):
            shutil.copy(file, path / file.name)
        return Hub(self.client, path, namespace=self.namespace, clock=self._clock)

    async def restart(self) -> None:
        """As if the agent's process had been ended and started again."""
        await self.stop()
        self.statuses.clear()
        self.open()
        await self.start()

    async def _read(self) -> None:
        while True:
            batch = await self.outbox.next_batch()
            async with self.changed:
                for status in batch.statuses:
                    self.statuses[status.application] = status
                self.told += batch.statuses
                self.drifts += batch.drift_reports()
                self.finished += batch.operations
                self.changed.notify_all()
            self.outbox.acknowledged()

    # --- names

    def application(self, name: str = "app") -> str:
        return f"argocd/{self.tracking(name)}"

    def tracking(self, name: str = "app") -> str:
        """Return an application's part of a tracking id."""
        return f"{name}-{self.namespace}"

    def key(self, kind: str, name: str, group: str = "") -> ResourceKey:
        return ResourceKey(group, kind, self.namespace, name)

    # --- what it asks for

    def assign(
        self,
        objects: Sequence[Object],
        *,
        name: str = "app",
        policy: SyncPolicy = AUTOMATED,
        ignore: tuple[IgnoreDifference, ...] = (),
        **changes: Any,
    ) -> Assignment:
        ref, blobs = manifest_set(objects)
        assignment = Assignment(
            application=self.application(name),
            uid=f"uid-{name}",
            generation=next(self._generations),
            digest=sha(repr((ref, policy, changes)).encode()),
            project="default",
            namespace=self.namespace,
            manifest_set=ref,
            revision=Revision((SourceRevision("https://example.com/repo", ref.digest[:40]),)),
            policy=policy,
            ignore_differences=ignore,
        )
        assignment = replace(assignment, **changes)
        arrivals = self.syncer.accept([assignment], blobs)
        self.refusals = [a for a in arrivals if a.refusal]
        return assignment

    def operate(self, objects: Sequence[Object], *, target: Sequence[Object] | None = None, **options: Any) -> str:
        """Assign with an operation asked for; `target` is what it syncs to, where that is not what is assigned."""
        ref, blobs = manifest_set(target if target is not None else objects)
        self.storage.save_blobs(blobs)
        id = options.pop("id", None) or f"op-{next(self._operations)}"
        kind = options.pop("kind", "sync")
        policy = options.pop("policy", MANUAL)
        assigned = {name: options.pop(name) for name in ("deletion", "namespace", "windows") if name in options}
        request = OperationRequest(id, kind, ref, Revision(), "somebody", 1, **options)
        self.assign(objects, policy=policy, operation=request, **assigned)
        return id

    def delete(
        self, assignment: Assignment, *, cascade: bool = True, propagation: str = "background", requested_ms: int = 0
    ) -> None:
        deletion = Deletion(cascade, propagation, requested_ms)
        deleted = replace(assignment, generation=next(self._generations), deletion=deletion, digest="0" * 64)
        self.syncer.accept([deleted], {})

    # --- what it waits for

    async def until(self, holds: Callable[[], bool], what: str = "", timeout: float = 30) -> None:
        """Wait until what the agent has told satisfies something."""
        async with self.changed:
            try:
                async with asyncio.timeout(timeout):
                    await self.changed.wait_for(holds)
            except TimeoutError:
                raise AssertionError(f"not reached {what}; last statuses: {list(self.statuses.values())}") from None

    async def idle(self) -> None:
        """Wait until the agent works on nothing: what it waits for by the clock is set."""
        await until(self._is_idle, bool)

    async def _is_idle(self) -> bool:
        return self.syncer.idle

    async def wait(
        self, holds: Callable[[ApplicationStatus], bool], name: str = "app", timeout: float = 30
    ) -> ApplicationStatus:
        """Wait until a status of the application satisfies a condition."""
        application = self.application(name)
        await self.until(lambda: application in self.statuses and holds(self.statuses[application]), name, timeout)
        return self.statuses[application]

    async def synced(self, name: str = "app", timeout: float = 30) -> ApplicationStatus:
        return await self.wait(
            lambda s: s.sync == "Synced" and s.health == "Healthy" and s.synced_manifest_set == s.manifest_set,
            name,
            timeout,
        )

    async def synced_to(self, assignment: Assignment, name: str = "app", timeout: float = 30) -> ApplicationStatus:
        """Wait until exactly this assignment's manifests are in place."""
        return await self.wait(
            lambda s: (
                (s.sync, s.health) == ("Synced", "Healthy")
                and s.generation == assignment.generation
                and s.synced_manifest_set == assignment.manifest_set.digest
            ),
            name,
            timeout,
        )

    async def operation(self, id: str, timeout: float = 30) -> OperationState:
        """Wait until an operation has finished, and return its state."""
        status = await self.wait(
            lambda s: s.operation is not None and s.operation.id == id and s.operation.phase.finished, timeout=timeout
        )
        assert status.operation is not None
        return status.operation

    async def healed(self, count: int = 1, timeout: float = 30) -> DriftReport:
        """Wait until so many drifts were healed and the application is Synced again; return the last one."""
        await self.until(
            lambda: (
                len({d.id for d in self.drifts if d.healed_ms}) >= count
                and all(s.sync == "Synced" for s in self.statuses.values())
            ),
            f"{count} healed",
            timeout,
        )
        return [d for d in self.drifts if d.healed_ms][-1]
