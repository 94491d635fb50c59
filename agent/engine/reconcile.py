"""Pairing what is assigned with what is live: the whole of what a sync has to do, decided before anything is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from agent.engine.needs import first_needing, provision
from agent.engine.resource import ResourceKey
from agent.engine.traits import CRD, PLAIN, SyncPhase, Traits


@dataclass(frozen=True, slots=True)
class Target:
    """One assigned resource, with its namespace settled."""

    key: ResourceKey
    version: str
    digest: str
    namespaced: bool = True
    traits: Traits = PLAIN


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
    traits: Traits = PLAIN
    deleting: bool = False
    quiet_hash: bytes = b""
    """What stays the same over updates that mean nothing (`ignoreResourceUpdates`), where that is not the content."""

    @property
    def judged_hash(self) -> bytes:
        """What a verdict holds for: as long as this is the same, nobody needs to look again."""
        return self.quiet_hash or self.content_hash

    @property
    def is_hook(self) -> bool:
        return self.traits.is_hook

    @property
    def extraneous_counts(self) -> bool:
        """False where it asks (`IgnoreExtraneous`) not to make its application OutOfSync when it is no longer
        assigned."""
        return self.traits.compare_options.isdisjoint({"IgnoreExtraneous", "IgnoreExtraneous=true"})


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
    confirm: bool = False
    """Of one to be pruned: whether it waits until somebody confirms that."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The last verdict that an object is as assigned: for this digest, at this content."""

    digest: str
    content_hash: bytes
    """`Live.judged_hash` of the object. An operation, which compares it with the content itself, looks again at what
    has had updates that mean nothing."""


def reconcile(
    application: str,
    targets: Mapping[ResourceKey, Target],
    live: Iterable[Live],
    judged: Mapping[ResourceKey, Judged],
    *,
    hooks: Collection[ResourceKey] = (),
    ends: bool = False,
) -> list[Pair]:
    """Pair every target with its live object, and add what is live, tracked by `application` and not assigned.
    `hooks` are assigned too, as hooks; `ends` says that the application is at its end.
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
    return pairs + surplus(application, targets, mine.values(), hooks=hooks, ends=ends)


def surplus(
    application: str,
    targets: Collection[ResourceKey],
    live: Iterable[Live],
    *,
    hooks: Collection[ResourceKey] = (),
    ends: bool = False,
) -> list[Pair]:
    """Return what is live, tracked by `application` and not assigned: to be pruned, or to be left.

    An object tracked by nobody or by another application is never among it. What hooks left behind goes with its
    application, and not before; what is assigned as a hook now is the hook's to replace. A namespace or a definition is
    left while anything of it stays.
    """
    assigned = () if ends else hooks
    found = [
        o
        for o in live
        if o.key not in targets and o.key not in assigned and o.application == application and _counts(o, ends=ends)
    ]
    reasons = {o.key: left_because(o, ends=ends) for o in found}
    provided = {o.key: what for o in found if (what := provision(o.key, o.traits)) is not None}
    staying = chain(targets, assigned, (key for key, reason in reasons.items() if reason))
    needing = first_needing(staying, provided.values())
    for key, what in provided.items():
        if what in needing:
            reasons[key] = reasons[key] or f"{needing[what]} stays, and would go with it"
    options = ("Prune", "Delete") if ends else ("Prune",)

    def pair(o: Live) -> Pair:
        if reasons[o.key]:
            return Pair(o.key, Action.LEAVE, None, o, reasons[o.key])
        confirm = any(o.traits.option(option) == "confirm" for option in options)
        return Pair(o.key, Action.PRUNE, None, o, confirm=confirm)

    return [pair(o) for o in found]


def _counts(found: Live, *, ends: bool) -> bool:
    """Say whether an object that is not assigned is the application's to delete."""
    hook = found.traits.hook
    return hook is None or (ends and SyncPhase.POST_DELETE not in hook)


def left_because(live: Live, *, ends: bool) -> str:
    """Say why an object stays when it is no longer assigned, or with `ends` when its application ends; "" when
    nothing stands against its deletion."""
    if live.traits.kept:
        return "helm.sh/resource-policy says to keep it"
    for option in ("Prune", "Delete") if ends else ("Prune",):
        if live.traits.option(option) == "false":
            return f"its sync option {option}=false says to leave it"
    if ends and (live.key.group, live.key.kind) == CRD:
        return "a CustomResourceDefinition stays: all objects of its kind would go with it"
    return ""
