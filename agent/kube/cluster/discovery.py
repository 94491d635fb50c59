"""From discovery documents to a `Discovery`. Pure; `client` fetches.

A current server tells everything in two answers (aggregated discovery, apidiscovery.k8s.io/v2 or v2beta1); an older
one, or a proxy that drops the Accept header's parameters, answers with the list of groups, each of which is then asked.

A group served by an APIService that is down is *stale*: nobody knows what it holds. That must break nothing else, and
it is no evidence that the kinds are gone, so what was known of a stale group stays known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.engine.resource import GroupKind
from agent.kube.client import Discovery, Kind

ACCEPT = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)

GroupVersion = tuple[str, str]


POD = Kind("", "v1", "Pod", "pods", namespaced=True)
"""Which every cluster serves."""


@dataclass(slots=True)
class Served:
    """What a server says it serves, in its order of preference."""

    kinds: list[Kind] = field(default_factory=list)
    stale: list[GroupVersion] = field(default_factory=list)
    """Versions about which it knows nothing at the moment."""
    unread: list[GroupVersion] = field(default_factory=list)
    """Versions whose kinds have to be asked for, because the answer was not aggregated."""

    def add(self, other: Served) -> None:
        self.kinds += other.kinds
        self.stale += other.stale
        self.unread += other.unread


def read_root(document: Mapping[str, Any]) -> Served:
    """Read the answer of /api or /apis, of whichever form. Raises ValueError where it is none."""
    match document.get("kind"):
        case "APIGroupDiscoveryList":
            return _read_aggregated(document)
        case "APIVersions":
            return Served(unread=[("", str(version)) for version in _items(document, "versions", str)])
        case "APIGroupList":
            return Served(unread=list(_group_versions(document)))
    raise ValueError("the answer is no discovery document")


def _items(data: object, name: str, type_: type[Any] = dict) -> list[Any]:
    value = data.get(name) if isinstance(data, dict) else None
    return [item for item in value if isinstance(item, type_)] if isinstance(value, list) else []


def _text(data: object, name: str) -> str:
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _read_aggregated(document: Mapping[str, Any]) -> Served:
    served = Served()
    for group in _items(document, "items"):
        name = _text(group.get("metadata"), "name")
        for version in _items(group, "versions"):
            number = _text(version, "version")
            if _text(version, "freshness") == "Stale":
                served.stale.append((name, number))
            served.kinds += _aggregated_kinds(name, number, version)
    return served


def _aggregated_kinds(group: str, version: str, document: Mapping[str, Any]) -> Iterator[Kind]:
    for resource in _items(document, "resources"):
        kind, plural = _text(resource.get("responseKind"), "kind"), _text(resource, "resource")
        if kind and plural:
            namespaced = _text(resource, "scope") == "Namespaced"
            yield Kind(group, version, kind, plural, namespaced, _verbs(resource))


def _group_versions(document: Mapping[str, Any]) -> Iterator[GroupVersion]:
    for group in _items(document, "groups"):
        name = _text(group, "name")
        versions = [_text(version, "version") for version in _items(group, "versions")]
        preferred = _text(group.get("preferredVersion"), "version")
        versions.sort(key=lambda version: version != preferred)
        yield from ((name, version) for version in versions)


def read_resource_list(group: str, version: str, document: Mapping[str, Any]) -> list[Kind]:
    """Read an APIResourceList, the older form, which lists subresources among the rest."""
    kinds = []
    for resource in _items(document, "resources"):
        plural, kind = _text(resource, "name"), _text(resource, "kind")
        if plural and kind and "/" not in plural:
            kinds.append(Kind(group, version, kind, plural, resource.get("namespaced") is True, _verbs(resource)))
    return kinds


def _verbs(resource: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_items(resource, "verbs", str))


def build(version: str, served: Served, before: Discovery | None) -> Discovery:
    """Index what is served. `before` fills in for the stale versions."""
    kinds: dict[tuple[str, str, str], Kind] = {}
    preferred: dict[GroupKind, Kind] = {}
    verbs: dict[frozenset[str], frozenset[str]] = {}
    for kind in _with_known(served, before):
        # A handful of verb sets serves every kind; one instance of each is enough.
        shared = verbs.setdefault(kind.verbs, kind.verbs)
        kind = Kind(kind.group, kind.version, kind.kind, kind.plural, kind.namespaced, shared)
        kinds.setdefault((kind.group, kind.version, kind.kind), kind)
        preferred.setdefault(kind.group_kind, kind)
    return Discovery(version, kinds, preferred, frozenset(group for group, _ in served.stale))


def _with_known(served: Served, before: Discovery | None) -> Iterable[Kind]:
    """What is served, and what was known of versions that are stale now."""
    yield from served.kinds
    if before is not None and served.stale:
        stale = set(served.stale)
        yield from (kind for kind in before.kinds.values() if (kind.group, kind.version) in stale)
