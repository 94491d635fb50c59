"""Pairing what is assigned with what is live: the whole of what a sync has to do, decided before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.engine.resource import ResourceKey


@dataclass(frozen=True, slots=True)
class Target:
    """One assigned resource, with its namespace settled."""

    key: ResourceKey
    version: str
    digest: str
    namespaced: bool = True


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of a managed object that is there. The object itself is not kept."""

    key: ResourceKey
    version: str
    uid: str
    resource_version: str
    content_hash: bytes
    application: str
    """The tracking name it carries, "" when none counts."""
    prunable: bool = True
    """False where the object asks to be left when it is no longer assigned."""
    deletable: bool = True
    """False where it asks to be left when its application ends."""
    is_hook: bool = False
    deleting: bool = False


class Action(StrEnum):
    APPLY = "apply"
    PRUNE = "prune"
    LEAVE = "leave"
    """Tracked, not assigned, and not to be pruned."""
    NONE = "none"
    """As it was judged before: assigned digest and live content are both unchanged."""


@dataclass(frozen=True, slots=True)
class Pair:
    key: ResourceKey
    action: Action
    target: Target | None
    live: Live | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The last verdict that an object is as assigned: for this digest, at this content."""

    digest: str
    content_hash: bytes


def reconcile(
    application: str,
    targets: Mapping[ResourceKey, Target],
    live: Iterable[Live],
    judged: Mapping[ResourceKey, Judged],
) -> list[Pair]:
    """Pair every target with its live object, and add what is live, tracked by `application` and not assigned.

    An object tracked by nobody or by another application is never paired for pruning.
    """
    mine = {o.key: o for o in live}
    pairs = []
    for key, target in targets.items():
        found = mine.get(key)
        known = judged.get(key)
        settled = (
            found is not None
            and not found.deleting
            and known is not None
            and known.digest == target.digest
            and known.content_hash == found.content_hash
        )
        pairs.append(Pair(key, Action.NONE if settled else Action.APPLY, target, found))
    for key, found in mine.items():
        if key in targets or found.application != application or found.is_hook:
            continue
        if found.prunable:
            pairs.append(Pair(key, Action.PRUNE, None, found))
        else:
            pairs.append(
                Pair(key, Action.LEAVE, None, found, "the object asks to be left when it is no longer assigned")
            )
    return pairs
