"""Which objects cannot be there without another: what is in a namespace, and what is of a kind that is defined.

A Namespace or a CustomResourceDefinition goes with everything in it or of it. So it comes first, goes last, and does
not go at all while something of it is to stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.traits import Traits

NAMESPACE: Final = GroupKind("", "Namespace")

Provision = str | GroupKind
"""What an object is there for others for: a namespace's name, or a kind."""


def provision(key: ResourceKey, traits: Traits) -> Provision | None:
    """Say what an object provides; None for all but Namespaces and definitions."""
    if traits.defines is not None:
        return traits.defines
    return key.name if key.kind == NAMESPACE.kind and not key.group else None


def needed(key: ResourceKey) -> tuple[Provision, ...]:
    """Say what has to be provided for an object to be there."""
    kind = GroupKind(key.group, key.kind)
    return (key.namespace, kind) if key.namespace else (kind,)


def first_needing(keys: Iterable[ResourceKey], wanted: Iterable[Provision]) -> dict[Provision, ResourceKey]:
    """Return, of what is wanted, what is needed, with the first key that needs it."""
    provisions = frozenset(wanted)
    found: dict[Provision, ResourceKey] = {}
    if not provisions:
        return found
    for key in keys:
        for need in needed(key):
            if need in provisions and (need not in found or key < found[need]):
                found[need] = key
    return found
