"""What a request means by its clusters and resources, found among what is assigned. Pure but for reading sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.api.detail import Known, named
from hub.domain.cluster import Cluster
from hub.domain.manifest import ManifestSet, ResourceKey
from hub.errors import Conflict, HubError, Invalid, NotFound
from hub.store.contract import Store

_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ResourceName:
    """A resource as it was asked for."""

    text: str
    group: str
    kind: str
    name: str
    namespace: str

    def names(self, key: ResourceKey, default_namespace: str) -> bool:
        """Whether a key is meant. A manifest that names no namespace lives in the destination's, if in any."""
        if (self.group, self.kind, self.name) != (key.group, key.kind, key.name):
            return False
        return not self.namespace or self.namespace == (key.namespace or default_namespace)


def parse_resource(text: str) -> ResourceName:
    """Read GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME, the group empty for core kinds. Raises Invalid."""
    parts = text.split(":", 2)
    if len(parts) == 3 and parts[1] and parts[2] and len(text) <= 1000:
        group, kind, rest = parts
        namespace, slash, name = rest.rpartition("/")
        if name and (namespace or not slash):
            return ResourceName(text, group, kind, name, namespace)
    raise Invalid(
        f"{text[:100]!r} names no resource: write GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME, as in "
        "apps:Deployment:web or :Service:prod/web"
    )


def select_clusters(known: Known, names: Sequence[str]) -> list[Cluster]:
    """Return the application's clusters of these names; all of them for none. Raises Invalid for a name that is none
    of them."""
    places = [cluster for cluster, _ in known.places]
    if not names:
        return places
    found, strange = named(places, names)
    if strange:
        shown = ", ".join(name[:100] for name in strange[:_MOST_SHOWN])
        raise Invalid(f"application {known.application.id.display} is not on these clusters: {shown}")
    return found


def select_cluster(known: Known, name: str) -> list[Cluster]:
    """Return one cluster of the application; all of them for no name. Raises NotFound."""
    if not name:
        return [cluster for cluster, _ in known.places]
    found, _ = named((cluster for cluster, _ in known.places), [name])
    if not found:
        raise NotFound(f"application {known.application.id.display} is not on cluster {name}")
    return found


async def read_sets(store: Store, digests: Iterable[str]) -> dict[str, ManifestSet]:
    """Return manifest sets by digest, those that are still kept. Raises HubError when one is damaged."""
    blobs = await store.get_blobs({digest for digest in digests if digest})
    try:
        return {digest: ManifestSet.decode(content) for digest, content in blobs.items()}
    except ValueError as error:
        raise HubError(f"a stored manifest set cannot be read: {error}") from error


def find_resources(
    known: Known, clusters: Iterable[Cluster], sets: Mapping[str, ManifestSet], wanted: Sequence[ResourceName]
) -> tuple[ResourceKey, ...]:
    """Return the keys that are meant, among what is assigned to the clusters and what is left over there. Raises
    Invalid for a name that means nothing."""
    keys: dict[tuple[ResourceKey, str], None] = {}
    for cluster in clusters:
        content = known.assignments[cluster.uid].content
        manifest_set = sets.get(content.manifest_set.digest)
        keys |= {(e.key, content.namespace): None for e in manifest_set.entries} if manifest_set else {}
        status = known.statuses.get(cluster.uid)
        keys |= {(r.key, content.namespace): None for r in status.resources} if status else {}
    found: dict[ResourceKey, None] = {}
    for name in wanted:
        matches = [key for key, namespace in keys if name.names(key, namespace)]
        if not keys:
            raise Conflict(
                f"what application {known.application.id.display} has is not known yet: nothing was rendered for a "
                "cluster of it. `escadre app get` says why, or try again in a moment"
            )
        if not matches:
            raise Invalid(
                f"application {known.application.id.display} has no resource {name.text}: see what it has with "
                "`escadre app resources`"
            )
        found |= dict.fromkeys(matches)
    return tuple(found)
