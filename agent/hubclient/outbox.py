"""What the hub has not been told yet.

Statuses are levels: the newest one per application is kept, and older ones need never be sent. Drift reports and
finished operations wait on disk until the hub acknowledges them. So the outbox is bounded by the number of
applications, however long the hub is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agent.engine.codec import decode
from agent.engine.operation import OperationState
from agent.engine.status import ApplicationStatus, DriftReport, inventory_digest


class Waiting(Protocol):
    """What waits on disk to be told; `agent.storage` keeps it."""

    def drifts(self, limit: int) -> list[bytes]: ...

    def forget_drifts(self, reported: Mapping[str, bytes]) -> None: ...

    def unreported_operations(self, limit: int) -> list[OperationState]: ...

    def mark_operations_reported(self, ids: Iterable[str]) -> None: ...

    def report_operations_again(self) -> None: ...


PROGRESS_SECONDS = 1.0
BATCH_STATUSES = 200
BATCH_DRIFTS = 100
BATCH_BYTES = 4 * 1024 * 1024
"""About as much as one report is to hold; a single status is below it by what it tells in detail."""
BATCH_OPERATIONS = 50


@dataclass(slots=True)
class Batch:
    """One report on its way."""

    statuses: list[ApplicationStatus] = field(default_factory=list)
    drifts: dict[str, bytes] = field(default_factory=dict)
    """id → the report as stored, to tell whether it changed meanwhile."""
    operations: list[OperationState] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.statuses or self.drifts or self.operations)

    def drift_reports(self) -> list[DriftReport]:
        return [decode(DriftReport, content) for content in self.drifts.values()]


class Outbox:
    """Written by the syncer, drained by the link; both on one event loop."""

    def __init__(self, storage: Waiting) -> None:
        self._storage = storage
        self._sources: dict[str, Callable[[], ApplicationStatus]] = {}
        self._current: dict[str, ApplicationStatus] = {}
        """What was made last for each application: sent, or on its way."""
        self._dirty: dict[str, bool] = {}
        """Application → whether it is to be sent even if it is what was sent last."""
        self._timer: asyncio.TimerHandle | None = None
        self._drifts = True
        self._operations = True
        """Whether there may be finished operations on disk that are not in `_finished`."""
        self._finished: dict[str, OperationState] = {}
        self._in_flight: Batch | None = None
        self._wake = asyncio.Event()
        self.connected = False
        """Whether the link is up; drift seen while it is not is told as such."""

    # --- the syncer's side

    def changed(self, application: str, status: Callable[[], ApplicationStatus], *, soon: bool = True) -> None:
        """Something about an application is new. `status` makes its status when it is about to be sent, so what changes
        in the meantime costs nothing. Without `soon` it may wait a moment: progress, which the outcome overtakes."""
        self._sources[application] = status
        self._dirty.setdefault(application, False)
        if soon:
            self._wake.set()
        elif self._timer is None and not self._wake.is_set():
            self._timer = asyncio.get_running_loop().call_later(PROGRESS_SECONDS, self._overdue)

    def _overdue(self) -> None:
        self._timer = None
        self._wake.set()

    def drift_changed(self) -> None:
        self._drifts = True
        self._wake.set()

    def operation_finished(self, state: OperationState) -> None:
        """An operation has ended, and is on disk as such. It goes with the status that tells of it."""
        if len(self._finished) < BATCH_OPERATIONS:
            self._finished[state.id] = state
        else:
            self._operations = True

    # --- the link's side

    def status_digest(self) -> str:
        """Return the digest over all statuses; "" before the first."""
        for application in list(self._dirty):
            self._make(application)
        return inventory_digest({a: s.digest for a, s in self._current.items()}) if self._current else ""

    def _make(self, application: str) -> ApplicationStatus:
        status = self._current[application] = self._sources[application]()
        return status

    def begin_session(self) -> None:
        """A new stream: nothing sent on an older one counts as received."""
        batch, self._in_flight = self._in_flight, None
        if batch is not None:
            self._dirty.update(dict.fromkeys((s.application for s in batch.statuses), True))
        self._drifts = self._operations = True
        self._wake.set()

    def resend_all(self, *, operations: bool) -> None:
        """The hub asked for all statuses, and perhaps for the operations that finished lately."""
        self._dirty.update(dict.fromkeys(self._sources, True))
        if operations:
            self._storage.report_operations_again()
            self._operations = True
        self._wake.set()

    async def next_batch(self) -> Batch:
        """Wait until there is something to tell and nothing under way, and take it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._in_flight is not None:
                continue
            batch = self._take()
            if batch:
                self._in_flight = batch
                return batch

    def _take(self) -> Batch:
        batch = Batch()
        room = BATCH_BYTES
        # The disk first: where it fails, nothing has been taken yet.
        waiting = self._storage.drifts(BATCH_DRIFTS) if self._drifts else []
        stored = self._storage.unreported_operations(BATCH_OPERATIONS) if self._operations else []
        for application in list(self._dirty)[:BATCH_STATUSES]:
            if room <= 0:
                break
            forced = self._dirty.pop(application)
            known = self._current.get(application)
            status = self._make(application)
            if forced or known is None or known.digest != status.digest:
                batch.statuses.append(status)
                room -= status.weight
        if self._drifts:
            for content in waiting:
                room -= len(content)
                if room <= 0 and batch.drifts:
                    break
                batch.drifts[decode(DriftReport, content).id] = content
            self._drifts = len(batch.drifts) < len(waiting) or len(waiting) == BATCH_DRIFTS
        if self._operations:
            batch.operations = stored
            self._operations = len(batch.operations) == BATCH_OPERATIONS
            self._finished.clear()
        else:
            batch.operations = list(self._finished.values())
            self._finished.clear()
        return batch

    def acknowledged(self) -> None:
        """The hub has the batch under way: what was waiting on disk for it may go."""
        batch, self._in_flight = self._in_flight, None
        if batch is None:
            return
        if batch.drifts:
            self._storage.forget_drifts(batch.drifts)
        if batch.operations:
            self._storage.mark_operations_reported([o.id for o in batch.operations])
        for status in batch.statuses:
            application = status.application
            # One that has something new to tell was assigned again meanwhile.
            if status.deleted and self._current.get(application) is status and application not in self._dirty:
                del self._current[application], self._sources[application]
        if self._dirty or self._drifts or self._operations:
            self._wake.set()
