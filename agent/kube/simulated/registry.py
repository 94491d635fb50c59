"""Which kinds one simulated cluster serves: the built-in ones, and those its CustomResourceDefinitions add."""

from __future__ import annotations

from typing import Any

from agent.engine.resource import GroupKind, Object
from agent.kube.client import Discovery, Kind
from agent.kube.errors import KindUnknown
from agent.kube.simulated.kinds import BUILTIN, BUILTIN_KINDS, VERBS, Resource, discovery
from agent.kube.simulated.schema import OPEN, from_openapi
from agent.kube.simulated.schema_table import custom


class Registry:
    """The kinds of one cluster. An empty one holds nothing of its own."""

    __slots__ = ("_custom", "_served", "version")

    def __init__(self, version: str) -> None:
        self.version = version
        self._custom: dict[GroupKind, Resource] = {}
        self._served: dict[tuple[str, str, str], Kind] = {}

    def resource(self, kind: Kind) -> Resource:
        """Return how a kind is treated. Raises KindUnknown when this version of it is not served."""
        group_kind = GroupKind(kind.group, kind.kind)
        resource = BUILTIN.get(group_kind) or self._custom.get(group_kind)
        key = (kind.group, kind.version, kind.kind)
        if resource is None or (key not in BUILTIN_KINDS and key not in self._served):
            raise KindUnknown(f"the server could not find the requested resource: {kind}")
        return resource

    def by_name(self, group: str, kind: str) -> Resource | None:
        """Return how a kind is treated, in whatever version it is stored; None when it is not served."""
        group_kind = GroupKind(group, kind)
        return BUILTIN.get(group_kind) or self._custom.get(group_kind)

    def is_custom(self, group_kind: GroupKind) -> bool:
        """Tell whether a CustomResourceDefinition brought a kind."""
        return group_kind in self._custom

    def discovery(self) -> Discovery:
        """Return what the cluster serves."""
        if not self._custom:
            return _builtin_discovery(self.version)
        preferred = {resource.kind for resource in self._custom.values()}
        return discovery(self.version, [(kind, kind in preferred) for kind in self._served.values()])

    def add(self, crd: Object) -> None:
        """Serve the kinds of a CustomResourceDefinition, or what it defines by now."""
        spec = crd["spec"]
        names = spec["names"]
        self.discard(spec["group"], names["kind"])
        versions = [version for version in spec["versions"] if version.get("served")]
        for version in versions:
            kind = _custom_kind(spec, version["name"])
            self._served[kind.group, kind.version, kind.kind] = kind
        if not versions:
            return
        stored = next((version for version in spec["versions"] if version.get("storage")), versions[0])
        kind = _custom_kind(spec, stored["name"])
        schema = (stored.get("schema") or {}).get("openAPIV3Schema")
        rules = custom(from_openapi(schema) if isinstance(schema, dict) else OPEN)
        status = "status" in (stored.get("subresources") or {})
        self._custom[kind.group_kind] = Resource(kind, rules, status, generation=True, schema=schema)

    def discard(self, group: str, kind: str) -> None:
        """Serve a custom kind no more."""
        self._custom.pop(GroupKind(group, kind), None)
        for key in [key for key in self._served if key[0] == group and key[2] == kind]:
            del self._served[key]


def _custom_kind(spec: Object, version: str) -> Kind:
    names: dict[str, Any] = spec["names"]
    namespaced = spec["scope"] == "Namespaced"
    return Kind(spec["group"], version, names["kind"], names["plural"], namespaced, VERBS)


_DISCOVERIES: dict[str, Discovery] = {}


def _builtin_discovery(version: str) -> Discovery:
    """Return what every cluster of a version serves: one object for all of them."""
    found = _DISCOVERIES.get(version)
    if found is None:
        found = _DISCOVERIES[version] = discovery(version)
    return found
