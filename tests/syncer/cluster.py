"""The cluster under a syncer in tests, simulated or real: what is asked of it, what goes wrong, what people do to it.

A syncer gets `Cluster.client`, which counts every request and fails those it is told to. People work through
`Cluster.people`, past all that. Nothing here tells one implementation from the other.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.engine.resource import GroupKind, Object, ResourceKey, key_of, split_api_version
from agent.kube import errors
from agent.kube.client import ApplyOptions, DeleteOptions, Discovery, Kind, KubeClient, ObjectList, Reduce, WatchEvent

T = TypeVar("T")

WRITES = frozenset({"apply", "delete", "create", "replace", "patch"})
_APPLY = ApplyOptions()
_DELETE = DeleteOptions()
LIMIT = 20.0
"""Seconds anything is waited for."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was made, or is about to be."""

    verb: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        return self.verb in WRITES and not self.dry_run


Trouble = Callable[[Call], errors.KubeError | None]
"""Says what a request is to fail with; None lets it through."""
Gate = Callable[[Call], Awaitable[None]]
"""Holds a request up for as long as it takes."""


class Tap:
    """A `KubeClient` that keeps count of what goes over it, and fails what it is told to fail."""

    immediate = False

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.calls: list[Call] = []
        self.trouble: Trouble | None = None
        self.gate: Gate | None = None
        self.lose: Callable[[Call], bool] | None = None
        """Says of which writes the answer is lost, with everything that is asked from then on."""
        self._lost = False
        self._discovery: Discovery | None = None

    @property
    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.writes]

    def named(self, verb: str, *, dry_run: bool = False) -> list[str]:
        """Return "Kind/name" of every request of a verb, in order."""
        return [f"{c.kind}/{c.name}" for c in self.calls if c.verb == verb and c.dry_run == dry_run]

    async def _pass(
        self, verb: str, kind: Kind | None, namespace: str = "", name: str = "", *, dry: bool = False
    ) -> None:
        call = Call(verb, kind.kind if kind else "", namespace, name, dry)
        if self.gate is not None:
            await self.gate(call)
        if self._lost and self.lose is not None:
            raise errors.Unreachable("the API server does not answer")
        error = self.trouble(call) if self.trouble is not None else None
        if error is not None:
            raise error
        self.calls.append(call)

    async def discover(self, *, refresh: bool = False) -> Discovery:
        await self._pass("refresh" if refresh else "discover", None)
        if refresh or self._discovery is None:
            # Kept here: what people learn of the cluster is not for the syncer to know.
            self._discovery = await self._client.discover(refresh=True)
        return self._discovery

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        await self._pass("get", kind, namespace, name)
        return await self._client.get(kind, namespace, name)

    async def list(
        self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500, reduce: Reduce | None = None
    ) -> ObjectList:
        await self._pass("list" if reduce is None else "list-metadata", kind, namespace)
        return await self._client.list(kind, namespace=namespace, selector=selector, limit=limit, reduce=reduce)

    async def apply(self, kind: Kind, manifest: Object, options: ApplyOptions = _APPLY) -> Object:
        key = key_of(manifest)
        await self._pass("apply", kind, key.namespace, key.name, dry=options.dry_run)
        answer = await self._client.apply(kind, manifest, options)
        if self.lose is not None and self.lose(Call("apply", kind.kind, key.namespace, key.name, options.dry_run)):
            self._lost = True
            raise errors.Unreachable("the connection was cut")
        return answer

    async def replace(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        key = key_of(manifest)
        await self._pass("replace", kind, key.namespace, key.name, dry=dry_run)
        return await self._client.replace(kind, manifest, field_manager=field_manager, dry_run=dry_run)

    async def create(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        key = key_of(manifest)
        await self._pass("create", kind, key.namespace, key.name, dry=dry_run)
        return await self._client.create(kind, manifest, field_manager=field_manager, dry_run=dry_run)

    async def patch(
        self, kind: Kind, key: ResourceKey, patch: Object, *, field_manager: str, subresource: str = ""
    ) -> Object:
        await self._pass("patch", kind, key.namespace, key.name)
        return await self._client.patch(kind, key, patch, field_manager=field_manager, subresource=subresource)

    async def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions = _DELETE) -> bool:
        await self._pass("delete", kind, namespace, name, dry=options.dry_run)
        return await self._client.delete(kind, namespace, name, options)

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
        await self._pass("watch-metadata" if metadata else "watch", kind, namespace)
        stream = self._client.watch(
            kind,
            namespace=namespace,
            selector=selector,
            resource_version=resource_version,
            timeout_seconds=timeout_seconds,
            metadata=metadata,
        )
        assert isinstance(stream, AsyncGenerator)
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    async def logs(self, namespace: str, pod: str, container: str, *, lines: int, limit: int) -> str:
        await self._pass("logs", None, namespace, pod)
        return await self._client.logs(namespace, pod, container, lines=lines, limit=limit)

    async def close(self) -> None:
        """The cluster closes what is behind it."""


class People:
    """What others do to a cluster: they edit, delete and create, and are in nobody's count."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace
        self._left: builtins.list[Object] = []
        """Objects without a namespace, to be removed after the test."""

    async def kind(self, group: str, kind: str) -> Kind:
        """Return a kind in the version the cluster prefers."""

        async def served() -> Kind | None:
            discovery = await self._client.discover()
            if GroupKind(group, kind) not in discovery.preferred:
                discovery = await self._client.discover(refresh=True)
            return discovery.preferred.get(GroupKind(group, kind))

        found = await until(served, lambda k: k is not None)
        assert found is not None
        return found

    async def look_again(self) -> None:
        """See which versions the cluster serves now."""
        await self._client.discover(refresh=True)

    async def _kind_of(self, obj: Object) -> Kind:
        return await self.kind(split_api_version(obj["apiVersion"])[0], obj["kind"])

    async def get(self, key: ResourceKey) -> Object | None:
        return await self._client.get(await self.kind(key.group, key.kind), key.namespace, key.name)

    async def list(self, group: str, kind: str) -> builtins.list[Object]:
        """Return what there is of a kind in the test's namespace."""
        return (await self._client.list(await self.kind(group, kind), namespace=self.namespace)).items

    async def edit(self, key: ResourceKey, patch: Object, manager: str = "kubectl-edit") -> Object:
        """Change an object as a person would; `patch` is a JSON merge patch."""
        kind = await self.kind(key.group, key.kind)
        while True:
            found = await self._client.get(kind, key.namespace, key.name)
            assert found is not None, f"there is no {key}"
            try:
                return await self._client.replace(kind, merged(found, patch), field_manager=manager)
            except errors.Conflict:
                continue  # a controller was quicker

    async def create(self, obj: Object, manager: str = "kubectl-create") -> Object:
        kind = await self._kind_of(obj)
        return await self._client.create(kind, self._placed(kind, obj), field_manager=manager)

    async def apply(self, obj: Object, manager: str = "kubectl", *, force: bool = True) -> Object:
        """Server-side apply, by another field manager than the agent."""
        kind = await self._kind_of(obj)
        return await self._client.apply(kind, self._placed(kind, obj), ApplyOptions(field_manager=manager, force=force))

    async def remove(self, key: ResourceKey, propagation: str = "background") -> bool:
        kind = await self.kind(key.group, key.kind)
        return await self._client.delete(kind, key.namespace, key.name, DeleteOptions(propagation))

    async def gone(self, key: ResourceKey) -> None:
        """Wait until an object is not there."""
        await until(lambda: self.get(key), lambda found: found is None)

    def _placed(self, kind: Kind, obj: Object) -> Object:
        place = {"namespace": self.namespace} if kind.namespaced else {}
        return {**obj, "metadata": {**place, **obj["metadata"]}}

    # --- what lives in no namespace

    def leave(self, obj: Object) -> Object:
        """Have an object that lives in no namespace removed after the test, whoever makes it."""
        self._left.append(obj)
        return obj

    async def clean(self) -> None:
        for obj in reversed(self._left):
            group, version = split_api_version(obj["apiVersion"])
            kind = (await self._client.discover()).find(group, version, obj["kind"])
            if kind is not None:
                await self._client.delete(kind, "", obj["metadata"]["name"], DeleteOptions("background"))


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, and a fresh namespace on it."""

    client: Tap
    people: People
    namespace: str
    simulated: bool = True
    """No controllers or admission but those it brings."""


async def until(read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], limit: float = LIMIT) -> T:
    """Read until something holds, and return what was read."""
    last: Any = None
    try:
        async with asyncio.timeout(limit):
            while not holds(last := await read()):
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {limit:g} s in vain; last seen: {last}") from None
    value: T = last
    return value


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> Object:
    """Return a JSON merge patch's outcome (RFC 7396)."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result
