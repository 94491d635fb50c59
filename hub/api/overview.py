"""Every application's summary, for lists, metrics and watchers: worked out once and shared.

It is kept for ten times as long as it took to make: a small hub always answers with the present, and a large one spends
a tenth of a core on it at most. How a thousand applications stand on a thousand clusters is not counted anew each time:
see `hub.api.standings`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.api.convert import summary_of
from hub.api.models.application import ApplicationSummary
from hub.api.standings import Standings
from hub.domain.cluster import Cluster
from hub.store.contract import Store

KEPT_FACTOR = 10.0
KEPT_SECONDS = 10.0


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
        self._standings = Standings(store)
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
        ids = {str(application.id): application.uid for application in applications}
        await self._standings.update(sequence, ids, clusters)
        table = self._standings.table
        known = before.summaries if before else {}
        result: dict[str, ApplicationSummary] = {}
        for application in applications:
            id = str(application.id)
            summary = summary_of(application, states.get(id), table.rollup(id))
            # One that says the same stays the same object: watchers hold on to what they have sent.
            result[id] = same if (same := known.get(id)) == summary and same is not None else summary
        return Overview(made_at, sequence, result, clusters, table.assigned())
