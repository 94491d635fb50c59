"""What agents tell, written in batches.

While one batch is being written the next gathers: newest status per (cluster, application), every drift report and
finished operation once. A report is acknowledged to its agent when it is in the store, not before, so nothing that
must not be lost is. The size of what gathers is bounded by what agents may have under way: one batch each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from escadre.v1 import agent_pb2 as pb
from hub.domain.access import Event
from hub.domain.operation import OperationState
from hub.domain.status import ApplicationStatus, DriftReport
from hub.errors import HubError, Unavailable
from hub.fleet import convert
from hub.fleet.chronicle import Chronicle
from hub.fleet.incidents import Incidents
from hub.fleet.session import Session
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
GATHER_SECONDS = 0.05
"""From one write to the next, at least: many agents that report at once are one write, not one each."""
RECEIPT_SECONDS = 1.0
"""How long receipts may wait while there are reports to write."""
STATUSES_PER_WRITE = 500
NAME_LENGTH = 100
"""How much of a name that an agent made up is repeated."""


@dataclass(slots=True)
class _Gathered:
    statuses: dict[tuple[str, str], ApplicationStatus] = field(default_factory=dict)
    buried: dict[tuple[str, str], str] = field(default_factory=dict)
    """(cluster, application) → uid of the application whose tombstone was carried out."""
    drifts: dict[tuple[str, str], DriftReport] = field(default_factory=dict)
    operations: dict[tuple[str, str, str], OperationState] = field(default_factory=dict)
    receipts: dict[Session, tuple[int, int]] = field(default_factory=dict)
    """session → (sequence of its newest report, how many reports)"""
    events: list[Event] = field(default_factory=list)
    acknowledged: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    is_told: bool = False
    """Whether `events` has the news about operations."""

    def apart(self) -> list[_Gathered]:
        """Return the same, by cluster."""
        parts: defaultdict[str, _Gathered] = defaultdict(_Gathered)
        for name in ("statuses", "buried", "drifts", "operations", "acknowledged"):
            for key, value in getattr(self, name).items():
                getattr(parts[key[0]], name)[key] = value
                parts[key[0]].is_told = self.is_told
        for session, receipt in self.receipts.items():
            parts[session.cluster].receipts[session] = receipt
        for event in self.events:
            parts[event.cluster].events.append(event)
        return list(parts.values())


class Reports:
    """One per gateway."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        incidents: Incidents,
        observe: Callable[[str, str, OperationState], None] = lambda *_: None,
    ) -> None:
        """`observe` is told of every operation that has ended: (cluster, application, state)."""
        self._store = store
        self._bus = bus
        self._incidents = incidents
        self._chronicle = Chronicle(store, incidents)
        self._observe = observe
        self._next = _Gathered()
        self._wake = asyncio.Event()
        self._receipts: dict[Session, int] = {}
        """session → sequence of its newest report that is in the store"""
        self._receipts_since = 0.0
        self.statuses_written = 0

    def take(self, session: Session, report: pb.StatusReport) -> None:
        """Take one report in; what is not this cluster's to report is refused and recorded. Raises Malformed."""
        gathered = self._next
        foreign: dict[str, None] = {}
        newest: dict[str, pb.OperationState] = {}
        for message in report.applications:
            if message.application not in session.assigned:
                # That a tombstone was carried out is told again when the receipt was lost with a hub that was killed.
                if not message.deleted:
                    foreign[message.application] = None
                continue
            pair = (session.cluster, message.application)
            if message.deleted:
                gathered.buried[pair] = message.uid
                gathered.statuses.pop(pair, None)
                newest.pop(message.application, None)
            else:
                gathered.statuses[pair] = convert.status_from_proto(message, session.cluster)
                newest[message.application] = message.operation
                gathered.acknowledged[pair] = (message.generation, "")
        for drift in report.drifts:
            if drift.application not in session.assigned:
                foreign[drift.application] = None
            else:
                gathered.drifts[(session.cluster, drift.id)] = convert.drift_report_from_proto(drift, session.cluster)
        for operation in report.finished_operations:
            if operation.application not in session.assigned:
                # So is the deletion that this was.
                if operation.kind != "delete":
                    foreign[operation.application] = None
            else:
                pair = (session.cluster, operation.application)
                known = gathered.statuses[pair].operation if newest.get(pair[1]) == operation else None
                # What has just ended is told twice: with a result for each resource that is much to read.
                gathered.operations[(*pair, operation.id)] = known or convert.operation_from_proto(operation)
        if foreign:
            self._note_foreign(session, foreign)
        _, number = gathered.receipts.get(session, (0, 0))
        gathered.receipts[session] = (report.sequence, number + 1)
        session.reports_under_way += 1
        self._wake.set()

    def _note_foreign(self, session: Session, applications: Iterable[str]) -> None:
        names = ", ".join(name[:NAME_LENGTH] for name in list(applications)[:5])
        message = f"the agent of {session.name} reported on applications that are not assigned to it: {names}; refused"
        event = self._incidents.event("ForeignReport", message, cluster=session.cluster, peer=session.peer)
        if event is not None:
            self._next.events.append(event)

    def refuse(self, session: Session, items: Iterable[pb.Refusal]) -> list[pb.Refusal]:
        """Take refusals in; return those that say the agent holds a newer generation than it was sent. Raises
        Malformed."""
        mine = [item for item in items if item.application in session.assigned]
        for item in mine:
            words = f"{item.code}: {item.message}"[:500]
            generation = convert.generation_of(item.generation)
            self._next.acknowledged[(session.cluster, item.application)] = (generation, words)
        self._wake.set()
        return [item for item in mine if item.code == "stale-generation"]

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            began = time.monotonic()
            gathered, self._next = self._next, _Gathered()
            await self._write_until_done(gathered)
            await asyncio.sleep(began + GATHER_SECONDS - time.monotonic())
            if not self._next.receipts or time.monotonic() - self._receipts_since > RECEIPT_SECONDS:
                self._send_receipts()

    async def flush(self) -> None:
        """Write what has gathered; for a hub that drains."""
        gathered, self._next = self._next, _Gathered()
        try:
            await self._write(gathered)
        except HubError as error:
            log.error("reports not written while draining: %s; agents tell them again", error.message)

    async def _write_until_done(self, gathered: _Gathered) -> None:
        while True:
            try:
                await self._write(gathered)
                return
            except Unavailable as error:
                log.error("reports cannot be written: %s; tried again", error.message)
                self._send_receipts()
                await asyncio.sleep(RETRY_SECONDS)
            except HubError as error:
                parts = gathered.apart()
                if len(parts) == 1:
                    _refuse_part(parts[0], error)
                    return
                # What one agent sent cannot be stored. The others' can.
                for part in parts:
                    await self._write_until_done(part)
                return

    async def _write(self, gathered: _Gathered) -> None:
        if not gathered.is_told:
            gathered.events += await self._chronicle.news(gathered.statuses, gathered.operations)
            gathered.is_told = True
        statuses = list(gathered.statuses.values())
        await _all_of(self._writes(gathered, statuses))
        if gathered.buried:
            await self._bury(gathered.buried)
        for (cluster, application, _), state in gathered.operations.items():
            self._observe(cluster, application, state)
        for session, (sequence, number) in gathered.receipts.items():
            session.reports_under_way -= number
            if not self._receipts:
                self._receipts_since = time.monotonic()
            self._receipts[session] = sequence
        if statuses or gathered.buried or gathered.operations or gathered.drifts:
            self.statuses_written += len(statuses)
            await self._bus.publish("statuses")

    def _writes(self, gathered: _Gathered, statuses: list[ApplicationStatus]) -> Iterator[Awaitable[None]]:
        store = self._store
        if gathered.acknowledged:
            yield store.acknowledge([(*pair, *reached) for pair, reached in gathered.acknowledged.items()])
        for start in range(0, len(statuses), STATUSES_PER_WRITE):
            yield store.put_statuses(statuses[start : start + STATUSES_PER_WRITE])
        if gathered.operations:
            yield store.put_operations([(c, a, state) for (c, a, _), state in gathered.operations.items()])
        if gathered.drifts:
            yield store.put_drifts(gathered.drifts.values())
        if gathered.events:
            yield self._write_events(gathered)

    async def _write_events(self, gathered: _Gathered) -> None:
        """Once, though the rest may be tried again."""
        await self._store.add_events(gathered.events)
        gathered.events.clear()

    def _send_receipts(self) -> None:
        """Acknowledge what is in the store. When a whole fleet reports at once this comes after taking that in: nobody
        waits for a receipt as people wait for what is reported."""
        for session, sequence in self._receipts.items():
            session.put_control("receipt", pb.HubMessage(status_receipt=pb.StatusReceipt(sequence=sequence)))
        self._receipts.clear()

    async def _bury(self, buried: Mapping[tuple[str, str], str]) -> None:
        """Remove assignments whose tombstones were carried out. One that was made since, for another application of
        the name, stays."""
        gone = []
        for application in {application for _, application in buried}:
            for assignment in await self._store.assignments_of_application(application):
                uid = buried.get((assignment.cluster, application))
                if assignment.content.deletion is not None and assignment.content.application_uid == uid:
                    gone.append((assignment.cluster, application))
        await self._store.unassign(gone)


async def _all_of(writes: Iterable[Awaitable[None]]) -> None:
    """Begin all writes at once, so that the store can commit them together. Raises the first one's error, when all have
    ended."""
    for outcome in await asyncio.gather(*writes, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _refuse_part(part: _Gathered, error: HubError) -> None:
    for session in part.receipts:
        log.error("a report of %s cannot be stored: %s; its stream ends", session.name, error.message)
        session.close("protocol", "a report cannot be stored", retry_after=60)
