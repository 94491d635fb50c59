"""How every application stands on every cluster, kept up by the store's sequences.

A fleet has up to a million such pairs, and reading them all takes seconds; so it is done once, and from then on only
what has changed is read. A pair takes one byte. Assignments that disappear leave no sequence behind: each update
compares some clusters' assignments with the store's, in turn; all of them in a fleet that is not large.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hub.domain.cluster import Cluster, Liveness
from hub.domain.status import HealthStatus, Rollup, SyncStatus, roll_up
from hub.store.contract import Store

T = TypeVar("T")

FEW_CHANGES = 1_000
"""Up to these, what has changed is followed; also up to an eighth of all pairs. More are read faster as a whole."""
COMPARED = 5_000
"""Assignments compared at each update, about."""
_CLUSTERS_AT_ONCE = 50
_PAGE = 1_000
_IN_THREAD = 10_000
"""Steps that are taken on the event loop; more are taken in a thread."""

_CONNECTED = 0x80
_ABSENT = 0
_MEANINGS = [(sync, health) for sync in SyncStatus for health in HealthStatus]
_CODES = {(str(sync), str(health)): code for code, (sync, health) in enumerate(_MEANINGS, start=1)}
_UNKNOWN = _CODES[SyncStatus.UNKNOWN, HealthStatus.UNKNOWN]

Pair = tuple[str, str, int]
"""(application id, cluster uid, code)"""


@dataclass(slots=True)
class _Row:
    """One application: a byte for each cluster's column, and how often each byte occurs."""

    uid: str
    cells: bytearray = field(default_factory=bytearray)
    tally: Counter[int] = field(default_factory=Counter)

    def put(self, column: int, code: int) -> int:
        """Write a cell and return what it was."""
        if column >= len(self.cells):
            self.cells.extend(bytes(column + 1 - len(self.cells)))
        before = self.cells[column]
        if before != code:
            self.cells[column] = code
            self.tally[before] -= 1
            self.tally[code] += 1
        return before

    def get(self, column: int) -> int:
        return self.cells[column] if column < len(self.cells) else _ABSENT


@dataclass(slots=True)
class _Column:
    """One cluster."""

    number: int
    connected: bool
    assigned: int = 0


class Table:
    """All pairs. Pure."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._columns: dict[str, _Column] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return sum(column.assigned for column in self._columns.values())

    @property
    def clusters(self) -> list[str]:
        return list(self._columns)

    def assigned(self) -> dict[str, int]:
        """Return cluster uid → how many applications are assigned to it."""
        return {uid: column.assigned for uid, column in self._columns.items()}

    def follow_applications(self, applications: Mapping[str, str]) -> None:
        """Keep rows for these, id → uid, and for no others. One that was made anew under its id begins empty."""
        for id in [id for id, row in self._rows.items() if applications.get(id) != row.uid]:
            row = self._rows.pop(id)
            for column in self._columns.values():
                column.assigned -= row.get(column.number) != _ABSENT
        for id, uid in applications.items():
            if id not in self._rows:
                self._rows[id] = _Row(uid)

    def follow_clusters(self, connected: Mapping[str, bool]) -> None:
        """Keep columns for these, uid → whether it is connected, and for no others."""
        for uid in [uid for uid in self._columns if uid not in connected]:
            column = self._columns.pop(uid)
            for row in self._rows.values():
                row.put(column.number, _ABSENT)
            self._free.append(column.number)
        for uid, is_connected in connected.items():
            known = self._columns.get(uid)
            if known is None:
                number = self._free.pop() if self._free else len(self._columns)
                self._columns[uid] = _Column(number, is_connected)
            elif known.connected is not is_connected:
                known.connected = is_connected
                for row in self._rows.values():
                    if code := row.get(known.number):
                        row.put(known.number, code ^ _CONNECTED)

    def put(self, pairs: Iterable[Pair]) -> None:
        """Take in how pairs stand; those of unknown applications and clusters are passed over."""
        for id, uid, code in pairs:
            row, column = self._rows.get(id), self._columns.get(uid)
            if row is not None and column is not None:
                before = row.put(column.number, code | _CONNECTED if column.connected else code)
                column.assigned += before == _ABSENT

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take in assignments: those that nothing is known of stand as Unknown."""
        self.put((id, uid, _UNKNOWN) for id, uid in pairs if self._get(id, uid) == _ABSENT)

    def compare(self, index: Mapping[str, Collection[str]]) -> None:
        """Take in all assignments of some clusters: what is not among them is gone. `index`: cluster uid → ids."""
        for uid, ids in index.items():
            self.add((id, uid) for id in ids)
            column = self._columns.get(uid)
            if column is None or column.assigned == sum(id in self._rows for id in ids):
                continue
            for id, row in self._rows.items():
                if id not in ids and row.put(column.number, _ABSENT) != _ABSENT:
                    column.assigned -= 1

    def rollup(self, id: str) -> Rollup:
        row = self._rows.get(id)
        standings = {_meaning(code): n for code, n in row.tally.items() if n and code} if row else {}
        worst = roll_up(standings)
        return Rollup(
            sync=worst.sync,
            health=worst.health,
            clusters=sum(standings.values()),
            synced=sum(n for (sync, _, _), n in standings.items() if sync is SyncStatus.SYNCED),
            healthy=sum(n for (_, health, _), n in standings.items() if health is HealthStatus.HEALTHY),
            unreachable=sum(n for (_, _, connected), n in standings.items() if not connected),
        )

    def _get(self, id: str, uid: str) -> int:
        row, column = self._rows.get(id), self._columns.get(uid)
        return row.get(column.number) if row and column else _ABSENT


class Standings:
    """The table, kept up with the store. Not for concurrent use: `hub.api.overview` takes turns."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sequence = -1
        self._turn = 0
        self.table = Table()

    async def update(self, sequence: int, applications: Mapping[str, str], clusters: Sequence[Cluster]) -> None:
        """Catch up. `sequence` was read before `applications` (id → uid) and `clusters`, which are all there are, so
        that what came in between is read again next time. Raises StoreUnavailable."""
        connected = {c.uid: c.connection.liveness is Liveness.CONNECTED for c in clusters}
        if self._sequence < 0 or sequence - self._sequence > FEW_CHANGES + len(self.table) / 8:
            self.table = await self._loaded(applications, connected)
        else:
            size = len(applications) * len(clusters)
            await _work(size, self.table.follow_clusters, connected)
            self.table.follow_applications(applications)
            await self._follow_changes()
            await self._compare()
        self._sequence = sequence

    async def _loaded(self, applications: Mapping[str, str], connected: Mapping[str, bool]) -> Table:
        table = Table()
        table.follow_applications(applications)
        table.follow_clusters(connected)
        uids = list(connected)
        for start in range(0, len(uids), _CLUSTERS_AT_ONCE):
            index = await self._store.assignment_index(uids[start : start + _CLUSTERS_AT_ONCE])
            await _work(sum(map(len, index.values())), table.compare, index)
        summaries = await self._store.status_summaries()
        pairs = ((id, uid, code_of(sync, health)) for id, uid, sync, health, _ in summaries)
        await _work(len(summaries), table.put, pairs)
        return table

    async def _follow_changes(self) -> None:
        assignments = await self._store.assignments_since(self._sequence)
        # A first generation may be of a pair that was there before, and whose status went with it.
        first = [(a.content.application, a.cluster, _UNKNOWN) for a in assignments if a.generation == 1]
        self.table.put(first)
        self.table.add((a.content.application, a.cluster) for a in assignments)
        position = self._sequence
        while True:
            statuses, newest = await self._store.statuses_since(position, _PAGE)
            self.table.put((s.application, s.cluster, code_of(s.sync, s.health)) for s in statuses)
            if len(statuses) < _PAGE or newest <= position:
                return
            position = newest

    async def _compare(self) -> None:
        uids, counts = self.table.clusters, self.table.assigned()
        chosen: list[str] = []
        size = 0
        while len(chosen) < len(uids) and size < COMPARED:
            uid = uids[self._turn % len(uids)]
            chosen.append(uid)
            size += counts[uid] + 1
            self._turn += 1
        if chosen:
            index = await self._store.assignment_index(chosen)
            self.table.compare({uid: index.get(uid, {}) for uid in chosen})


def code_of(sync: str, health: str) -> int:
    return _CODES.get((sync, health), _UNKNOWN)


def _meaning(code: int) -> tuple[SyncStatus, HealthStatus, bool]:
    return (*_MEANINGS[(code & ~_CONNECTED) - 1], bool(code & _CONNECTED))


async def _work(size: int, work: Callable[[T], None], argument: T) -> None:
    if size > _IN_THREAD:
        await asyncio.to_thread(work, argument)
    else:
        work(argument)
