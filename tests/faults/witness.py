"""A simulated cluster that remembers what was done to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agent.engine.resource import Object, ResourceKey
from agent.kube.client import ApplyOptions, DeleteOptions, Kind
from agent.kube.simulated import SimulatedCluster

APPLY, DELETE = ApplyOptions(), DeleteOptions()


def key(kind: str, name: str, namespace: str = "default", group: str = "") -> ResourceKey:
    return ResourceKey(group, kind, namespace, name)


def settings(name: str) -> ResourceKey:
    """The key of a ConfigMap."""
    return key("ConfigMap", name)


class Witness(SimulatedCluster):
    """Dry runs change nothing and are not remembered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.applied: list[tuple[str, Any]] = []
        """(name, data) of what was applied, in order, whether it changed anything or not."""
        self.deleted: list[str] = []
        self.deeds: list[str] = []
        """"+name" of what was applied and "-name" of what was deleted, in order."""

    async def apply(self, kind: Kind, manifest: Object, options: ApplyOptions = APPLY) -> Object:
        result = await super().apply(kind, manifest, options)
        if not options.dry_run:
            self.applied.append((manifest["metadata"]["name"], manifest.get("data")))
            self.deeds.append(f"+{manifest['metadata']['name']}")
        return result

    async def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions = DELETE) -> bool:
        found = await super().delete(kind, namespace, name, options)
        if found and not options.dry_run:
            self.deleted.append(name)
            self.deeds.append(f"-{name}")
        return found

    def data(self, name: str) -> Any:
        """Return the data of a ConfigMap, None when it is not there."""
        found = self.find(settings(name))
        return found["data"] if found else None

    def uids(self, names: Iterable[str]) -> dict[str, str]:
        """Return the uid of each ConfigMap: another one later means that it was deleted in between."""
        found = {name: self.find(settings(name)) for name in names}
        return {name: obj["metadata"]["uid"] for name, obj in found.items() if obj is not None}

    def times_applied(self, name: str, data: Any) -> int:
        return self.applied.count((name, data))
