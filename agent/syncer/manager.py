"""Every application on this cluster: which one is worked on next, and what becomes of what the hub sends.

Applications are independent: a bounded number is worked on at once, each woken by what concerns it, so an application
that fails, waits or is huge holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from agent.engine.assignment import Assignment, Held, ManifestSetRef, Revision
from agent.engine.codec import decode
from agent.engine.manifest_set import IncompleteSet, read_manifest_set
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.engine.status import inventory_digest
from agent.errors import StorageError
from agent.hubclient.fetched import Question, QuestionFailed
from agent.hubclient.intake import Arrival
from agent.hubclient.outbox import Outbox
from agent.kube import errors
from agent.kube.client import KubeClient
from agent.storage import Storage
from agent.syncer.application import ApplicationLoop
from agent.syncer.clock import Clock, SystemClock, Timer
from agent.syncer.context import Context
from agent.syncer.doubt import Doubt
from agent.syncer.live import LiveState
from agent.syncer.orphans import OrphanWatch
from agent.syncer.questions import answer
from agent.syncer.served import Served
from agent.syncer.settings import Settings
from agent.syncer.shelf import Shelf

log = logging.getLogger(__name__)

PARALLEL_APPLICATIONS = 8
FAILURE_SECONDS = 10.0
COLLECT_SECONDS = 600.0


class Syncer:
    """Runs all applications of one cluster."""

    def __init__(self, client: KubeClient, storage: Storage, outbox: Outbox, clock: Clock | None = None) -> None:
        self._client = client
        self._storage = storage
        self._outbox = outbox
        self._clock = clock or SystemClock()
        self.settings = Settings(storage)
        self.live = LiveState(client, self.settings, self._changed, self._listed, self._watched)
        served = Served(client, self.live, self._clock)
        self._orphans = OrphanWatch(
            client, served, self.settings.excludes, self._is_assigned, self._clock, self._orphans_changed
        )
        self._doubt = Doubt(self._clock, lambda: served.fresh(0.0), self._wake_all)
        self._context = Context(
            client,
            storage,
            self.live,
            served,
            outbox,
            self._clock,
            self._doubt,
            self.settings,
            self._orphans,
            self._is_assigned,
        )
        self._loops: dict[str, ApplicationLoop] = {}
        self._by_tracking: dict[str, str] = {}
        self._held: dict[str, Held] = {}
        self._ready: dict[str, None] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[str, Timer] = {}
        self._again: set[str] = set()
        self._stopping = False
        self._collector: asyncio.Task[None] | None = None

    # --- life

    async def start(self) -> None:
        """Take up what is on disk: the agent works before, and without, any word of the hub."""
        self.settings.restore()
        last = self._storage.last_operations()
        synced = self._storage.synced()
        for held in self._storage.inventory():
            self._held[held.application] = held
        for assignment in self._storage.assignments():
            loop = self._loop_for(assignment)
            pair = synced.get(assignment.application)
            restored = (pair[0], decode(Revision, pair[1])) if pair else None
            loop.restore(last.get(assignment.application), restored)
            self._wake(assignment.application)
        self._look_for_orphans()
        self._collector = asyncio.create_task(self._collect())

    async def stop(self) -> None:
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        tasks = [*self._busy.values(), *([self._collector] if self._collector else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._orphans.stop()
        await self.live.stop()
        self._doubt.stop()

    # --- intake: what the link calls

    def inventory(self) -> list[Held]:
        return sorted(self._held.values(), key=lambda h: h.application)

    def inventory_digest(self) -> str:
        """Return the digest over what is in force on disk, as the hub computes it from its own assignments."""
        return inventory_digest({h.application: h.digest for h in self._held.values() if not h.deleted})

    def missing(self, assignments: Iterable[Assignment], offered: Mapping[str, bytes]) -> list[str]:
        """Return the digests that these assignments need and neither disk nor `offered` holds.

        Call again after fetching: members of a set are known only once the set is there.
        """
        wanted: dict[str, None] = {}
        for assignment in assignments:
            if assignment.deletion is not None:
                wanted.update(self._needed_to_delete(assignment, offered))
                continue
            refs = [assignment.manifest_set] + ([assignment.operation.manifest_set] if assignment.operation else [])
            for ref in refs:
                if ref.digest:
                    wanted.update(self._needs(ref.digest, ref.resources, offered))
        candidates = [d for d in wanted if d not in offered]
        return self._storage.missing_blobs(candidates) if candidates else []

    def lacking(self, ref: ManifestSetRef, offered: Mapping[str, bytes]) -> list[str]:
        """As `missing`, of one manifest set."""
        candidates = [d for d in self._needs(ref.digest, ref.resources, offered) if d not in offered]
        return self._storage.missing_blobs(candidates) if candidates else []

    def _needed_to_delete(self, assignment: Assignment, offered: Mapping[str, bytes]) -> dict[str, None]:
        """The set says which hooks the end of an application runs and, to an agent that has lost its disk, which kinds
        it once applied. Where the hub has it no more, the tombstone is carried out all the same."""
        ref, deletion = assignment.manifest_set, assignment.deletion
        cascades = deletion is not None and deletion.cascade
        if not ref.digest or not (cascades or not self._storage.kinds_of(assignment.application)):
            return {}
        return self._needs(ref.digest, ref.resources, offered)

    def _needs(self, digest: str, resources: int, offered: Mapping[str, bytes]) -> dict[str, None]:
        content = offered.get(digest) or self._storage.blob(digest)
        if content is None:
            return {digest: None}
        with contextlib.suppress(IncompleteSet):
            return dict.fromkeys([digest, *(e.digest for e in read_manifest_set(content, resources=resources))])
        return {digest: None}

    def accept(self, assignments: Iterable[Assignment], blobs: Mapping[str, bytes]) -> list[Arrival]:
        """Store assignments and blobs, then set them to work. Raises StorageError, and then nothing was taken.

        An assignment older than what is held is refused: it comes from a hub that was restored from a backup, and
        following it back would prune what was added since. So is the tombstone of another application of the name.
        """
        verdicts, taken = [], []
        for assignment in assignments:
            verdict = _verdict(assignment, self._held.get(assignment.application))
            verdicts.append(verdict)
            if not verdict.refusal:
                taken.append(assignment)
        self._storage.save_assignments(taken, blobs)
        for assignment in taken:
            self._held[assignment.application] = Held(
                assignment.application, assignment.uid, assignment.generation, assignment.digest, False
            )
            loop = self._loop_for(assignment)
            # The status names the generation, and so says that it was taken, even if there is nothing else to say.
            self._outbox.changed(assignment.application, loop.status, soon=False)
            self._wake(assignment.application)
        self._look_for_orphans()
        return verdicts

    # --- system-wide settings

    def settings_digest(self) -> str:
        return self.settings.digest

    def take_settings(self, content: bytes, cluster_names: Sequence[str]) -> None:
        """Store the system-wide settings, then put them in force. Raises StorageError, and then nothing was taken."""
        found = self.settings.read(content, cluster_names)
        if found is None:
            return
        before = self.settings.current
        loops = [loop for loop in self._loops.values() if not loop.buried]
        outdated = {loop.assignment.application: loop.standing.outdated(found) for loop in loops}
        with self._storage.together():
            self.settings.save(content, cluster_names)
            for application, keys in outdated.items():
                self._storage.save_judged(application, dict.fromkeys(keys))
        self.settings.put_in_force(found, content)
        for loop in loops:
            loop.standing.resettle(before, outdated[loop.assignment.application])
        kinds = {GroupKind(key.group, key.kind) for keys in outdated.values() for key in keys}
        same = before.health is found.health
        # With the health goes the hash that tells which updates mean nothing.
        self.live.refocus(lambda kind: kind in kinds or (not same and (before.judges(kind) or found.judges(kind))))
        self._orphans.refocus()
        self._wake_all()
        log.info("system-wide settings are in force: %s", ", ".join(sorted(found.data)) or "the default ones")

    def _loop_for(self, assignment: Assignment) -> ApplicationLoop:
        application = assignment.application
        loop = self._loops.get(application)
        if loop is not None and not loop.buried:
            loop.assign(assignment)
            return loop
        loop = ApplicationLoop(self._context, assignment)
        self._loops[application] = loop
        self._by_tracking[assignment.tracking_name] = application
        self._orphans.recount()
        return loop

    def _look_for_orphans(self) -> None:
        """Have the namespaces looked into of applications whose project asks for it."""
        assignments = (loop.assignment for loop in self._loops.values() if not loop.buried)
        asking = (a for a in assignments if a.orphans is not None and a.deletion is None and a.namespace)
        self._orphans.want(frozenset(a.namespace for a in asking))

    def assignment(self, application: str) -> Assignment | None:
        loop = self._loops.get(application)
        return loop.assignment if loop is not None else None

    async def answer(self, question: Question, blobs: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
        """Answer a question about one application from the cluster itself; `blobs` came for it. Raises
        QuestionFailed."""
        loop = self._loops.get(question.application)
        if loop is None or loop.buried:
            raise QuestionFailed("not-assigned", f"{question.application} is not assigned to this cluster")
        try:
            return await answer(self._context, Shelf(self._storage, blobs), loop.assignment, question)
        except errors.KubeError as error:
            raise QuestionFailed("cluster", f"the cluster's API: {error}") from error

    @property
    def idle(self) -> bool:
        """Whether no application is worked on, or to be worked on at once."""
        return not self._busy and not self._ready

    def _is_assigned(self, tracking_name: str) -> bool:
        application = self._by_tracking.get(tracking_name)
        return application is not None and not self._loops[application].buried

    # --- scheduling

    def _changed(self, tracking_name: str, key: ResourceKey, obj: Object | None) -> None:
        application = self._by_tracking.get(tracking_name)
        if application is not None:
            self._loops[application].note(key, obj)
            self._wake(application)

    def _listed(self, group_kind: GroupKind) -> None:
        for application, loop in self._loops.items():
            if loop.waits_for(group_kind):
                self._wake(application)

    def _watched(self, group_kind: GroupKind, error: errors.KubeError | None) -> None:
        self._doubt.watched(group_kind, error)
        if error is None or isinstance(error, errors.Permanent):
            for application, loop in self._loops.items():
                if loop.heeds(group_kind):
                    self._wake(application)

    def _orphans_changed(self, namespace: str) -> None:
        for application, loop in self._loops.items():
            assignment = loop.assignment
            if assignment.orphans is not None and assignment.namespace == namespace and not loop.buried:
                self._wake(application)

    def _wake_all(self) -> None:
        for application in self._loops:
            self._wake(application)

    def _wake(self, application: str) -> None:
        timer = self._timers.pop(application, None)
        if timer is not None:
            timer.cancel()
        if application in self._busy:
            self._again.add(application)
            return
        self._ready[application] = None
        self._pump()

    def _pump(self) -> None:
        while self._ready and len(self._busy) < PARALLEL_APPLICATIONS and not self._stopping:
            application = next(iter(self._ready))
            del self._ready[application]
            self._busy[application] = asyncio.create_task(self._work(application))

    async def _work(self, application: str) -> None:
        """Tick one application until it has nothing to do at once."""
        loop = self._loops[application]
        delay: float | None = None
        try:
            delay = await loop.tick()
            loop.stored()
        except StorageError as error:
            log.error("application %s: %s", application, error)
            loop.not_stored(str(error))
            delay = FAILURE_SECONDS
        except errors.KubeError as error:
            log.warning("application %s: %s", application, error)
            delay = FAILURE_SECONDS
        except asyncio.CancelledError:
            raise
        except Exception:
            # A fault in one application's handling must not end the others'.
            log.exception("application %s: internal error; tried again in %s s", application, FAILURE_SECONDS)
            delay = FAILURE_SECONDS
        finally:
            del self._busy[application]
        if loop.buried:
            self._buried(application)
        elif application in self._again:
            self._again.discard(application)
            self._ready[application] = None
        elif delay is not None:
            self._later(application, delay)
        self._pump()

    def _buried(self, application: str) -> None:
        held = self._held[application]
        self._held[application] = Held(held.application, held.uid, held.generation, held.digest, True)
        self._again.discard(application)
        # What it left behind belongs to nobody now.
        self._look_for_orphans()
        self._orphans.recount()

    def _later(self, application: str, delay: float) -> None:
        if delay <= 0:
            self._ready[application] = None
        else:
            self._timers[application] = self._clock.after(delay, partial(self._wake, application))

    # --- housekeeping

    async def _collect(self) -> None:
        """Remove blobs nothing names, now and then."""
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            try:
                self._storage.collect_blobs(self._needed_blobs())
            except StorageError as error:
                log.error("collecting blobs: %s", error)

    def _needed_blobs(self) -> set[str]:
        needed: set[str] = set()
        for loop in self._loops.values():
            assignment = loop.assignment
            if loop.buried:
                continue
            refs = [assignment.manifest_set] + ([assignment.operation.manifest_set] if assignment.operation else [])
            for ref in refs:
                needed.update(self._needs(ref.digest, ref.resources, {}))
        return needed


def _verdict(assignment: Assignment, held: Held | None) -> Arrival:
    """Say whether an assignment is taken, by what is held of its application."""
    arrival = Arrival(assignment.application, assignment.uid, assignment.generation)
    if held is None:
        return arrival
    if held.uid == assignment.uid and assignment.generation < held.generation:
        message = f"generation {held.generation} is in force here; {assignment.generation} is older"
        return replace(arrival, refusal="stale-generation", message=message, held_generation=held.generation)
    if held.uid != assignment.uid and not held.deleted and assignment.deletion is not None:
        message = "another application of this name runs here, which is not the one that was deleted; it is left alone"
        return replace(arrival, refusal="other-application", message=message, held_generation=held.generation)
    return arrival
