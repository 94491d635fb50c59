"""The one face of a Kubernetes cluster, real or simulated.

`agent.kube.cluster` talks to a real API server, `agent.kube.simulated` is one in memory; both pass the contract
suite in tests/kube/contract.py, and callers cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from agent.engine.resource import GroupKind, Object, ResourceKey


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as a cluster serves it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    # Asked for several times at every request, and made once: there are few kinds.
    api_version: str = field(init=False, repr=False, compare=False)
    group_kind: GroupKind = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_version", f"{self.group}/{self.version}" if self.group else self.version)
        object.__setattr__(self, "group_kind", GroupKind(self.group, self.kind))

    def __str__(self) -> str:
        return f"{self.kind} ({self.api_version})"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a cluster serves."""

    version: str
    """The server's version, "v1.36.3"."""
    kinds: Mapping[tuple[str, str, str], Kind]
    """By (group, version, kind)."""
    preferred: Mapping[GroupKind, Kind]
    """The version the server prefers, by group and kind."""
    stale: frozenset[str] = frozenset()
    """Groups of which the server cannot tell everything: what serves them does not answer. What was known of them
    before is among the kinds."""

    def find(self, group: str, version: str, kind: str) -> Kind | None:
        """Return the kind in exactly this version, or None."""
        return self.kinds.get((group, version, kind))

    def api_versions(self) -> list[str]:
        """Return what charts ask for: "apps/v1" and "apps/v1/Deployment", sorted."""
        versions = {k.api_version for k in self.kinds.values()}
        kinds = {f"{k.api_version}/{k.kind}" for k in self.kinds.values()}
        return sorted(versions | kinds)


@dataclass(frozen=True, slots=True)
class ObjectList:
    items: list[Object]
    resource_version: str


Reduce = Callable[[Object], Object | None]
"""Takes an object of which only apiVersion, kind and metadata are there, and returns what is to be kept of it; None for
nothing."""


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    type: EventType
    object: Object
    """For a bookmark only metadata.resourceVersion is there."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply. The default takes the fields over from other managers, as a GitOps owner must."""

    field_manager: str = "escadre-agent"
    force: bool = True
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    propagation: str = "foreground"
    """foreground | background | orphan"""
    uid: str | None = None
    """Delete only the object with this uid; another one of the same name is a Conflict."""
    resource_version: str | None = None
    """Delete it only as it is in this version; one that was changed since is a Conflict."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults a simulated cluster injects, for trying them out. Rates are 0..1, seconds are real time."""

    latency_seconds: float = 0.0
    error_rate: float = 0.0
    reject: Mapping[ResourceKey, str] = field(default_factory=dict)
    forbid: frozenset[GroupKind] = frozenset()
    down: bool = False
    throttle: bool = False


class KubeClient(Protocol):
    """Talks to one cluster. Methods raise `agent.kube.errors.KubeError` and nothing else, and are bounded in time."""

    @property
    def immediate(self) -> bool:
        """Whether answers come without waiting, so that asking for many at once gains nothing."""
        ...

    async def discover(self, *, refresh: bool = False) -> Discovery:
        """Return what the cluster serves; cached until `refresh`."""
        ...

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return the object, or None when there is none."""
        ...

    async def list(
        self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500, reduce: Reduce | None = None
    ) -> ObjectList:
        """Return all objects of a kind (all pages), in one namespace or in all, that match a label selector.

        With `reduce` only their metadata is asked for, and of each page what it leaves is kept: a cluster has more
        objects than an agent has memory.
        """
        ...

    async def apply(self, kind: Kind, manifest: Object, options: ApplyOptions = ...) -> Object:
        """Server-side apply. Returns the object as the server has it, or would have it under dry_run.

        The manifest names its own namespace when the kind is namespaced.
        """
        ...

    async def replace(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Update the whole object, as PUT does. metadata.resourceVersion, where given, must match."""
        ...

    async def patch(
        self, kind: Kind, key: ResourceKey, patch: Object, *, field_manager: str, subresource: str = ""
    ) -> Object:
        """Lay a JSON merge patch over an object that is there; returns it as it is then. NotFound when there is none.

        metadata.resourceVersion, where the patch has one, must match, or it is a Conflict; metadata.uid, too, or it is
        Rejected. With the subresource "status" only metadata and status are taken, without it everything but the
        status of a kind that keeps it apart; KindUnknown, or of a custom kind NotFound, where there is no such
        subresource.
        """
        ...

    async def create(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object; Conflict when it exists already."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions = ...) -> bool:
        """Delete an object. Returns False when there was none. Returning True does not mean it is gone yet."""
        ...

    def watch(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        selector: str = "",
        resource_version: str,
        timeout_seconds: float = 300,
        metadata: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes since a resourceVersion, with bookmarks, until the server ends the watch.

        With `metadata` of each object only apiVersion, kind and metadata are there. Raises Gone when the version is
        too old: list again.
        """
        ...

    async def logs(self, namespace: str, pod: str, container: str, *, lines: int, limit: int) -> str:
        """Return the last lines that a pod's container has written, `limit` bytes at most. NotFound when there is no
        such pod."""
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...
