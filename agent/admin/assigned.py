"""From manifests and live objects, as files have them, to what the engine decides on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from agent.admin.objects import Misuse
from agent.engine.reconcile import Live, Target
from agent.engine.resource import GroupKind, Object, ResourceKey, split_api_version, tracked_by
from agent.engine.traits import HELM_HOOK, HOOK, traits_of
from agent.kube.simulated.kinds import BUILTIN

Placed = tuple[str, Object]
"""Where an object was found, and the object."""

Scopes = dict[GroupKind, bool]
"""Whether a kind lives in namespaces."""

_ONCE_WIDE: Final = frozenset({"PodSecurityPolicy"})
"""Built-in kinds without a namespace that no server has any more, whatever group they had."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an application consists of."""

    resources: dict[ResourceKey, Target] = field(default_factory=dict)
    hooks: dict[ResourceKey, Target] = field(default_factory=dict)
    objects: dict[ResourceKey, Object] = field(default_factory=dict)
    repeated: list[tuple[ResourceKey, str]] = field(default_factory=list)
    """What is there more than once, with the place of the one that counts."""

    @property
    def versions(self) -> dict[ResourceKey, str]:
        return {key: target.version for key, target in {**self.resources, **self.hooks}.items()}


def scopes_of(found: Iterable[Placed]) -> Scopes:
    """Return whether kinds have a namespace: the built-in ones, and those that definitions among the objects bring."""
    scopes = {kind: resource.kind.namespaced for kind, resource in BUILTIN.items()}
    for _, obj in found:
        kind = traits_of(obj).defines
        if kind is not None:
            scopes[kind] = obj["spec"].get("scope") != "Cluster"
    return scopes


def read_assigned(found: Iterable[Placed], scopes: Scopes, namespace: str) -> Assigned:
    """Settle what each manifest is: its key, and what it asks for. A kind that nobody knows lives in a namespace.

    Raises Misuse, which names the place of what is no object that could be applied.
    """
    assigned = Assigned()
    for place, obj in found:
        key = _key(place, obj, scopes, namespace)
        if not obj["metadata"].get("name"):
            # Hooks whose names are generated are told apart.
            names = (key.name + (f"#{number}" if number > 1 else "") for number in count(1))
            key = next(free for name in names if (free := key._replace(name=name)) not in assigned.objects)
        if key in assigned.objects:
            assigned.repeated.append((key, place))
            assigned.resources.pop(key, None)
            assigned.hooks.pop(key, None)
        traits = traits_of(obj)
        target = Target(key, _version(obj), "", namespaced=bool(key.namespace), traits=traits)
        (assigned.hooks if traits.is_hook else assigned.resources)[key] = target
        assigned.objects[key] = obj
    return assigned


def read_live(found: Iterable[Placed], scopes: Scopes, namespace: str) -> list[Live]:
    """Read what is there; what does not say so is in `namespace`. Raises Misuse."""
    live: dict[ResourceKey, Live] = {}
    for place, obj in found:
        key, metadata = _key(place, obj, scopes, namespace), obj["metadata"]
        live[key] = Live(
            key,
            _version(obj),
            str(metadata.get("uid") or ""),
            str(metadata.get("resourceVersion") or ""),
            b"",
            tracked_by(obj, key) or "",
            traits_of(obj),
            deleting="deletionTimestamp" in metadata,
        )
    return list(live.values())


def as_if_there(assigned: Assigned, application: str) -> list[Live]:
    """Return what would be there if an application was just synced."""
    return [
        Live(key, target.version, "", "", b"", application, target.traits) for key, target in assigned.resources.items()
    ]


def covers(there: Any, wanted: Any) -> bool:
    """Say whether an object has everything a manifest asks for: all that can be told without an API server."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(covers(there.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(there, list) and len(there) == len(wanted)
        return same and all(covers(one, other) for one, other in zip(there, wanted, strict=True))
    return bool(there == wanted) and isinstance(there, bool) == isinstance(wanted, bool)


def _key(place: str, obj: Object, scopes: Scopes, namespace: str) -> ResourceKey:
    kind = obj["kind"]
    group, _ = split_api_version(obj["apiVersion"])
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise Misuse(f"{place}: the object is a {kind} without metadata: give it metadata.name")
    name = _name(f"{place}: the object is a {kind}", metadata)
    own = metadata.get("namespace") or ""
    if not isinstance(own, str):
        raise Misuse(f"{place}: {kind}/{name} has a metadata.namespace that is no text: write it in quotes")
    wide = kind in _ONCE_WIDE or not scopes.get(GroupKind(group, kind), True)
    return ResourceKey(group, kind, "" if wide else own or namespace, name)


def _name(what: str, metadata: dict[str, Any]) -> str:
    annotations = metadata.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise Misuse(f"{what} whose metadata.annotations is no mapping")
    name, beginning = metadata.get("name") or "", metadata.get("generateName") or ""
    # In YAML 1.1, which Kubernetes reads, n and no are truth values, and 1_2 is a number.
    if not isinstance(name, str) or metadata.get("name") is False:
        raise Misuse(f"{what} whose metadata.name is no text: write it in quotes")
    if not isinstance(beginning, str):
        raise Misuse(f"{what} whose metadata.generateName is no text: write it in quotes")
    if HOOK in annotations or HELM_HOOK in annotations:
        name = name or beginning
    if not name:
        other = " (metadata.generateName is for hooks alone)" if beginning else ""
        raise Misuse(f"{what} without metadata.name: give it one{other}")
    return name


def _version(obj: Object) -> str:
    return split_api_version(obj["apiVersion"])[1]
