"""From the store to the mailboxes: what was assigned since the last look, put before the agents connected here.

A gateway has seen everything up to one number, the assignments' sequence. It reads what is newer when the bus says so,
and now and then without being told, so a lost message costs a few seconds at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from escadre.v1 import agent_pb2 as pb
from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSet, missing
from hub.errors import HubError
from hub.fleet.registry import Registry
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
INLINE_BYTES = 256 * 1024
"""Blobs that go along with an assignment. More than that is left for each agent to fetch at its own pace."""
REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class _Change:
    message: bytes
    """An encoded Assignments with these blobs and no items."""
    count: int


class Dispatcher:
    """One per gateway."""

    def __init__(
        self, store: Store, bus: Bus, registry: Registry, vouch: Callable[[Assignment], Assignment] = lambda a: a
    ) -> None:
        """`vouch` signs anew what was signed with a key that is no longer in force."""
        self._store = store
        self._bus = bus
        self._registry = registry
        self._vouch = vouch
        self._sequence = 0
        self._sets: dict[str, str] = {}
        self._changes: OrderedDict[tuple[str, str], _Change] = OrderedDict()
        self.blobs_sent = 0
        self.assignments_sent = 0

    async def start(self) -> None:
        """Begin at what is assigned now: what was before is settled by agreement on connect."""
        self._sequence = await self._store.assignment_sequence()
        self._sets = await self._store.current_sets()

    async def run(self) -> None:
        """Dispatch until cancelled."""
        async with self._bus.subscribe("assignments") as subscription:
            while True:
                try:
                    await self._dispatch()
                except HubError as error:
                    log.error("dispatch: %s; tried again", error.message)
                await subscription.next(timeout=POLL_SECONDS)

    async def _dispatch(self) -> None:
        fresh = await self._store.assignments_since(self._sequence)
        if not fresh:
            return
        by_cluster: dict[str, list[Assignment]] = {}
        for assignment in fresh:
            if not assignment.held:
                by_cluster.setdefault(assignment.cluster, []).append(assignment)
        known = dict(self._sets)
        for number, (cluster, assignments) in enumerate(by_cluster.items()):
            session = self._registry.of_cluster(cluster)
            if session is not None:
                for assignment in assignments:
                    change = await self._change(assignment, known)
                    if change is not None and change.count:
                        session.put_blobs(assignment.content.manifest_set.digest, change.message)
                        self.blobs_sent += change.count
                session.put_assignments(map(self._vouch, assignments))
                self.assignments_sent += len(assignments)
            if number % 50 == 49:
                # Let the first agents have theirs while the rest is prepared.
                await asyncio.sleep(0)
        self._sequence = fresh[-1].sequence

    async def _change(self, assignment: Assignment, known: dict[str, str]) -> _Change | None:
        """Return what to send ahead: the blobs that the new set has and the application's set before it had not.

        Encoded once for all agents. An agent that held something else fetches what it still lacks.
        """
        application, digest = assignment.content.application, assignment.content.manifest_set.digest
        before = known.get(application, "")
        self._sets[application] = digest
        if not digest or before == digest:
            return None
        change = self._changes.get((before, digest))
        if change is None:
            change = await self._encode_change(before, digest)
            self._changes[(before, digest)] = change
            if len(self._changes) > REMEMBERED:
                self._changes.popitem(last=False)
        return change

    async def _encode_change(self, before: str, digest: str) -> _Change:
        contents = await self._store.get_blobs([d for d in (before, digest) if d])
        if digest not in contents:
            return _Change(b"", 0)
        new = ManifestSet.decode(contents[digest])
        old = ManifestSet.decode(contents[before]) if before in contents else ManifestSet(())
        lacking = missing(new.entries, old.entries)
        items = {digest: contents[digest]}
        if sum(e.size for e in lacking) + len(contents[digest]) <= INLINE_BYTES:
            items |= await self._store.get_blobs([e.digest for e in lacking])
        elif len(contents[digest]) > INLINE_BYTES:
            return _Change(b"", 0)
        message = pb.Assignments(blobs=[pb.Blob(digest=bytes.fromhex(d), content=c) for d, c in items.items()])
        return _Change(message.SerializeToString(), len(items))

    async def send(self, cluster: str, assignments: Iterable[Assignment]) -> None:
        """Put assignments that agreement found wanting before one agent; it fetches what blobs it lacks."""
        session = self._registry.of_cluster(cluster)
        rows = [a for a in assignments if not a.held]
        if session is not None and rows:
            session.put_assignments(map(self._vouch, rows))
            self.assignments_sent += len(rows)
