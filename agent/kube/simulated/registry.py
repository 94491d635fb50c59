"""Which kinds one simulated cluster serves: the built-in ones, and those its CustomResourceDefinitions add."""

from __future__ import annotations

from typing import Any

from agent.engine.resource import GroupKind, Object
from agent.kube.client import Discovery, Kind
from agent.kube.errors import KindUnknown
from agent.kube.simulated.kinds import BUILTIN, BUILTIN_VERSIONS, VERBS, Resource, Version, discovery
from agent.kube.simulated.structural import rules


class Registry:
    """The kinds of one cluster. One without definitions holds nothing of its own."""

    __slots__ = ("_stored", "_versions", "version")

    def __init__(self, version: str) -> None:
        self.version = version
        self._stored: dict[GroupKind, Resource] = {}
        """The custom kinds, in the version they are stored in."""
        self._versions: dict[Version, Resource] = {}
        """The custom kinds in every version that is served."""

    def resource(self, kind: Kind) -> Resource:
        """Return how a kind is treated in one version. Raises KindUnknown when that is not served."""
        version = (kind.group, kind.version, kind.kind)
        resource = BUILTIN_VERSIONS.get(version) or self._versions.get(version)
        if resource is None:
            raise KindUnknown(f"the server could not find the requested resource: {kind}")
        return resource

    def stored(self, group_kind: GroupKind) -> Resource | None:
        """Return how a kind is treated in the version it is stored in; None when it is not served."""
        return BUILTIN.get(group_kind) or self._stored.get(group_kind)

    def is_custom(self, group_kind: GroupKind) -> bool:
        """Tell whether a CustomResourceDefinition brought a kind."""
        return group_kind in self._stored

    def discovery(self) -> Discovery:
        """Return what the cluster serves."""
        if not self._versions:
            return _builtin_discovery(self.version)
        preferred = {resource.kind for resource in self._stored.values()}
        kinds = [resource.kind for resource in self._versions.values()]
        return discovery(self.version, [(kind, kind in preferred) for kind in kinds])

    def add(self, definition: Object) -> None:
        """Serve the kinds of a CustomResourceDefinition, or what it defines by now."""
        spec = definition["spec"]
        self.discard(definition)
        for version in spec["versions"]:
            resource = _resource(spec, version)
            kind = resource.kind
            if version.get("storage"):
                self._stored[kind.group_kind] = resource
            if version.get("served"):
                self._versions[kind.group, kind.version, kind.kind] = resource

    def discard(self, definition: Object) -> None:
        """Serve the kinds of a CustomResourceDefinition no more."""
        group, kind = definition["spec"]["group"], definition["spec"]["names"]["kind"]
        self._stored.pop(GroupKind(group, kind), None)
        for version in [key for key in self._versions if key[0] == group and key[2] == kind]:
            del self._versions[version]


def _resource(spec: Object, version: Object) -> Resource:
    names: dict[str, Any] = spec["names"]
    namespaced = spec["scope"] == "Namespaced"
    kind = Kind(spec["group"], version["name"], names["kind"], names["plural"], namespaced, VERBS)
    schema = version["schema"]["openAPIV3Schema"]
    status = "status" in (version.get("subresources") or {})
    return Resource(kind, status, generation=True, schema=schema, custom_rules=rules(schema))


_DISCOVERIES: dict[str, Discovery] = {}


def _builtin_discovery(version: str) -> Discovery:
    """Return what every cluster of a version serves: one object for all of them."""
    found = _DISCOVERIES.get(version)
    if found is None:
        found = _DISCOVERIES[version] = discovery(version)
    return found
