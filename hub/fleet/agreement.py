"""On connect: do hub and agent hold the same? Digests first, differences only.

A thousand agents may ask in the same second, after the hub was started again. So what the digests are computed from is
read for all who ask within a moment, in one query that reads no content.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping

from escadre.v1 import agent_pb2 as pb
from hub.domain.assignment import Assignment
from hub.errors import HubError
from hub.fleet.convert import generation_of
from hub.fleet.dispatch import Dispatcher
from hub.fleet.incidents import Incidents
from hub.fleet.session import Session
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.02
NAME_LENGTH = 100
"""How much of a name that an agent made up is repeated."""

Index = Mapping[str, tuple[int, str, bool]]
"""application → (generation, digest, held)"""


def inventory_digest(rows: Mapping[str, str]) -> bytes:
    """Return one SHA-256 over (application, hex digest) pairs; agents compute it the same way."""
    digest = hashlib.sha256()
    for application in sorted(rows):
        digest.update(f"{application}\0{rows[application]}\n".encode())
    return digest.digest()


class Agreement:
    """Settles what an agent that has just connected lacks."""

    def __init__(self, store: Store, bus: Bus, dispatcher: Dispatcher, incidents: Incidents) -> None:
        self._store = store
        self._bus = bus
        self._dispatcher = dispatcher
        self._incidents = incidents
        self._waiting: dict[str, asyncio.Future[tuple[Index, Mapping[str, str]]]] = {}
        self._gatherer: asyncio.Task[None] | None = None

    async def begin(self, session: Session, hello: pb.Hello) -> bool:
        """Compare digests and ask for what is needed to settle differences. Returns whether assignments agree."""
        index, statuses = await self._indexes(session.cluster)
        session.assigned.update(index)
        expected = inventory_digest({a: digest for a, (_, digest, held) in index.items()})
        agree = expected == hello.inventory_digest and not any(held for _, _, held in index.values())
        if not agree:
            request = pb.HubMessage(inventory_request=pb.InventoryRequest())
            session.put_control("inventory", request)
            session.inventories_due += 1
        if inventory_digest(statuses) != (hello.status_digest or inventory_digest({})):
            session.put_control("statuses", pb.HubMessage(status_request=pb.StatusRequest()))
        return agree

    async def settle(self, session: Session, inventory: pb.Inventory) -> None:
        """Send the assignments the agent lacks or holds otherwise. Nothing is ever deleted because it was not named.
        Raises Malformed."""
        cluster = session.cluster
        index, _ = await self._indexes(cluster)
        held = {h.application: h for h in inventory.held}
        for each in inventory.held:
            generation_of(each.generation)
        assignments = {a.content.application: a for a in await self._store.assignments_of_cluster(cluster)}
        to_send, buried = [], []
        for application, assignment in assignments.items():
            theirs = held.get(application)
            if theirs is None:
                to_send.append(assignment)
            elif _is_buried(assignment, theirs):
                buried.append((cluster, application))
            elif newer := _newer_generation(assignment, theirs):
                await self._hold_back(session, application, newer)
            elif _differs(assignment, theirs):
                to_send.append(assignment)
        if buried:
            await self._store.unassign(buried)
            await self._bus.publish("statuses")
        unknown = [h.application for h in inventory.held if h.application not in index and not h.deleted]
        if unknown:
            await self._record_unknown(session, unknown)
        acknowledged = [
            (cluster, h.application, h.generation, "")
            for h in inventory.held
            if h.application in assignments and h.digest.hex() == assignments[h.application].digest
        ]
        await self._store.acknowledge(acknowledged)
        await self._dispatcher.send(cluster, to_send)

    async def _hold_back(self, session: Session, application: str, generation: int) -> None:
        log.warning(
            "cluster %s holds generation %d of %s, newer than this hub's: the hub was restored from a backup;"
            " the application is refreshed from Git before anything is sent",
            session.name,
            generation,
            application,
        )
        await self._store.hold_back(session.cluster, application, generation)
        await self._bus.publish("refresh")
        # What was done since the backup is known to the agent only.
        session.put_control("statuses", pb.HubMessage(status_request=pb.StatusRequest(operations=True)))

    async def _record_unknown(self, session: Session, applications: list[str]) -> None:
        names = ", ".join(name[:NAME_LENGTH] for name in sorted(applications)[:10])
        message = (
            f"the agent of {session.name} runs {len(applications)} applications that this hub does not know: {names};"
            " they are left as they are (apply them again to take them over)"
        )
        await self._incidents.record("UnknownApplications", message, cluster=session.cluster, peer=session.peer)

    async def _indexes(self, cluster: str) -> tuple[Index, Mapping[str, str]]:
        future = self._waiting.get(cluster)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[cluster] = future
            if self._gatherer is None or self._gatherer.done():
                self._gatherer = asyncio.create_task(self._gather())
        return await asyncio.shield(future)

    async def _gather(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_SECONDS)
            waiting, self._waiting = self._waiting, {}
            try:
                assignments = await self._store.assignment_index(list(waiting))
                statuses = await self._store.status_index(list(waiting))
            except HubError as error:
                for future in waiting.values():
                    if not future.done():
                        future.set_exception(error)
                continue
            for cluster, future in waiting.items():
                if not future.done():
                    future.set_result((assignments.get(cluster, {}), statuses.get(cluster, {})))


def _newer_generation(assignment: Assignment, theirs: pb.HeldAssignment) -> int:
    """Return the generation an agent holds that this hub does not remember, 0 when there is none.

    That happens to a hub restored from a backup. What the agent holds is newer not only by its number: if it
    acknowledged this very generation, or any of this application, and holds something else now, or another application
    of the name, only a hub that knew more can have given it that.
    """
    same = theirs.uid == assignment.content.application_uid
    if same and theirs.generation > assignment.generation:
        return theirs.generation
    acknowledged = assignment.acknowledged_generation
    if same:
        replaced = acknowledged >= assignment.generation == theirs.generation and _differs(assignment, theirs)
    else:
        replaced = acknowledged > 0
    return max(theirs.generation, assignment.generation + 1) if replaced else 0


def _is_buried(assignment: Assignment, theirs: pb.HeldAssignment) -> bool:
    """Whether there is nothing left to do for the tombstone that is assigned to an agent.

    It has carried it out, or runs another application of the name: one that was made when this one had gone, by a hub
    that knew more than this one does. A tombstone says nothing of that one, and must not delete what is its.
    """
    if assignment.content.deletion is None:
        return False
    same = theirs.uid == assignment.content.application_uid
    return theirs.deleted if same else not theirs.deleted


def _differs(assignment: Assignment, theirs: pb.HeldAssignment) -> bool:
    same = theirs.uid == assignment.content.application_uid
    return not same or theirs.deleted or theirs.digest.hex() != assignment.digest
