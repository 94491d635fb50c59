"""What agents tell, written in batches.

While one batch is being written the next gathers: newest status per (cluster, application), every drift report and
finished operation once. A report is acknowledged to its agent when it is in the store, not before, so nothing that
must not be lost is. The size of what gathers is bounded by what agents may have under way: one batch each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from escadre.v1 import agent_pb2 as pb
from hub.domain.access import Event
from hub.domain.operation import OperationState
from hub.domain.status import ApplicationStatus, DriftReport
from hub.errors import HubError
from hub.fleet import convert
from hub.fleet.session import Session
from hub.store.bus import Bus
from hub.store.contract import Store

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
STATUSES_PER_WRITE = 500


@dataclass(slots=True)
class _Gathered:
    statuses: dict[tuple[str, str], ApplicationStatus] = field(default_factory=dict)
    buried: dict[tuple[str, str], None] = field(default_factory=dict)
    drifts: dict[str, DriftReport] = field(default_factory=dict)
    operations: dict[tuple[str, str, str], OperationState] = field(default_factory=dict)
    receipts: dict[Session, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    acknowledged: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)


class Reports:
    """One per gateway."""

    def __init__(
        self, store: Store, bus: Bus, observe: Callable[[str, str, OperationState], None] = lambda *_: None
    ) -> None:
        """`observe` is told of every operation that has ended: (cluster, application, state)."""
        self._store = store
        self._bus = bus
        self._observe = observe
        self._next = _Gathered()
        self._wake = asyncio.Event()
        self.statuses_written = 0

    def take(self, session: Session, report: pb.StatusReport) -> None:
        """Take one report in; what is not this cluster's to report is refused and recorded. Raises Malformed."""
        gathered = self._next
        refused: list[str] = []
        for message in report.applications:
            if message.application not in session.assigned:
                refused.append(message.application)
                continue
            pair = (session.cluster, message.application)
            if message.deleted:
                gathered.buried[pair] = None
                gathered.statuses.pop(pair, None)
            else:
                gathered.statuses[pair] = convert.status_from_proto(message, session.cluster)
                gathered.acknowledged[pair] = (message.generation, "")
        for drift in report.drifts:
            if drift.application in session.assigned:
                gathered.drifts[drift.id] = convert.drift_report_from_proto(drift, session.cluster)
        for operation in report.finished_operations:
            if operation.application in session.assigned:
                state = convert.operation_from_proto(operation)
                gathered.operations[(session.cluster, operation.application, operation.id)] = state
        if refused:
            gathered.events.append(_refusal(session, refused))
        gathered.receipts[session] = report.sequence
        self._wake.set()

    def refuse(self, session: Session, items: Iterable[pb.Refusal]) -> list[pb.Refusal]:
        """Take refusals in; return those that say the agent holds a newer generation than it was sent."""
        mine = [item for item in items if item.application in session.assigned]
        for item in mine:
            words = f"{item.code}: {item.message}"[:500]
            self._next.acknowledged[(session.cluster, item.application)] = (item.generation, words)
        self._wake.set()
        return [item for item in mine if item.code == "stale-generation"]

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            gathered, self._next = self._next, _Gathered()
            await self._write_until_done(gathered)

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
            except HubError as error:
                log.error("reports cannot be written: %s; tried again", error.message)
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, gathered: _Gathered) -> None:
        if gathered.acknowledged:
            rows = [(c, a, generation, refusal) for (c, a), (generation, refusal) in gathered.acknowledged.items()]
            await self._store.acknowledge(rows)
        statuses = list(gathered.statuses.values())
        for start in range(0, len(statuses), STATUSES_PER_WRITE):
            await self._store.put_statuses(statuses[start : start + STATUSES_PER_WRITE])
        if gathered.operations:
            await self._store.put_operations([(c, a, state) for (c, a, _), state in gathered.operations.items()])
            for (cluster, application, _), state in gathered.operations.items():
                self._observe(cluster, application, state)
        if gathered.drifts:
            await self._store.put_drifts(gathered.drifts.values())
        if gathered.buried:
            await self._store.unassign(gathered.buried)
        if gathered.events:
            await self._store.add_events(gathered.events)
        for session, sequence in gathered.receipts.items():
            receipt = pb.StatusReceipt(sequence=sequence)
            session.put_control("receipt", pb.HubMessage(status_receipt=receipt))
        if statuses or gathered.buried or gathered.operations or gathered.drifts:
            self.statuses_written += len(statuses)
            await self._bus.publish("statuses")


def _refusal(session: Session, applications: list[str]) -> Event:
    names = ", ".join(applications[:5])
    message = f"the agent of {session.name} reported on applications that are not assigned to it: {names}; refused"
    log.warning("%s", message)
    return Event(datetime.now(UTC), "warning", "ForeignReport", message, cluster=session.cluster)
