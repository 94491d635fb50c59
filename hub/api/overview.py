"""Every application's summary, for lists, metrics and watchers: worked out once and shared.

It takes one pass over all statuses, up to a million of them, so it is kept for ten times as long as it took to make,
ten seconds at most: a small hub always answers with the present, a large one spends a tenth of a core on it at most.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub.api.convert import summary_of
from hub.api.models.application import ApplicationSummary
from hub.domain.cluster import Cluster, Liveness
from hub.domain.status import HealthStatus, Rollup, SyncStatus, roll_up
from hub.store.contract import Store

KEPT_FACTOR = 10.0
KEPT_SECONDS = 10.0
_CLUSTERS_AT_ONCE = 50
_SHARE_OF_LOOP = 10_000
"""Statuses folded on the event loop; more are folded in a thread."""

Standing = tuple[SyncStatus, HealthStatus, bool]
"""(sync, health, connected)"""
Summaries = Sequence[tuple[str, str, str, str, int]]
"""As `Store.status_summaries` gives them."""


@dataclass(slots=True)
class Tally:
    """How many clusters of one application stand how. Those that have reported nothing count as Unknown."""

    standings: Counter[Standing] = field(default_factory=Counter)

    def rollup(self) -> Rollup:
        worst = roll_up(self.standings)
        count = self.standings.items()
        return Rollup(
            sync=worst.sync,
            health=worst.health,
            clusters=self.standings.total(),
            synced=sum(n for (sync, _, _), n in count if sync is SyncStatus.SYNCED),
            healthy=sum(n for (_, health, _), n in count if health is HealthStatus.HEALTHY),
            unreachable=sum(n for (_, _, connected), n in count if not connected),
        )


@dataclass(frozen=True, slots=True)
class Overview:
    made_at: float
    """Monotonic: what was in the store then is in here."""
    sequence: int
    """Of the store, likewise."""
    summaries: Mapping[str, ApplicationSummary]
    """By id, in its order."""
    clusters: Sequence[Cluster]
    assigned: Mapping[str, int]
    """cluster uid → how many applications are assigned to it"""


class Overviews:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._overview: Overview | None = None
        self._needed_from = 0.0
        self._cost = 0.0

    def invalidate(self) -> None:
        """What was just written here has to be in the next one."""
        self._needed_from = time.monotonic()

    @property
    def kept_seconds(self) -> float:
        return min(KEPT_SECONDS, KEPT_FACTOR * self._cost)

    async def get(self, max_age: float = 0.0) -> Overview:
        """Return an overview that is at most so many seconds old, or as old as its cost allows. Raises
        StoreUnavailable."""
        asked = time.monotonic()
        async with self._lock:
            oldest = max(asked - max(max_age, self.kept_seconds), self._needed_from)
            if self._overview is None or self._overview.made_at < oldest:
                self._overview = await self._make(self._overview)
                self._cost = time.monotonic() - self._overview.made_at
            return self._overview

    async def since(self, moment: float) -> Overview:
        """Return an overview in which all shows that was in the store at a (monotonic) moment."""
        overview = await self.get()
        if overview.made_at < moment:
            await asyncio.sleep(max(0.0, overview.made_at + self.kept_seconds - time.monotonic()))
            overview = await self.get()
        return overview

    async def _make(self, before: Overview | None) -> Overview:
        made_at = time.monotonic()
        sequence = await self._store.assignment_sequence()
        applications = await self._store.list_applications()
        states = await self._store.get_refresh_states()
        clusters = await self._store.list_clusters()
        connected = {c.uid: c.connection.liveness is Liveness.CONNECTED for c in clusters}
        summaries = await self._store.status_summaries()
        if len(summaries) > _SHARE_OF_LOOP:
            tallies = await asyncio.to_thread(tally_statuses, summaries, connected)
        else:
            tallies = tally_statuses(summaries, connected)
        del summaries
        assigned = await self._add_silent(tallies, connected)
        known = before.summaries if before else {}
        result: dict[str, ApplicationSummary] = {}
        for application in applications:
            id = str(application.id)
            summary = summary_of(application, states.get(id), (tallies.get(id) or Tally()).rollup())
            # One that says the same stays the same object: watchers hold on to what they have sent.
            result[id] = same if (same := known.get(id)) == summary and same is not None else summary
        return Overview(made_at, sequence, result, clusters, assigned)

    async def _add_silent(self, tallies: dict[str, Tally], connected: Mapping[str, bool]) -> dict[str, int]:
        """Count the assignments that nothing has been reported of: every status has its assignment, so they are the
        difference. Returns how many assignments each cluster has."""
        places: Counter[tuple[str, bool]] = Counter()
        assigned: dict[str, int] = {}
        uids = list(connected)
        for start in range(0, len(uids), _CLUSTERS_AT_ONCE):
            index = await self._store.assignment_index(uids[start : start + _CLUSTERS_AT_ONCE])
            for uid, applications in index.items():
                assigned[uid] = len(applications)
                places.update((id, connected.get(uid, False)) for id in applications)
        add_silent(tallies, places)
        return assigned


def tally_statuses(summaries: Summaries, connected: Mapping[str, bool]) -> dict[str, Tally]:
    """Fold all statuses into one tally for each application."""
    syncs = {str(s): s for s in SyncStatus}
    healths = {str(h): h for h in HealthStatus}
    tallies: dict[str, Tally] = {}
    for id, uid, sync, health, _ in summaries:
        tally = tallies.get(id)
        if tally is None:
            tally = tallies[id] = Tally()
        standing = (
            syncs.get(sync, SyncStatus.UNKNOWN),
            healths.get(health, HealthStatus.UNKNOWN),
            connected.get(uid, False),
        )
        tally.standings[standing] += 1
    return tallies


def add_silent(tallies: dict[str, Tally], places: Mapping[tuple[str, bool], int]) -> None:
    """Add to each tally the (application, connected) places it does not account for, as Unknown."""
    for (id, is_connected), count in places.items():
        tally = tallies.setdefault(id, Tally())
        reported = sum(n for (_, _, connected), n in tally.standings.items() if connected is is_connected)
        if count > reported:
            tally.standings[SyncStatus.UNKNOWN, HealthStatus.UNKNOWN, is_connected] += count - reported
