"""Drift reports of one application: opened when an object departs from what was in place, closed when it is back."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import replace

from agent.engine.assignment import Assignment
from agent.engine.codec import decode, encode
from agent.engine.operation import HealRecord, heal_delay, record_heal
from agent.engine.reconcile import Judged
from agent.engine.resource import ResourceKey
from agent.engine.status import DriftReport
from agent.hubclient.outbox import Outbox
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.judge import Verdict


class DriftLog:
    """Reports are on disk: an agent that starts again goes on with those that still stand."""

    def __init__(self, storage: Storage, outbox: Outbox, clock: Clock, application: str) -> None:
        self._storage = storage
        self._outbox = outbox
        self._clock = clock
        reports = (decode(DriftReport, content) for content in storage.standing_drifts(application))
        self._open: dict[ResourceKey, DriftReport] = {report.key: report for report in reports}
        self._heals: dict[ResourceKey, HealRecord] = {}

    @property
    def open(self) -> list[ResourceKey]:
        """The objects that are told to have drifted."""
        return list(self._open)

    def seen(self, assignment: Assignment, key: ResourceKey, verdict: Verdict, known: Judged | None) -> None:
        """Report a departure from what had been in place; a revision not applied yet is no drift."""
        if known is None or known.digest != verdict.digest:
            return
        before = self._open.get(key)
        kind = "deleted" if verdict.missing else "label-removed" if verdict.label_removed else "modified"
        if before is not None and (before.kind, before.fields) == (kind, verdict.drift):
            return
        report = DriftReport(
            id=before.id if before is not None else str(uuid.uuid4()),
            application=assignment.application,
            uid=assignment.uid,
            key=key,
            kind=kind,
            fields=verdict.drift,
            seen_ms=before.seen_ms if before is not None else self._clock.now_ms(),
            hub_away=before.hub_away if before is not None else not self._outbox.connected,
        )
        self._save(report)
        self._open[key] = report

    def restored(self, key: ResourceKey) -> None:
        """An object is as assigned again, by the agent's hand or another's."""
        report = self._open.get(key)
        if report is not None:
            self._save(replace(report, healed_ms=self._clock.now_ms()))
            del self._open[key]

    def keep_only(self, keys: Collection[ResourceKey]) -> None:
        """Close the reports of objects that are not assigned any more: nothing is there to depart from."""
        for key in [key for key in self._open if key not in keys]:
            self.restored(key)

    def _save(self, report: DriftReport) -> None:
        standing = not report.healed_ms
        self._storage.save_drift(report.id, report.application, report.seen_ms, encode(report), standing=standing)
        self._outbox.drift_changed()

    # --- when to heal

    def due(self, drifted: Iterable[ResourceKey]) -> tuple[frozenset[ResourceKey], float | None]:
        """Return what may be healed now, and the seconds until the next one may: each object after its own back-off."""
        now = self._clock.now_ms()
        delays = {key: heal_delay(self._heals.get(key), now) for key in drifted if key in self._open}
        ready = frozenset(key for key, delay in delays.items() if delay == 0.0)
        return ready, min((d for d in delays.values() if d > 0.0), default=None)

    def healed(self, keys: Iterable[ResourceKey]) -> None:
        """Note that healing was tried."""
        now = self._clock.now_ms()
        for key in keys:
            self._heals[key] = record_heal(self._heals.get(key), now)
