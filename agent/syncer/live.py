"""What is on the cluster, as far as it concerns the agent.

One watch a kind, selected by the agent's label, over all namespaces. Of each managed object only what judging needs is
kept: identity, content hash, health. The objects themselves pass through.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agent.engine.drift import content_hash
from agent.engine.health import Health, Overrides, assess, is_ignored
from agent.engine.reconcile import Live
from agent.engine.resource import (
    MANAGED_LABEL,
    GroupKind,
    Object,
    ResourceKey,
    key_of,
    split_api_version,
    tracked_by,
)
from agent.engine.traits import traits_of
from agent.kube.client import Discovery, EventType, Kind, KubeClient, WatchEvent
from agent.kube.errors import Gone, KindUnknown, KubeError
from agent.kube.reflector import Reflector

log = logging.getLogger(__name__)

SELECTOR = f"{MANAGED_LABEL}=true"
LAST_WORDS = 1000
"""Hooks that are gone, whose end is remembered."""
ANEW_SECONDS = 5.0
"""Before a kind is watched anew whose watch was ended by a fault of the agent's own."""


@dataclass(slots=True)
class Record:
    """A managed object as last seen."""

    live: Live
    health: Health | None
    """None where its kind has none, and where the object asks not to be counted."""


Observer = Callable[[str, ResourceKey, Object | None], None]
"""Called with (tracking name, key, object or None when it is gone) for every change that may matter."""


def live_of(obj: Object) -> Live:
    """Reduce an object to what pairing needs."""
    metadata = obj["metadata"]
    key = key_of(obj)
    return Live(
        key=key,
        version=split_api_version(obj["apiVersion"])[1],
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        content_hash=content_hash(obj),
        application=tracked_by(obj, key) or "",
        traits=traits_of(obj),
        deleting="deletionTimestamp" in metadata,
    )


class Lens(Protocol):
    """How the system-wide settings have the objects seen; `agent.syncer.settings` implements it."""

    @property
    def health(self) -> Overrides: ...

    def excludes(self, kind: GroupKind) -> bool: ...

    def update_hash(self, tracking_name: str, key: ResourceKey, obj: Object, content: bytes) -> bytes: ...


class LiveState:
    """The managed objects of a cluster, kept up to date by watches."""

    def __init__(
        self,
        client: KubeClient,
        lens: Lens,
        observer: Observer,
        on_listed: Callable[[GroupKind], None],
        on_watched: Callable[[GroupKind, KubeError | None], None],
    ) -> None:
        """`on_listed` is called when all objects of a kind are known, for the first time or after they were not;
        `on_watched` when a kind's watch begins to fail, and, without an error, when it is well or given up."""
        self._client = client
        self._lens = lens
        self._observer = observer
        self._on_listed = on_listed
        self._on_watched = on_watched
        self._reflectors: dict[GroupKind, Reflector] = {}
        self._tasks: dict[GroupKind, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Watches that were cancelled and are not quite over."""
        self.records: dict[ResourceKey, Record] = {}
        self._last_words: dict[str, Health | None] = {}
        self._by_application: dict[str, set[ResourceKey]] = {}

    def owner(self, key: ResourceKey) -> str:
        """Return the tracking name that an object carries as last seen, "" when none is known."""
        record = self.records.get(key)
        return record.live.application if record is not None else ""

    def of_application(self, name: str) -> list[Live]:
        """Return the managed objects tracked by an application."""
        return [self.records[key].live for key in self._by_application.get(name, ())]

    def keys_of(self, name: str) -> frozenset[ResourceKey]:
        return frozenset(self._by_application.get(name, ()))

    def watch(self, kinds: Iterable[Kind]) -> None:
        """Begin to watch kinds that are not watched yet. One version of a kind is watched: the first asked for. Kinds
        that are left alone are not watched: of what is not seen nothing can be pruned."""
        for kind in kinds:
            if kind.group_kind not in self._reflectors and not self._lens.excludes(kind.group_kind):
                self._begin(kind)

    def _begin(self, kind: Kind) -> None:
        self._reflectors[kind.group_kind] = self._reflector(kind)
        self._tasks[kind.group_kind] = asyncio.create_task(self._keep_watching(kind))

    def refocus(self, judged_anew: Callable[[GroupKind], bool]) -> None:
        """The settings have changed: forget the objects of kinds that are left alone from now on, and list those anew
        that are to be judged anew. The objects are not kept, so they have to be read again."""
        excluded = [k for k in self._reflectors if self._lens.excludes(k)]
        for group_kind in excluded:
            del self._reflectors[group_kind]
            for key in [k for k in self.records if GroupKind(k.group, k.kind) == group_kind]:
                # Nobody is told that they are gone: they are not.
                self._forget(key)
        for group_kind in excluded:
            self._let_end(group_kind)
        self._watch_anew([r.kind for k, r in self._reflectors.items() if judged_anew(k)])

    def _watch_anew(self, kinds: Iterable[Kind]) -> None:
        """List kinds anew that are watched already, if in other versions, and have everything of them told again."""
        for kind in kinds:
            self._doubt_version(kind.group_kind)
            self._let_end(kind.group_kind)
            self._begin(kind)

    def _let_end(self, group_kind: GroupKind) -> None:
        task = self._tasks.pop(group_kind)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        self._on_watched(group_kind, None)

    async def _keep_watching(self, kind: Kind) -> None:
        """Watch a kind until cancelled. A fault met in taking something in must not end that for good: what is not seen
        any more would be taken for what is there."""
        while True:
            try:
                await self._reflectors[kind.group_kind].run()
            except Exception:
                log.exception("watch of %s: internal error; listed anew in %s s", kind, ANEW_SECONDS)
            # Until it is listed again nobody counts on what is known, and then everything is told again.
            self._reflectors[kind.group_kind] = self._reflector(kind)
            self._on_watched(kind.group_kind, None)
            self._doubt_version(kind.group_kind)
            await asyncio.sleep(ANEW_SECONDS)

    def _doubt_version(self, group_kind: GroupKind) -> None:
        """Have everything of a kind told again by the next list."""
        for key, record in self.records.items():
            if GroupKind(key.group, key.kind) == group_kind:
                record.live = replace(record.live, resource_version="")

    def _reflector(self, kind: Kind) -> Reflector:
        return Reflector(self._client, kind, SELECTOR, self, on_state=self._on_state)

    async def forget_unserved(self, discovery: Discovery) -> None:
        """End the watches of kinds the cluster serves no more, and tell their objects as gone: they went with the
        kind. One that is served in other versions only is watched in the preferred one from now on."""
        watched = [(k, r.kind) for k, r in self._reflectors.items() if k in discovery.preferred]
        self._watch_anew(discovery.preferred[k] for k, kind in watched if not discovery.find(*_version_of(kind)))
        for group_kind in [k for k in self._reflectors if k not in discovery.preferred]:
            reflector = self._reflectors.get(group_kind)
            keys = [key for key in self.records if GroupKind(key.group, key.kind) == group_kind]
            if reflector is not None and keys and await self._is_served(reflector.kind, keys[0]):
                continue
            if reflector is None or self._reflectors.get(group_kind) is not reflector:
                # Settings that came meanwhile have ended its watch, or begun another.
                continue
            del self._reflectors[group_kind]
            await _end([self._tasks.pop(group_kind)])
            self._on_watched(group_kind, None)
            for key in [k for k in self.records if GroupKind(k.group, k.kind) == group_kind]:
                self._lost(key)

    async def _is_served(self, kind: Kind, key: ResourceKey) -> bool:
        """Ask for one object of a kind that discovery does not tell of. An API server that starts leaves out what
        definitions have brought until it has read them; asked for an object, it then says that it is not ready."""
        try:
            await self._client.get(kind, key.namespace, key.name)
        except KindUnknown:
            return False
        except KubeError:
            return True
        return True

    def unlisted(self, kinds: Iterable[Kind]) -> list[tuple[Kind, KubeError | None]]:
        """Return those of the watched kinds whose objects are not all known, with what stands against it, if anything
        but time does."""
        found = ((kind, self._reflectors.get(kind.group_kind)) for kind in kinds)
        return [(kind, _obstacle(r)) for kind, r in found if r is not None and not r.synced]

    def obstacle(self, kind: Kind) -> KubeError | None:
        """Return what stands against seeing a kind's objects change; None when nothing does."""
        reflector = self._reflectors.get(kind.group_kind)
        return _obstacle(reflector) if reflector is not None else None

    async def stop(self) -> None:
        tasks = [*self._tasks.values(), *self._ending]
        self._tasks.clear()
        self._reflectors.clear()
        await _end(tasks)

    def note(self, obj: Object) -> Live:
        """Take in an object the agent itself has just written, without waiting for the watch to tell; returns it.

        The watch may have been quicker than the answer, and have brought what the object has become since. That stays
        what is known: nothing would tell of it again.
        """
        key = key_of(obj)
        known = self.records.get(key)
        before = known.live.application if known is not None else ""
        told = known is not None and _told_before(known.live, obj["metadata"])
        written = self._live_of(obj) if told else self._store(obj).live
        # Of two applications that write it at once one loses it, and no event says so: both are known already.
        loser = written.application if told else before
        if before and before != written.application and loser:
            self._observer(loser, key, None)
        return written

    # --- the reflector's handler

    def _on_state(self, kind: Kind, error: KubeError | None) -> None:
        self._on_watched(kind.group_kind, error)

    def on_replace(self, kind: Kind, items: list[Object]) -> None:
        found: set[ResourceKey] = set()
        for obj in items:
            key = key_of(obj)
            found.add(key)
            known = self.records.get(key)
            if known is None or known.live.resource_version != obj["metadata"].get("resourceVersion"):
                self._saw(key, obj, known)
        gone = [key for key in self.records if key not in found and GroupKind(key.group, key.kind) == kind.group_kind]
        for key in gone:
            self._lost(key)
        self._on_listed(kind.group_kind)

    def on_event(self, kind: Kind, event: WatchEvent) -> None:
        obj = event.object
        if event.type is EventType.DELETED:
            self._remember_end(obj)
            self._lost(key_of(obj))
        elif event.type is not EventType.BOOKMARK:
            key = key_of(obj)
            known = self.records.get(key)
            if known is None or not _told_before(known.live, obj["metadata"]):
                self._saw(key, obj, known)

    def on_gone(self, kind: Kind) -> None:
        """One answer said that the kind is not served. That may be a server that is starting: nothing is forgotten
        for it; the applications see that the kind cannot be listed, and ask discovery."""
        for key in [k for k in self.records if GroupKind(k.group, k.kind) == kind.group_kind]:
            name = self.records[key].live.application
            if name:
                self._observer(name, key, None)

    def _remember_end(self, obj: Object) -> None:
        """Keep how a hook stood when it went: one that is made to vanish at its end has ended nevertheless."""
        if not traits_of(obj).is_hook:
            return
        metadata = {name: value for name, value in obj["metadata"].items() if name != "deletionTimestamp"}
        self._last_words[metadata.get("uid", "")] = self.assess({**obj, "metadata": metadata})
        if len(self._last_words) > LAST_WORDS:
            del self._last_words[next(iter(self._last_words))]

    def last_health(self, uid: str) -> tuple[bool, Health | None]:
        """Return whether the end of a hook's object was seen, and its health then."""
        return uid in self._last_words, self._last_words.get(uid)

    def _saw(self, key: ResourceKey, obj: Object, known: Record | None) -> None:
        before = known.live.application if known is not None else ""
        record = self._store(obj)
        for name in {before, record.live.application} - {""}:
            self._observer(name, key, obj)

    def assess(self, obj: Object) -> Health | None:
        """Say how an object is, as the settings have it and else by the rules for its kind."""
        return assess(obj, self._lens.health)

    def _live_of(self, obj: Object) -> Live:
        live = live_of(obj)
        quiet = self._lens.update_hash(live.application, live.key, obj, live.content_hash)
        return live if quiet == live.content_hash else replace(live, quiet_hash=quiet)

    def _store(self, obj: Object) -> Record:
        live = self._live_of(obj)
        known = self.records.get(live.key)
        if known is not None and known.live.application != live.application:
            self._by_application.get(known.live.application, set()).discard(live.key)
        # A hook is in nobody's count; who runs it has to know how it stands.
        record = Record(live, None if is_ignored(obj) and not live.is_hook else self.assess(obj))
        self.records[live.key] = record
        if live.application:
            self._by_application.setdefault(live.application, set()).add(live.key)
        return record

    def _lost(self, key: ResourceKey) -> None:
        record = self.records.get(key)
        if record is not None:
            self._forget(key)
            if record.live.application:
                self._observer(record.live.application, key, None)

    def _forget(self, key: ResourceKey) -> None:
        record = self.records.pop(key)
        owned = self._by_application.get(record.live.application)
        if owned is not None:
            owned.discard(key)
            if not owned:
                del self._by_application[record.live.application]


def _told_before(known: Live, metadata: dict[str, Any]) -> bool:
    """Say whether an event or an answer tells of an object as it is known, or as it was before that."""
    before, now = known.resource_version, metadata.get("resourceVersion", "")
    if before == now:
        return True
    same = known.uid == metadata.get("uid")
    return same and before.isdigit() and now.isdigit() and int(now) < int(before)


def _version_of(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.kind


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _obstacle(reflector: Reflector) -> KubeError | None:
    # Gone is how a watch ends whose version has aged; the list that follows is a matter of moments.
    return None if isinstance(reflector.last_error, Gone) else reflector.last_error
