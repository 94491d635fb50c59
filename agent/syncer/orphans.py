"""What lies in the namespaces of applications whose project wants to know what belongs to none.

Everything else watches what the agent manages; this watches every kind that lives in namespaces, so it runs only while
some project asks for it, and costs as little as it can: of each kind one watch of metadata alone, and in memory nothing
but the objects that nobody owns, in the namespaces in question. Secrets' values are never read for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from agent.engine.orphans import STATEFUL_SET, Sighting, sighting_of
from agent.engine.resource import GroupKind, Object, ResourceKey, key_of
from agent.engine.traits import CRD
from agent.kube import errors
from agent.kube.client import Discovery, EventType, Kind, KubeClient, WatchEvent
from agent.kube.reflector import Pace, Reflector
from agent.syncer.clock import Clock, Timer
from agent.syncer.served import Served

log = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 0.5
"""How long changes are gathered before applications are told of them."""
WIDEN_SECONDS: Final = 10.0
"""How long more namespaces are gathered before everything is listed anew for them."""
RETRY_SECONDS: Final = 15.0
KINDS_SECONDS: Final = 3.0
"""From a change of some definition until the cluster is asked what it serves now: it needs a moment itself."""
UNREST_SECONDS: Final = 30.0
"""Definitions that somebody changes all the time are not waited for any longer than this."""
UNHEARD_SECONDS: Final = 30.0
"""Between two looks at the kinds that cannot be listed: at the second, others wait for them no longer."""
ANEW_SECONDS: Final = 30.0
UNSEEN_NAMED: Final = 20
"""Kinds named that cannot be looked at."""
_PACE: Final = Pace(watch=900.0, longest_pause=300.0, gone_pause=300.0)
"""Nobody waits for this by the second."""


@dataclass(slots=True)
class _Watch:
    """One kind's watch."""

    reflector: Reflector
    task: asyncio.Task[None]


class OrphanWatch:
    """Every object without an owner in some namespaces, kept up to date. Nothing runs while no namespace is wanted."""

    def __init__(
        self,
        client: KubeClient,
        served: Served,
        excludes: Callable[[GroupKind], bool],
        assigned: Callable[[str], bool],
        clock: Clock,
        on_change: Callable[[str], None],
    ) -> None:
        """`assigned` says whether an application of a tracking name is on this cluster; `on_change` is called with a
        namespace, now and then, when there may be other orphans in it."""
        self._client = client
        self._served = served
        self._excludes = excludes
        self._assigned = assigned
        self._clock = clock
        self._on_change = on_change
        self._wanted: frozenset[str] = frozenset()
        self._watches: dict[GroupKind, _Watch] = {}
        self._covered: dict[GroupKind, frozenset[str]] = {}
        """Of each watched kind, the namespaces whose objects are all known, or never will be."""
        self._seen: dict[str, dict[ResourceKey, Sighting]] = {}
        self._editions: dict[str, int] = {}
        self._edition = 0
        self._touched: set[str] = set()
        self._telling: Timer | None = None
        self._looking: Timer | None = None
        self._look: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        """Watches that were cancelled and are not quite over."""
        self._stale = False
        """Whether the cluster may serve other kinds than it told last."""
        self._anew = False
        """Whether the lists under way, or had, are not about all namespaces that are wanted."""
        self._defined = False
        """Whether definitions have been listed: what comes after that is news."""
        self._unrest: float | None = None
        """Since when definitions change, by the monotonic clock; None while they are at rest."""
        self._unheard: frozenset[GroupKind] = frozenset()
        """Kinds whose watches failed when that was looked at last."""
        self._listening: Timer | None = None

    # --- what applications ask

    def known(self, namespace: str) -> bool:
        """Say whether everything there is in a namespace is known, as far as it may be looked at."""
        return bool(self._covered) and all(namespace in covered for covered in self._covered.values())

    def edition(self, namespace: str) -> int:
        """Return a number that changes when there may be other orphans."""
        return self._editions.get(namespace, 0)

    def seen(self, namespace: str) -> Collection[Sighting]:
        return self._seen.get(namespace, {}).values()

    def unseen(self) -> list[str]:
        """Return, in words, the kinds that cannot be looked at."""
        reflectors = (watch.reflector for watch in self._watches.values())
        failing = ((r, r.last_error) for r in reflectors if r.last_error is not None)
        found = (f"{r.kind}: {error}{error.hint}" for r, error in failing if self._is_unseen(r, error))
        return sorted(islice(found, UNSEEN_NAMED))

    def _is_unseen(self, reflector: Reflector, error: errors.KubeError) -> bool:
        unheard = reflector.kind.group_kind in self._unheard and not reflector.synced
        return unheard or isinstance(error, errors.Permanent)

    # --- what it is told

    def want(self, namespaces: frozenset[str]) -> None:
        """Look into these namespaces from now on, and into no others."""
        before, self._wanted = self._wanted, namespaces
        for namespace in before - namespaces:
            self._seen.pop(namespace, None)
            self._editions.pop(namespace, None)
        self._covered = {kind: covered & namespaces for kind, covered in self._covered.items()}
        if not namespaces:
            self._end()
        elif namespaces - before:
            self._anew = True
            self._look_in(WIDEN_SECONDS if self._watches else SETTLE_SECONDS)

    def recount(self) -> None:
        """Applications have come or gone: what they track is an orphan now, or none any more."""
        for namespace in self._wanted:
            self._touch(namespace)

    def refocus(self) -> None:
        """Other settings say which kinds are left alone."""
        if self._wanted:
            self._look_in(0.0)

    async def stop(self) -> None:
        self._wanted = frozenset()
        self._end()
        tasks = [*self._ending, *([self._look] if self._look is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- which kinds

    def _look_in(self, seconds: float) -> None:
        """See to it that the right kinds are watched; what is planned for sooner stays so."""
        if self._looking is None:
            self._looking = self._clock.after(seconds, self._begin_look)

    def _begin_look(self) -> None:
        self._looking = self._unrest = None
        if self._look is not None and not self._look.done():
            self._look_in(SETTLE_SECONDS)
        elif self._wanted:
            self._look = asyncio.create_task(self._look_at_kinds())

    async def _look_at_kinds(self) -> None:
        stale, self._stale = self._stale, False
        try:
            discovery = await (self._served.fresh(KINDS_SECONDS / 2) if stale else self._served.known())
        except errors.KubeError as error:
            self._stale = self._stale or stale
            log.warning("orphaned resources: %s; tried again in %s s", error, RETRY_SECONDS)
            self._look_in(RETRY_SECONDS)
            return
        if self._wanted:
            self._watch(self._kinds(discovery))

    def _kinds(self, discovery: Discovery) -> dict[GroupKind, Kind]:
        """Return the kinds to watch: all that live in namespaces, and the one that tells of new ones."""
        return {
            group_kind: kind
            for group_kind, kind in discovery.preferred.items()
            if {"list", "watch"} <= kind.verbs
            and (group_kind == CRD or (kind.namespaced and not self._excludes(group_kind)))
        }

    def _watch(self, kinds: dict[GroupKind, Kind]) -> None:
        for group_kind in self._watches.keys() - kinds.keys():
            self._drop(self._watches.pop(group_kind))
            self._covered.pop(group_kind, None)
            self._take(group_kind, [])
            # It may have been the last that was waited for.
            self._touch_known()
        anew, self._anew = self._anew, False
        for group_kind, kind in kinds.items():
            before = self._watches.get(group_kind)
            if before is not None and before.reflector.kind.version == kind.version and not anew:
                continue
            if before is not None:
                self._drop(before)
            self._covered.setdefault(group_kind, frozenset())
            reflector = Reflector(
                self._client, kind, "", self, reduce=self._reduce, pace=_PACE, on_state=self._on_state
            )
            self._watches[group_kind] = _Watch(reflector, asyncio.create_task(self._keep_watching(kind, reflector)))

    def _drop(self, watch: _Watch) -> None:
        watch.task.cancel()
        self._ending.add(watch.task)
        watch.task.add_done_callback(self._ending.discard)

    async def _keep_watching(self, kind: Kind, reflector: Reflector) -> None:
        while True:
            try:
                await reflector.run()
            except Exception:
                # What cannot be taken in of one kind is to end nothing for good, and to be tried no faster than this.
                log.exception("watch of %s: internal error; tried again in %s s", kind, ANEW_SECONDS)
            await asyncio.sleep(ANEW_SECONDS)

    def _end(self) -> None:
        for timer in (self._telling, self._looking, self._listening):
            if timer is not None:
                timer.cancel()
        self._telling = self._looking = self._listening = None
        for watch in self._watches.values():
            self._drop(watch)
        self._watches.clear()
        self._covered.clear()
        self._seen.clear()
        self._touched.clear()
        self._defined = False
        self._unrest = None
        self._unheard = frozenset()

    # --- what the watches tell

    def _reduce(self, obj: Object) -> Object | None:
        metadata = obj["metadata"]
        if metadata.get("namespace") not in self._wanted or sighting_of(obj) is None:
            return None
        metadata.pop("managedFields", None)
        return obj

    def on_replace(self, kind: Kind, items: list[Object]) -> None:
        if kind.group_kind == CRD:
            self._definitions_changed()
        self._take(kind.group_kind, items)
        self._cover(kind.group_kind)

    def _take(self, group_kind: GroupKind, items: Iterable[Object]) -> None:
        """Take all there is of a kind."""
        found = {s.key: s for s in map(sighting_of, items) if s is not None}
        for namespace, seen in self._seen.items():
            for key in [k for k in seen if GroupKind(k.group, k.kind) == group_kind and k not in found]:
                self._put(namespace, key, None)
        for key, sighting in found.items():
            self._put(key.namespace, key, sighting)

    def on_event(self, kind: Kind, event: WatchEvent) -> None:
        if kind.group_kind == CRD:
            self._definitions_changed()
            return
        namespace = event.object["metadata"].get("namespace")
        if namespace in self._wanted:
            gone = event.type is EventType.DELETED
            self._put(namespace, key_of(event.object), None if gone else sighting_of(event.object))

    def on_gone(self, kind: Kind) -> None:
        """Nothing is forgotten for one answer: what is served is said by discovery, which definitions make it ask."""

    def _on_state(self, kind: Kind, error: errors.KubeError | None) -> None:
        if isinstance(error, errors.Permanent):
            # The other kinds do not wait for one that may not be looked at.
            self._cover(kind.group_kind)
        elif error is not None and self._listening is None:
            self._listening = self._clock.after(UNHEARD_SECONDS, self._listen)

    def _listen(self) -> None:
        """See which kinds go on failing while others can be looked at, as one does whose conversion webhook is away:
        the others do not wait for these either."""
        self._listening = None
        failing = frozenset(k for k, watch in self._watches.items() if watch.reflector.last_error is not None)
        for group_kind in failing & self._unheard if len(failing) < len(self._watches) else ():
            self._cover(group_kind)
        self._unheard = failing
        if failing:
            self._listening = self._clock.after(UNHEARD_SECONDS, self._listen)

    def _definitions_changed(self) -> None:
        known, self._defined = self._defined, True
        if not known:
            return
        self._stale = True
        now = self._clock.monotonic()
        self._unrest = now if self._unrest is None else self._unrest
        if self._looking is not None:
            if now - self._unrest > UNREST_SECONDS:
                return
            # It is asked once they have come to rest.
            self._looking.cancel()
        self._looking = self._clock.after(KINDS_SECONDS, self._begin_look)

    def _put(self, namespace: str, key: ResourceKey, now: Sighting | None) -> None:
        if namespace not in self._wanted:
            return
        seen = self._seen.setdefault(namespace, {})
        before = seen.get(key)
        if now == before:
            return
        if now is None:
            del seen[key]
        else:
            # Under its own key: the one at hand may hold other copies of the same texts.
            seen[now.key] = now
        if self._matters(before) or self._matters(now):
            self._touch(namespace)

    def _matters(self, sighting: Sighting | None) -> bool:
        """Say whether an object is perhaps an orphan, or makes others none."""
        if sighting is None:
            return False
        key, application, _ = sighting
        stateful = GroupKind(key.group, key.kind) == STATEFUL_SET
        return stateful or not (application and self._assigned(application))

    def _cover(self, group_kind: GroupKind) -> None:
        """Everything of a kind is known now, or may not be."""
        if self._covered.get(group_kind, self._wanted) == self._wanted or self._anew:
            # With a list that is not about all that is wanted, another comes.
            return
        self._covered[group_kind] = self._wanted
        self._touch_known()

    def _touch_known(self) -> None:
        for namespace in self._wanted:
            if self.known(namespace):
                self._touch(namespace)

    def _touch(self, namespace: str) -> None:
        self._edition += 1
        self._editions[namespace] = self._edition
        self._touched.add(namespace)
        if self._telling is None:
            self._telling = self._clock.after(SETTLE_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        touched, self._touched = self._touched, set()
        for namespace in touched:
            self._on_change(namespace)
