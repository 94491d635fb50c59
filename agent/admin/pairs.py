"""Which live object answers to which object of a target, when both come from files.

A target as it is rendered often names no namespace, and a dump of a cluster holds more than what somebody assigned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.engine.resource import Object, ResourceKey, key_of


@dataclass(frozen=True, slots=True)
class ObjectPair:
    """A target with its live object; one of them may be missing."""

    key: ResourceKey
    target: Object | None
    live: Object | None


def pair_objects(
    live: Iterable[Object], targets: Iterable[Object], namespaced: Callable[[Object], bool | None]
) -> list[ObjectPair]:
    """Pair objects by key: the targets in their order, then what is live only.

    `namespaced` says whether an object's kind lives in namespaces, None where that is not known. An object that names
    no namespace answers to the one object of its kind and name that the other side has left. Where a key comes
    several times, the objects are paired in their order, and what is left of the targets with the last of the live
    ones. Raises KeyError for an object without a name.
    """
    waiting: defaultdict[ResourceKey, list[Object]] = defaultdict(list)
    for obj in live:
        waiting[_settled_key(obj, namespaced)].append(obj)
    taken: dict[ResourceKey, Object] = {}
    found = [(key, obj, _take(waiting, taken, key)) for obj in targets for key in (_settled_key(obj, namespaced),)]
    nameless: defaultdict[ResourceKey, list[ResourceKey]] = defaultdict(list)
    for key, objects in waiting.items():
        nameless[key._replace(namespace="")] += [key] * len(objects)
    pairs = []
    for key, target, match in found:
        if match is None:
            candidates = nameless[key._replace(namespace="")]
            near = [other for other in candidates if not key.namespace or not other.namespace]
            if len(near) == 1:
                candidates.remove(near[0])
                match = _take(waiting, taken, near[0])
                key = key if key.namespace else near[0]
        pairs.append(ObjectPair(key, target, match))
    return pairs + [ObjectPair(key, None, obj) for key, objects in waiting.items() for obj in objects]


def _take(
    waiting: dict[ResourceKey, list[Object]], taken: dict[ResourceKey, Object], key: ResourceKey
) -> Object | None:
    objects = waiting.get(key)
    if objects:
        taken[key] = objects.pop(0)
    return taken.get(key)


def _settled_key(obj: Object, namespaced: Callable[[Object], bool | None]) -> ResourceKey:
    key = key_of(obj)
    return key._replace(namespace="") if key.namespace and namespaced(obj) is False else key
