"""What agents report: statuses, drifts, operations, and the history these leave."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, update

from hub.domain.assignment import AssignmentContent
from hub.domain.operation import (
    HistoryEntry,
    OperationKind,
    OperationPhase,
    OperationRequest,
    OperationState,
    RequestFailure,
)
from hub.domain.status import ApplicationStatus, DriftReport
from hub.store.codec import decode, encode
from hub.store.contract import StatusStore
from hub.store.models import (
    AssignmentContentRow,
    AssignmentRow,
    DriftRow,
    HistoryRow,
    OperationRequestRow,
    StatusRow,
    table_of,
)
from hub.store.sql.database import newest_sequence, one_of, pairs_among, serialize, take_sequences, upsert
from hub.store.sql.facet import Facet, documents

_ASSIGNMENTS = table_of(AssignmentRow)
_CONTENTS = table_of(AssignmentContentRow)
_SETS = (
    _CONTENTS.c.manifest_set,
    _CONTENTS.c.sources,
    _CONTENTS.c.operation_manifest_set,
    _CONTENTS.c.operation_sources,
)
_STATUSES = table_of(StatusRow)
_DRIFTS = table_of(DriftRow)
_HISTORY = table_of(HistoryRow)
_REQUESTS = table_of(OperationRequestRow)

KEPT_REQUESTS = 20

Pair = tuple[str, str]
"""(cluster uid, application id)"""
Row = dict[str, Any]


class SqlStatuses(Facet, StatusStore):
    async def put_statuses(self, statuses: Iterable[ApplicationStatus]) -> None:
        rows = await asyncio.to_thread(_status_rows, list(statuses))
        if rows:
            await self._database.write(_put_statuses, rows)

    async def get_statuses(self, pairs: Collection[tuple[str, str]]) -> list[ApplicationStatus]:
        return await self._database.read(_get_statuses, pairs)

    async def statuses_of_application(self, application: str) -> list[ApplicationStatus]:
        query = select(_STATUSES.c.document).where(_STATUSES.c.application == application)
        return await self._database.read(_statuses, query.order_by(_STATUSES.c.cluster))

    async def status_summaries(self) -> list[tuple[str, str, str, str, int]]:
        return await self._database.read(_summaries)

    async def statuses_since(self, sequence: int, limit: int = 1000) -> tuple[list[ApplicationStatus], int]:
        return await self._database.read(_statuses_since, sequence, limit)

    async def status_index(self, clusters: Collection[str]) -> dict[str, dict[str, str]]:
        return await self._database.read(_status_index, clusters)

    async def put_drifts(self, drifts: Iterable[DriftReport]) -> None:
        rows = {
            (drift.cluster, drift.id): {
                "cluster": drift.cluster,
                "id": drift.id,
                "application": drift.application,
                "seen_at": drift.seen_at,
                "document": encode(drift),
            }
            for drift in drifts
        }
        if rows:
            await self._database.write(_put_drifts, list(rows.values()))

    async def drifts_of_application(self, application: str, *, limit: int = 100) -> list[DriftReport]:
        query = select(_DRIFTS.c.document).where(_DRIFTS.c.application == application)
        newest = query.order_by(_DRIFTS.c.seen_at.desc(), _DRIFTS.c.id).limit(limit)
        return await self._database.read(lambda connection: documents(connection, DriftReport, newest))

    async def put_operations(self, states: Iterable[tuple[str, str, OperationState]]) -> None:
        deployed = [item for item in states if _is_deployment(item[2])]
        if deployed:
            await self._database.write(_put_history, deployed, self._now())

    async def history(self, application: str, cluster: str = "") -> list[HistoryEntry]:
        query = select(_HISTORY.c.document).where(_HISTORY.c.application == application)
        if cluster:
            query = query.where(_HISTORY.c.cluster == cluster)
        newest = query.order_by(_HISTORY.c.deployed_at.desc(), _HISTORY.c.id.desc())
        return await self._database.read(lambda connection: documents(connection, HistoryEntry, newest))

    async def record_operation_request(self, application: str, request: OperationRequest) -> None:
        row = {
            "application": application,
            "id": request.id,
            "requested_at": request.requested_at,
            "document": encode(request),
        }
        await self._database.write(lambda connection: upsert(connection, _REQUESTS, [row]))

    async def conclude_operation_request(
        self, application: str, id: str, *, began: bool, failures: Sequence[RequestFailure] = ()
    ) -> None:
        await self._database.write(_conclude_request, application, id, began, tuple(failures))

    async def operation_requests(self, application: str) -> list[OperationRequest]:
        query = select(_REQUESTS.c.document).where(_REQUESTS.c.application == application)
        newest = query.order_by(_REQUESTS.c.requested_at.desc(), _REQUESTS.c.id).limit(KEPT_REQUESTS)
        return await self._database.read(lambda connection: documents(connection, OperationRequest, newest))


def _status_rows(statuses: list[ApplicationStatus]) -> dict[Pair, Row]:
    return {
        (status.cluster, status.application): {
            "cluster": status.cluster,
            "application": status.application,
            "generation": status.generation,
            "sync": status.sync,
            "health": status.health,
            "digest": status.digest,
            "sequence": 0,
            "document": encode(status),
        }
        for status in statuses
    }


def _assigned(connection: Connection, pairs: Collection[Pair]) -> set[Pair]:
    columns = _ASSIGNMENTS.c
    among = pairs_among(connection, (columns.cluster, columns.application), pairs)
    rows = connection.execute(select(columns.cluster, columns.application).where(among))
    return {(cluster, application) for cluster, application in rows}


def _put_statuses(connection: Connection, rows: dict[Pair, Row]) -> None:
    serialize(connection)
    assigned = _assigned(connection, rows)
    wanted = [row for pair, row in rows.items() if pair in assigned]
    if wanted:
        first = take_sequences(connection, len(wanted))
        upsert(connection, _STATUSES, [{**row, "sequence": first + n} for n, row in enumerate(wanted)])


def _get_statuses(connection: Connection, pairs: Collection[Pair]) -> list[ApplicationStatus]:
    among = pairs_among(connection, (_STATUSES.c.cluster, _STATUSES.c.application), pairs)
    return _statuses(connection, select(_STATUSES.c.document).where(among))


def _statuses(connection: Connection, query: Select[str]) -> list[ApplicationStatus]:
    return documents(connection, ApplicationStatus, query)


def _summaries(connection: Connection) -> list[tuple[str, str, str, str, int]]:
    columns = _STATUSES.c
    query = select(columns.application, columns.cluster, columns.sync, columns.health, columns.generation)
    # The same few texts come again and again; each is kept once.
    once: dict[str, str] = {}
    keep = once.setdefault
    return [
        (keep(application, application), keep(cluster, cluster), keep(sync, sync), keep(health, health), generation)
        for application, cluster, sync, health, generation in connection.execute(
            query.execution_options(yield_per=2000)
        )
    ]


def _statuses_since(connection: Connection, sequence: int, limit: int) -> tuple[list[ApplicationStatus], int]:
    query = select(_STATUSES.c.sequence, _STATUSES.c.document).where(_STATUSES.c.sequence > sequence)
    rows = connection.execute(query.order_by(_STATUSES.c.sequence).limit(limit)).all()
    newest = rows[-1].sequence if len(rows) == limit else newest_sequence(connection)
    return [decode(ApplicationStatus, row.document) for row in rows], newest


def _status_index(connection: Connection, clusters: Collection[str]) -> dict[str, dict[str, str]]:
    query = select(_STATUSES.c.cluster, _STATUSES.c.application, _STATUSES.c.digest)
    query = query.where(one_of(connection, _STATUSES.c.cluster, clusters)).execution_options(yield_per=2000)
    once: dict[str, str] = {}
    index: dict[str, dict[str, str]] = {}
    for cluster, application, digest in connection.execute(query):
        index.setdefault(cluster, {})[once.setdefault(application, application)] = digest
    return index


def _put_drifts(connection: Connection, rows: list[Row]) -> None:
    serialize(connection)
    assigned = _assigned(connection, {(row["cluster"], row["application"]) for row in rows})
    upsert(connection, _DRIFTS, [row for row in rows if (row["cluster"], row["application"]) in assigned])


def _conclude_request(
    connection: Connection, application: str, id: str, began: bool, failures: tuple[RequestFailure, ...]
) -> None:
    serialize(connection)
    one = (_REQUESTS.c.application == application) & (_REQUESTS.c.id == id)
    document = connection.scalar(select(_REQUESTS.c.document).where(one))
    if document is None:
        return
    request = decode(OperationRequest, document)
    request = replace(request, began=began or request.began)
    for failure in failures:
        if _is_news(request, failure):
            request = replace(request, failures=(*request.failures, failure))
    connection.execute(update(_REQUESTS).where(one).values(document=encode(request)))


def _is_news(request: OperationRequest, failure: RequestFailure) -> bool:
    if not failure.clusters:
        return all(known.clusters for known in request.failures)
    return any(request.failure_on(cluster) is None for cluster in failure.clusters)


def _is_deployment(state: OperationState) -> bool:
    """Whether it leaves a history entry: something one can roll back to."""
    return (
        state.phase is OperationPhase.SUCCEEDED
        and state.kind is not OperationKind.DELETE
        and bool(state.manifest_set)
        and not state.partial
        and not state.dry_run
    )


def _put_history(connection: Connection, states: list[tuple[str, str, OperationState]], now: datetime) -> None:
    serialize(connection)
    assigned = _assigned(connection, {(cluster, application) for cluster, application, _ in states})
    columns = (_HISTORY.c.cluster, _HISTORY.c.application)
    among = pairs_among(connection, columns, assigned)
    newest = select(*columns, func.max(_HISTORY.c.id)).where(among).group_by(*columns)
    last = {(cluster, application): id for cluster, application, id in connection.execute(newest)}
    reported = one_of(connection, _HISTORY.c.operation, {state.id for _, _, state in states})
    recorded = {tuple(row) for row in connection.execute(select(*columns, _HISTORY.c.operation).where(among, reported))}
    new = []
    for cluster, application, state in states:
        if (cluster, application) not in assigned or (cluster, application, state.id) in recorded:
            continue
        recorded.add((cluster, application, state.id))
        id = last[cluster, application] = last.get((cluster, application), 0) + 1
        new.append((id, cluster, application, state))
    if new:
        found = _sources(connection, {(cluster, name, state.manifest_set) for _, cluster, name, state in new})
        rows = [
            _history_row(id, cluster, name, state, now, found.get((cluster, name, state.manifest_set), ""))
            for id, cluster, name, state in new
        ]
        connection.execute(_HISTORY.insert(), rows)


Deployed = tuple[str, str, str]
"""(cluster, application, manifest set)"""


def _sources(connection: Connection, deployed: Collection[Deployed]) -> dict[Deployed, str]:
    """Say what deployments were made from: what is assigned says it or, where that has moved on meanwhile, what was
    assigned lately and is not collected yet. Of an agent that was away for longer than that nobody knows."""
    pairs = {(cluster, application) for cluster, application, _ in deployed}
    columns = (_ASSIGNMENTS.c.cluster, _ASSIGNMENTS.c.application)
    assigned = select(*columns, *_SETS).join(_CONTENTS, _CONTENTS.c.id == _ASSIGNMENTS.c.content)
    known: dict[Deployed, str] = {}
    for cluster, application, *sets in connection.execute(assigned.where(pairs_among(connection, columns, pairs))):
        known |= {(cluster, application, set_): sources for set_, sources in _by_set(*sets).items()}
    missing = {one[2] for one in deployed if not known.get(one)}
    if not missing:
        return known
    among = [one_of(connection, column, missing) for column in (_SETS[0], _SETS[2])]
    earlier: dict[tuple[str, str], str] = {}
    for document, *sets in connection.execute(select(_CONTENTS.c.document, *_SETS).where(or_(*among))):
        application = decode(AssignmentContent, document).application
        earlier |= {(application, set_): sources for set_, sources in _by_set(*sets).items()}
    return {one: known.get(one) or earlier.get(one[1:], "") for one in deployed}


def _by_set(manifest_set: str, sources: str, operation_set: str, operation_sources: str) -> dict[str, str]:
    return {operation_set: operation_sources, manifest_set: sources}


def _history_row(id: int, cluster: str, application: str, state: OperationState, now: datetime, sources: str) -> Row:
    entry = HistoryEntry(
        id=id,
        application=application,
        cluster=cluster,
        operation=state.id,
        manifest_set=state.manifest_set,
        revision=state.revision,
        initiated_by=state.initiated_by,
        started_at=state.started_at,
        deployed_at=state.finished_at or now,
        sources=sources,
    )
    return {
        "application": application,
        "cluster": cluster,
        "id": id,
        "operation": state.id,
        "manifest_set": state.manifest_set,
        "sources": sources,
        "deployed_at": entry.deployed_at,
        "document": encode(entry),
    }
