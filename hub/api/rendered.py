"""What was rendered: the manifests of an application, and every resource of it with its status."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from hub.api.convert import key_fields, resource_item
from hub.api.detail import Known
from hub.api.mask import masked
from hub.api.models.resource import ClusterResourceItem, RenderedSet
from hub.api.targets import read_sets
from hub.domain.assignment import AssignmentContent
from hub.domain.cluster import Cluster
from hub.domain.manifest import ManifestSet, ResourceKey
from hub.domain.operation import HistoryEntry
from hub.domain.revision import Revision, SourceRevision
from hub.domain.status import ApplicationStatus, HealthStatus, SyncStatus
from hub.errors import NotFound, TooLarge
from hub.store.contract import Store

MOST_BYTES = 32 * 1024 * 1024
"""Of manifests in one answer."""
MOST_RESOURCES = 5_000
"""Rows in one answer."""


class Deployment(NamedTuple):
    """A manifest set on one cluster, now or once."""

    digest: str
    revision: Revision
    cluster: str
    """Its name."""


@dataclass(frozen=True, slots=True)
class Place:
    """One manifest set of the application, and the clusters it is, or was, for."""

    digest: str
    revision: str
    """Short."""
    clusters: tuple[str, ...]
    """Names."""


def assigned(known: Known, clusters: Iterable[Cluster]) -> list[Deployment]:
    """Return what is assigned now."""
    contents = [(known.assignments[cluster.uid].content, cluster.name) for cluster in clusters]
    return [Deployment(content.manifest_set.digest, content.revision, name) for content, name in contents]


def deployed_once(clusters: Iterable[Cluster], history: Iterable[HistoryEntry]) -> list[Deployment]:
    """Return what was deployed once, newest first."""
    names = {cluster.uid: cluster.name for cluster in clusters}
    return [Deployment(h.manifest_set, h.revision, names[h.cluster]) for h in history if h.cluster in names]


def matching(
    deployments: Iterable[Deployment], commit: str, commits: Mapping[int, str], manifest_set: str
) -> list[Deployment]:
    """Return those of a commit (its beginning) of any source, of such commits of some of them by position, and of a
    set's digest; what is empty is any."""
    return [
        one
        for one in deployments
        if (not manifest_set or one.digest == manifest_set)
        and (not commit or any(_is_at(source, commit) for source in one.revision.sources))
        and all(_is_at(source, beginning) for source, beginning in _pairs(one.revision, commits))
    ]


def places(deployments: Iterable[Deployment]) -> list[Place]:
    """Return each distinct set once, with all of its clusters and the first of its revisions."""
    found: dict[str, tuple[Revision, dict[str, None]]] = {}
    for digest, revision, name in deployments:
        if digest:
            found.setdefault(digest, (revision, {}))[1][name] = None
    return [Place(digest, revision.short, tuple(names)) for digest, (revision, names) in found.items()]


async def read_manifests(store: Store, places: Sequence[Place]) -> list[RenderedSet]:
    """Raises NotFound when nothing of it is kept any more, TooLarge."""
    sets = await read_sets(store, (place.digest for place in places))
    result = []
    budget = MOST_BYTES
    for place in places:
        manifest_set = sets.get(place.digest)
        if manifest_set is None:
            continue
        budget -= sum(entry.size for entry in manifest_set.entries)
        if budget < 0:
            raise TooLarge(f"the manifests are more than {MOST_BYTES:,} bytes: name a cluster")
        blobs = await store.get_blobs({entry.digest for entry in manifest_set.entries})
        objects = await asyncio.to_thread(_objects, manifest_set, blobs)
        result.append(
            RenderedSet(
                manifest_set=place.digest, revision=place.revision, clusters=list(place.clusters), objects=objects
            )
        )
    if places and not result:
        raise NotFound("these manifests are not kept any more")
    return result


async def read_resources(
    store: Store, known: Known, clusters: Sequence[Cluster]
) -> tuple[list[ClusterResourceItem], bool]:
    """Return every resource of every cluster, and whether there are more than an answer holds."""
    digests = {known.assignments[cluster.uid].content.manifest_set.digest for cluster in clusters}
    sets = await read_sets(store, digests)
    rows: list[ClusterResourceItem] = []
    for cluster in clusters:
        content = known.assignments[cluster.uid].content
        manifest_set = sets.get(content.manifest_set.digest)
        rows += overlaid(cluster, content, manifest_set, known.statuses.get(cluster.uid))
        if len(rows) > MOST_RESOURCES:
            return rows[:MOST_RESOURCES], True
    return rows, False


def overlaid(
    cluster: Cluster, content: AssignmentContent, manifest_set: ManifestSet | None, status: ApplicationStatus | None
) -> list[ClusterResourceItem]:
    """Put what a cluster reports over what is assigned to it.

    A report names only resources that are not fine: the others are Synced and Healthy, if the report is about this very
    set and could name all; Unknown if not. Resources that are only left over on the cluster come last.
    """
    exceptions = {r.key: r for r in status.resources} if status else {}
    is_about_this = status is not None and status.manifest_set == content.manifest_set.digest
    complete = status is not None and is_about_this and status.not_fine <= len(status.resources)
    sync, health = (SyncStatus.SYNCED, HealthStatus.HEALTHY) if complete else (SyncStatus.UNKNOWN, HealthStatus.UNKNOWN)
    rows = []
    for entry in manifest_set.entries if manifest_set else ():
        key = _placed(entry.key, content.namespace, cluster, exceptions)
        known = exceptions.pop(key, None)
        if known is not None:
            rows.append(ClusterResourceItem(cluster=cluster.name, **resource_item(known).model_dump()))
            continue
        rows.append(
            ClusterResourceItem(
                cluster=cluster.name,
                **key_fields(key),
                version=entry.version,
                sync=sync,
                health=health,
                message="",
                requires_pruning=False,
                drift=[],
            )
        )
    left = [ClusterResourceItem(cluster=cluster.name, **resource_item(r).model_dump()) for r in exceptions.values()]
    return rows + left


def _placed(key: ResourceKey, namespace: str, cluster: Cluster, reported: Container[ResourceKey]) -> ResourceKey:
    """Return a rendered key as it is on a cluster: in the destination's namespace where the manifest names none."""
    if key.namespace or key in reported:
        return key
    inside = key._replace(namespace=namespace)
    return inside if inside in reported or cluster.capabilities.is_namespaced(key.group, key.kind) else key


def _pairs(revision: Revision, commits: Mapping[int, str]) -> Iterator[tuple[SourceRevision | None, str]]:
    """Yield what was read of each source by position, None where there was no such source then."""
    sources = revision.sources
    for position, beginning in commits.items():
        yield sources[position] if position < len(sources) else None, beginning


def _is_at(source: SourceRevision | None, beginning: str) -> bool:
    return source is not None and source.revision.lower().startswith(beginning.lower())


def _objects(manifest_set: ManifestSet, blobs: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [masked(orjson.loads(blobs[entry.digest])) for entry in manifest_set.entries if entry.digest in blobs]
