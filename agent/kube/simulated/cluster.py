"""The simulated cluster itself: a `KubeClient` over an API server in memory."""

from __future__ import annotations

import asyncio
import builtins
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.kube.client import ApplyOptions, DeleteOptions, Discovery, Faults, Kind, ObjectList, Reduce, WatchEvent
from agent.kube.errors import Forbidden, Gone, KindUnknown, NotFound, Rejected, Throttled, Unreachable
from agent.kube.simulated import selectors, watch
from agent.kube.simulated.collector import Collector
from agent.kube.simulated.controllers import Controllers
from agent.kube.simulated.controllers.context import Context
from agent.kube.simulated.conversion import load, metadata_of
from agent.kube.simulated.kinds import VERSION
from agent.kube.simulated.persistence import Disk, Saver
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.restore import restore
from agent.kube.simulated.seed import plant
from agent.kube.simulated.storage import Record, Storage, Table
from agent.kube.simulated.tasks import Tasks
from agent.kube.simulated.watch import Request
from agent.kube.simulated.writes import Writer

_APPLY: Final = ApplyOptions()
_DELETE: Final = DeleteOptions()
_NO_FAULTS: Final = Faults()


class SimulatedCluster:
    """A Kubernetes API server in memory, with the controllers that make things healthy.

    `rollout_seconds` is how long pods, volumes and load balancers take to become ready. With a `path` the state is
    kept in that file and survives a restart; opening it raises `agent.errors.StorageError`.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        rollout_seconds: float = 0.0,
        version: str = VERSION,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> None:
        self._storage = Storage(clock, seed)
        self._registry = Registry(version)
        self._tasks = Tasks()
        self._writer = Writer(self._storage, self._registry)
        self._collector = Collector(self._storage, self._registry, self._tasks, rollout_seconds)
        context = Context(self._storage, self._writer, self._collector, self._registry, self._tasks, rollout_seconds)
        self._controllers = Controllers(context, self._storage)
        self._storage.observers += (self._collector.observe, self._controllers.observe)
        self._discovery: Discovery | None = None
        self._faults = _NO_FAULTS
        self._resumed = True
        self._ready = True
        """Nothing stands before a request: neither faults nor work left over from an earlier run."""
        self._saver: Saver | None = None
        if path is None:
            plant(self._storage)
        else:
            self._open(path)

    def _open(self, path: Path) -> None:
        disk = Disk(path)
        try:
            version, objects = disk.load()
        except BaseException:
            disk.close()
            raise
        self._storage.recorder = self._saver = Saver(disk)
        if version:
            restore(self._storage, self._registry, self._collector, version, objects)
            self._resumed = self._ready = False
        else:
            plant(self._storage)

    # What KubeClient asks for.

    @property
    def immediate(self) -> bool:
        """Whether answers come without waiting: unless faults are injected."""
        return self._ready

    async def discover(self, *, refresh: bool = False) -> Discovery:
        """Return what the cluster serves; cached until `refresh`."""
        if not self._ready:
            await self._prepare(None)
        if refresh or self._discovery is None:
            self._discovery = self._registry.discovery()
        return self._discovery

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return the object, or None when there is none."""
        if not self._ready:
            await self._prepare(kind)
        resource = self._registry.resource(kind)
        record = self._storage.find(kind.group_kind, namespace if resource.kind.namespaced else "", name)
        return load(record, kind) if record else None

    async def list(
        self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500, reduce: Reduce | None = None
    ) -> ObjectList:
        """Return all objects of a kind, sorted by namespace and name, that match a label selector."""
        if not self._ready:
            await self._prepare(kind)
        resource = self._registry.resource(kind)
        request = Request(kind, namespace, selectors.parse(selector), 0)
        items = [load(record, kind) for record in self._records(resource.kind.group_kind, request)]
        if reduce is not None:
            reduced = (reduce(metadata_of(item)) for item in items)
            items = [item for item in reduced if item is not None]
        return ObjectList(items, str(self._storage.version))

    async def apply(self, kind: Kind, manifest: Object, options: ApplyOptions = _APPLY) -> Object:
        """Server-side apply. Returns the object as it is, or under dry_run would be."""
        if not self._ready:
            await self._prepare(kind, manifest)
        result = self._writer.apply(kind, manifest, options)
        self._tasks.drain()
        return result

    async def replace(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Update the whole object, as PUT does. metadata.resourceVersion, where given, must match."""
        if not self._ready:
            await self._prepare(kind, manifest)
        result = self._writer.replace(kind, manifest, field_manager, dry_run)
        self._tasks.drain()
        return result

    async def patch(
        self, kind: Kind, key: ResourceKey, patch: Object, *, field_manager: str, subresource: str = ""
    ) -> Object:
        """Lay a JSON merge patch over an object, or over its status. Conflict when it names another version."""
        if not self._ready:
            await self._prepare(kind, {"metadata": {"namespace": key.namespace, "name": key.name}})
        result = self._writer.merge(kind, key, patch, field_manager, subresource)
        self._tasks.drain()
        return result

    async def create(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object; Conflict when it exists already."""
        if not self._ready:
            await self._prepare(kind, manifest)
        result = self._writer.create(kind, manifest, field_manager, dry_run)
        self._tasks.drain()
        return result

    async def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions = _DELETE) -> bool:
        """Delete an object. Returns False when there was none."""
        if not self._ready:
            await self._prepare(kind)
        resource = self._registry.resource(kind)
        table = self._storage.table(resource)
        record = table.find(namespace if resource.kind.namespaced else "", name)
        if record is None:
            return False
        self._collector.delete(table, record, options)
        self._tasks.drain()
        return True

    async def watch(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        selector: str = "",
        resource_version: str,
        timeout_seconds: float = 300,
        metadata: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes since a resourceVersion, with bookmarks, until the time is over. Raises Gone."""
        if not self._ready:
            await self._prepare(kind)
        table = self._storage.table(self._registry.resource(kind))
        request = Request(kind, namespace, selectors.parse(selector), timeout_seconds)
        try:
            version = int(resource_version)
        except ValueError as error:
            raise Gone(f"the resourceVersion {resource_version!r} is not one of this cluster") from error
        # Closed with this generator, not whenever it is collected: an open watch holds history.
        async with aclosing(watch.follow(self._storage, table, version, request)) as events:
            async for event in events:
                yield WatchEvent(event.type, metadata_of(event.object)) if metadata else event

    async def logs(self, namespace: str, pod: str, container: str, *, lines: int, limit: int) -> str:
        """A simulated container writes nothing."""
        await self._prepare(None)
        if self.find(ResourceKey("", "Pod", namespace, pod)) is None:
            raise NotFound(f"pods {pod!r} not found")
        return ""

    async def close(self) -> None:
        """Stop everything. Idempotent."""
        self._tasks.close()
        if self._saver is not None:
            await self._saver.close()

    # What makes trouble.

    def set_faults(self, faults: Faults) -> None:
        """Inject faults from now on; `Faults()` ends them. A cluster that goes down cuts its watches."""
        self._faults = _NO_FAULTS if faults == _NO_FAULTS else faults
        self._ready = self._resumed and self._faults is _NO_FAULTS
        if faults.down:
            self.break_watches()

    def break_watches(self) -> None:
        """Cut every open watch, as a lost connection does."""
        for table in self._storage.tables.values():
            for follower in table.watches:
                follower.cut(Unreachable("the connection was cut"))

    def expire_watches(self) -> None:
        """Forget the history: whoever resumes a watch gets Gone, and has to list again."""
        self._storage.forget_history()

    async def _prepare(self, kind: Kind | None, manifest: Object | None = None) -> None:
        """Take up what an earlier run left over, and let the request feel the faults."""
        if not self._resumed:
            self._resumed = True
            self._ready = self._faults is _NO_FAULTS
            self._controllers.resume()
            self._tasks.drain()
        faults = self._faults
        if faults.latency_seconds > 0:
            await asyncio.sleep(faults.latency_seconds)
        if faults.down:
            raise Unreachable("the API server does not answer (simulated)")
        if faults.throttle:
            raise Throttled("too many requests (simulated)")
        if faults.error_rate > 0 and random.random() < faults.error_rate:  # noqa: S311 - chance, not a secret
            raise Unreachable("the API server answered 500 (simulated)")
        if kind is None:
            return
        if kind.group_kind in faults.forbid:
            raise Forbidden(f"{kind.plural} is forbidden (simulated)")
        if manifest is not None and faults.reject:
            metadata = manifest.get("metadata") or {}
            namespace = metadata.get("namespace") or "" if kind.namespaced else ""
            reason = faults.reject.get(ResourceKey(kind.group, kind.kind, namespace, str(metadata.get("name"))))
            if reason is not None:
                raise Rejected(reason)

    # What people do and see behind the agent's back: no fault touches it.

    def find(self, key: ResourceKey) -> Object | None:
        """Return an object as it is stored, or None."""
        record = self._storage.find(GroupKind(key.group, key.kind), key.namespace, key.name)
        return record.tree() if record else None

    def select(self, group_kind: GroupKind, namespace: str = "", selector: str = "") -> builtins.list[Object]:
        """Return the objects of a kind, sorted by namespace and name. Raises KindUnknown."""
        resource = self._registry.stored(group_kind)
        if resource is None:
            raise KindUnknown(f"the cluster serves no kind {group_kind.kind} in the group {group_kind.group!r}")
        request = Request(resource.kind, namespace, selectors.parse(selector), 0)
        return [record.tree() for record in self._records(group_kind, request)]

    async def edit(self, key: ResourceKey, patch: Object, manager: str = "kubectl-edit") -> Object:
        """Change an object as a person would: a JSON merge patch. Raises NotFound."""
        table, record = self._locate(key)
        if table is None or record is None:
            raise NotFound(f'"{key}" not found')
        result = self._writer.patch(table, record, patch, manager)
        self._tasks.drain()
        return result

    async def remove(self, key: ResourceKey) -> bool:
        """Delete an object as a person would. Returns False when there was none."""
        table, record = self._locate(key)
        if table is None or record is None:
            return False
        self._collector.delete(table, record, _DELETE)
        self._tasks.drain()
        return True

    def _locate(self, key: ResourceKey) -> tuple[Table | None, Record | None]:
        table = self._storage.tables.get(GroupKind(key.group, key.kind))
        return table, table.find(key.namespace, key.name) if table else None

    def _records(self, group_kind: GroupKind, request: Request) -> builtins.list[Record]:
        table = self._storage.tables.get(group_kind)
        records = [record for record in table.records(request.namespace) if request.select(record)] if table else []
        records.sort(key=lambda record: (record.namespace, record.name))
        return records
