"""The controller's loop: what changed, which applications that concerns, and a bounded number looked at at once.

Level-triggered throughout: a message says only that it is time to look, and looking twice changes nothing. One
application that hangs on a slow repository or a large chart holds one slot, and nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from hub.domain.application import Application, ApplicationId
from hub.domain.assignment import AssignmentContent
from hub.domain.operation import OperationRequest
from hub.domain.repository import Place
from hub.domain.status import RefreshState
from hub.domain.targeting import ClusterIndex
from hub.errors import HubError
from hub.reconcile.assign import Assigner, Outcome
from hub.reconcile.pushes import Pushes
from hub.reconcile.refreshes import Refreshes
from hub.reconcile.unassignable import postponed, record
from hub.reconcile.watcher import Watcher
from hub.source.errors import SourceError
from hub.store.bus import Bus, Subscription
from hub.store.contract import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
ENTRIES_SECONDS = 60.0
"""What is registered of repositories is read again that often, should nobody tell."""
CONSISTENT_TRIES = 10
"""To read clusters and applications with nothing changed between the two."""
PARALLEL_LOOKS = 16
PARALLEL_POLLS = 16
RETRY_FIRST_SECONDS = 5.0
RETRY_CAP_SECONDS = 300.0
WRITE_GATHER_SECONDS = 0.002


@dataclass(slots=True)
class _Known:
    """The controller's picture of the store, kept up by sequence."""

    applications: dict[str, Application] = field(default_factory=dict)
    states: dict[str, RefreshState] = field(default_factory=dict)
    sequence: int = 0
    clusters: ClusterIndex = field(default_factory=lambda: ClusterIndex(()))
    clusters_version: int = -1


class Controller:
    """Runs while it holds the controller's lease."""

    def __init__(self, store: Store, bus: Bus, watcher: Watcher, assigner: Assigner) -> None:
        self._store = store
        self._bus = bus
        self._watcher = watcher
        self._assigner = assigner
        self._known = _Known()
        self._ready: dict[str, bool] = {}
        """application → hard; looked at in this order."""
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, bool] = {}
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._polls: dict[Place, asyncio.Task[None]] = {}
        self._poll_again: dict[Place, bool] = {}
        """Repository → forced."""
        self._waiting: dict[Place, set[str]] = {}
        """Repository → applications that are looked at once it has been asked."""
        self._polled_for: set[str] = set()
        """Applications that the polls under way are for."""
        self._heard: dict[str, set[str]] = {}
        """Application → ids of requests since which its repositories have been asked, or are being: what a look finds
        after that is the answer to them."""
        self._refreshes = Refreshes(store, self._is_under_way)
        self._pushes = Pushes(bus, watcher.named, partial(self._start_polls, anew=True))
        self._stopping = False
        self._entries_changed = False
        self._entries_read_at = float("-inf")
        self._writes: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.looks = 0

    async def run(self) -> None:
        """Control until cancelled; may be run again after that. What was known is read anew: another replica was the
        controller meanwhile."""
        self._forget()
        async with self._bus.subscribe(
            "applications", "refresh", "clusters", "statuses", "repositories"
        ) as subscription:
            pushes = asyncio.create_task(self._pushes.run())
            try:
                await self._take_up()
                while True:
                    await self._round(subscription)
            finally:
                pushes.cancel()
                await asyncio.gather(pushes, return_exceptions=True)
                await self._stop()

    def _forget(self) -> None:
        self._known = _Known()
        for memory in (self._ready, self._again, self._failures, self._timers, self._poll_again, self._waiting):
            memory.clear()
        self._polled_for.clear()
        self._heard.clear()
        self._refreshes.forget()
        self._writes.clear()
        self._stopping = False

    async def _stop(self) -> None:
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        tasks = [*self._busy.values(), *self._polls.values(), *([self._writer] if self._writer else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # One that was cancelled before it had begun did not take itself out.
        self._busy.clear()
        await self._refreshes.stop()

    async def _take_up(self) -> None:
        """Begin: whoever was the controller before may have died in the middle of anything."""
        while True:
            try:
                await self._watcher.renew(())
                await self._sync_known()
                self._known.states = await self._store.get_refresh_states()
                return
            except HubError as error:
                log.error("the controller cannot begin: %s; tried again", error.message)
                await asyncio.sleep(POLL_SECONDS)

    async def _round(self, subscription: Subscription) -> None:
        try:
            await self._renew_entries()
            await self._sync_known()
            await self._sync_requests()
            await self._finish_deletions()
        except HubError as error:
            log.error("the controller cannot read the store: %s; tried again", error.message)
        self._start_polls(self._watcher.due())
        self._pump()
        self._refreshes.settle()
        timeout = min(POLL_SECONDS, self._watcher.seconds_to_next() + 0.01)
        messages = await subscription.next(timeout=timeout)
        self._entries_changed |= any(topic == "repositories" for topic, _ in messages)
        called = dict.fromkeys(payload for topic, payload in messages if topic == "applications")
        if called:
            await self._hear(called)

    async def _hear(self, ids: Iterable[str]) -> None:
        """Somebody asked for something, and may have changed applications and clusters just before."""
        try:
            await self._sync_known()
            for id in ids:
                if id in self._known.applications:
                    self._listen(id, await self._store.operation_requests(id))
        except HubError as error:
            log.error("what was asked for cannot be read: %s; it is found at the next look", error.message)

    def _listen(self, id: str, requests: Sequence[OperationRequest]) -> None:
        """A sync means what Git says now, so Git is asked first; ending an operation and going back to what was
        deployed before wait for nobody."""
        if requests and not requests[0].means_newest:
            self._want(id)
        elif not self._is_waiting(id):
            self._ask_for(id, {request.id for request in requests})

    def _ask_for(self, id: str, requests: Iterable[str]) -> None:
        """Look at an application for the sake of requests, once its repositories have been asked."""
        if application := self._known.applications.get(id):
            self._heard.setdefault(id, set()).update(requests)
            self._want_fresh(application)

    # --- what is to be looked at

    async def _sync_known(self) -> None:
        """Take up what changed of clusters and applications, as both were at one moment.

        A cluster that was relabelled and an application that was changed with it are never seen one without the other:
        it would look as if the cluster were no longer selected, and what runs there would be deleted.
        """
        store, known = self._store, self._known
        for _ in range(CONSISTENT_TRIES):
            version, clusters = await store.clusters_version(), None
            if version != known.clusters_version:
                clusters = ClusterIndex(await store.list_clusters())
            changed, removed, sequence = await store.applications_since(known.sequence)
            if await store.clusters_version() == version:
                break
        else:
            log.info("clusters change faster than they are read; they are read again in a moment")
            return
        # From here on nothing is awaited: who looks sees all of it or nothing.
        known.sequence = sequence
        if clusters is not None:
            known.clusters, known.clusters_version = clusters, version
            for id in known.applications:
                self._want(id)
        self._take_applications(changed, removed)

    def _take_applications(self, changed: Sequence[Application], removed: Sequence[ApplicationId]) -> None:
        known = self._known
        for application in changed:
            id = str(application.id)
            before = known.applications.get(id)
            known.applications[id] = application
            if before is not None and before.uid != application.uid:
                # Another of the name: what was known of the one before went with it, in the store too.
                known.states.pop(id, None)
                self._heard.pop(id, None)
                before = None
            resumed = before is not None and before.skips_reconcile and not application.skips_reconcile
            if before is not None and before.spec == application.spec and not resumed:
                self._want(id)
            else:
                self._want_fresh(application)
        for gone in removed:
            known.applications.pop(str(gone), None)
            self._heard.pop(str(gone), None)
            known.states.pop(str(gone), None)
        if changed or removed:
            self._watcher.follow(known.applications.values())

    def _want_fresh(self, application: Application) -> None:
        """Look at a new or changed application once its repositories have been asked: whoever writes one has just
        pushed what it names, and what the mirrors know is up to three minutes old."""
        places = self._watcher.places(application)
        if application.deletion is not None or not places:
            self._want(str(application.id))
            return
        for place in places:
            self._waiting.setdefault(place, set()).add(str(application.id))
        self._start_polls(places)

    async def _renew_entries(self) -> None:
        """Take up what is registered of repositories; those that are read otherwise now are asked at once."""
        now = asyncio.get_running_loop().time()
        if self._entries_changed or now - self._entries_read_at >= ENTRIES_SECONDS:
            self._entries_changed, self._entries_read_at = False, now
            try:
                self._start_polls(await self._watcher.renew(self._known.applications.values()), anew=True)
            except HubError:
                self._entries_changed = True
                raise

    async def _sync_requests(self) -> None:
        for id, mode in (await self._refreshes.take()).items():
            application = self._known.applications.get(id)
            if application is None:
                continue
            if mode == "hard":
                self._want(id, hard=True)
            self._start_polls(self._watcher.places(application), force=mode == "hard", anew=True)

    async def _finish_deletions(self) -> None:
        """Remove applications whose last cluster has let go of them."""
        deleting = [a for a in self._known.applications.values() if a.deletion is not None]
        for application in deleting:
            if str(application.id) in self._busy or str(application.id) in self._ready:
                continue
            if not await self._store.assignments_of_application(str(application.id)):
                await self._store.remove_application(application.id)
                await self._bus.publish("applications", str(application.id))

    def _want(self, id: str, *, hard: bool = False) -> None:
        timer = self._timers.pop(id, None)
        if timer is not None:
            timer.cancel()
        if id in self._busy:
            self._again[id] = hard or self._again.get(id, False)
        else:
            self._ready[id] = hard or self._ready.get(id, False)

    def _is_under_way(self, id: str) -> bool:
        application = self._known.applications.get(id)
        if application is None:
            return False
        if id in self._busy or id in self._ready or id in self._again or self._is_waiting(id):
            return True
        return any(place in self._polls or place in self._poll_again for place in self._watcher.places(application))

    def _is_waiting(self, id: str) -> bool:
        return any(id in waiting for waiting in self._waiting.values()) or id in self._polled_for

    # --- polling repositories

    def _start_polls(self, places: Iterable[Place], *, force: bool = False, anew: bool = False) -> None:
        """Ask repositories. One that is being asked is asked again `anew` after that: what somebody has just pushed
        may have come after the answer."""
        for place in places:
            if place in self._polls:
                if anew or self._waiting.get(place):
                    self._poll_again[place] = force or self._poll_again.get(place, False)
                continue
            waiting = self._waiting.pop(place, set())
            self._polled_for |= waiting
            task = asyncio.create_task(self._poll(place, force=force, waiting=waiting))
            self._polls[place] = task
            task.add_done_callback(partial(self._polled, place))

    def _polled(self, place: Place, _: asyncio.Task[None]) -> None:
        self._polls.pop(place, None)
        if place in self._poll_again and not self._stopping:
            self._start_polls([place], force=self._poll_again.pop(place))
        if not self._stopping:
            self._refreshes.settle()

    async def _poll(self, place: Place, *, force: bool, waiting: set[str]) -> None:
        known = self._known
        try:
            changed = await self._watcher.poll(place, known.applications, known.states, force=force)
        except SourceError as error:
            log.warning("a repository cannot be read: %s", error.message)
            changed = [id for id, a in known.applications.items() if place in self._watcher.places(a)]
        except HubError as error:
            log.error("a repository cannot be polled: %s", error.message)
            changed = []
        except Exception:
            # Those who wait for it are looked at all the same, and heard when they ask for something.
            log.exception("a repository cannot be polled: internal error")
            changed = []
        self._polled_for -= waiting
        for id in {*changed, *waiting}:
            self._want(id)
        self._pump()

    # --- looking

    def _pump(self) -> None:
        while self._ready and len(self._busy) < PARALLEL_LOOKS:
            id = next(iter(self._ready))
            hard = self._ready.pop(id)
            if id in self._known.applications:
                self._busy[id] = asyncio.create_task(self._look(id, hard))

    async def _look(self, id: str, hard: bool) -> None:
        application = self._known.applications[id]
        heard = set() if self._is_waiting(id) else set(self._heard.get(id, ()))
        retry = False
        try:
            self.looks += 1
            troubles = self._watcher.troubles(self._watcher.places(application))
            outcome = await self._assigner.look(
                application, self._known.clusters, self._known.states.get(id), hard=hard, troubles=troubles
            )
            if self._is_left_since(application):
                outcome = Outcome()
            outcome.conclusions, unheard = postponed(outcome.conclusions, heard)
            await self._write(outcome)
            self._heard.get(id, set()).difference_update(heard)
            if unheard and not self._is_waiting(id):
                self._ask_for(id, unheard)
            retry = outcome.retry
            if outcome.damaged:
                self._start_polls(self._watcher.places(application), force=True, anew=True)
        except asyncio.CancelledError:
            raise
        except HubError as error:
            log.error("application %s: %s; tried again", id, error.message)
            retry = True
        except Exception:
            # A fault met in one application must not end the others' controller.
            log.exception("application %s: internal error; tried again", id)
            retry = True
        finally:
            self._busy.pop(id, None)
        if id in self._again:
            self._ready[id] = self._again.pop(id)
        elif retry:
            self._later(id)
        else:
            self._failures.pop(id, None)
        self._pump()
        self._refreshes.settle()

    def _is_left_since(self, application: Application) -> bool:
        """Whether somebody wants an application left as it is since it was looked at: the next look says so."""
        now = self._known.applications.get(str(application.id))
        return now is not None and now.skips_reconcile and not application.skips_reconcile

    def _later(self, id: str) -> None:
        failures = self._failures[id] = self._failures.get(id, 0) + 1
        delay = min(RETRY_CAP_SECONDS, RETRY_FIRST_SECONDS * 2 ** min(failures - 1, 10))
        jittered = delay * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        self._timers[id] = asyncio.get_running_loop().call_later(jittered, self._retry, id)

    def _retry(self, id: str) -> None:
        self._want(id)
        self._pump()

    # --- writing, many applications at once

    async def _write(self, outcome: Outcome) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.append((outcome, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await future

    async def _write_all(self) -> None:
        await asyncio.sleep(WRITE_GATHER_SECONDS)
        while self._writes:
            batch, self._writes = self._writes, []
            try:
                await self._write_batch([outcome for outcome, _ in batch])
            except Exception as error:
                # Those who wait for it say so, and try again.
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for _, future in batch:
                if not future.done():
                    future.set_result(None)

    async def _write_batch(self, outcomes: list[Outcome]) -> None:
        for release in (True, False):
            contents: list[tuple[str, AssignmentContent]]
            contents = [c for outcome in outcomes if outcome.fresh is release for c in outcome.contents]
            if contents and await self._store.assign(contents, release=release):
                await self._bus.publish("assignments")
        conclusions = [c for outcome in outcomes for c in outcome.conclusions]
        for conclusion in conclusions:
            await record(self._store, conclusion, datetime.now(UTC))
        states = [o.state for o in outcomes if o.state is not None]
        fresh = [s for s in states if not _same(self._known.states.get(s.application), s)]
        if fresh:
            await self._store.put_refresh_states(fresh)
            with contextlib.suppress(KeyError):
                self._known.states.update({s.application: s for s in fresh})
        if fresh or conclusions:
            await self._bus.publish("statuses")


def _same(before: RefreshState | None, now: RefreshState) -> bool:
    return before is not None and (before.revision, before.inputs, before.conditions, before.spec_generation) == (
        now.revision,
        now.inputs,
        now.conditions,
        now.spec_generation,
    )
