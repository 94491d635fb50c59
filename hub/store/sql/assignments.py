"""Assignments: short rows of pointers and counters; what they point at is stored once for all clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, delete, func, select, update

from hub.domain.assignment import Assignment, AssignmentContent
from hub.store.codec import decode, encode
from hub.store.contract import AssignmentStore
from hub.store.models import AssignmentContentRow, AssignmentRow, ClusterRow, StatusRow, table_of
from hub.store.sql.applications import request_refreshes
from hub.store.sql.database import (
    insert,
    newest_sequence,
    one_of,
    pairs_among,
    serialize,
    take_sequences,
    upsert,
)
from hub.store.sql.facet import Facet

_ASSIGNMENTS = table_of(AssignmentRow)
_CONTENTS = table_of(AssignmentContentRow)
_CLUSTERS = table_of(ClusterRow)
_STATUSES = table_of(StatusRow)

Pair = tuple[str, str]
"""(cluster uid, application id)"""
Index = dict[str, dict[str, tuple[int, str, bool]]]


class SqlAssignments(Facet, AssignmentStore):
    async def assign(
        self, contents: Iterable[tuple[str, AssignmentContent]], *, release: bool = True
    ) -> list[Assignment]:
        targets = await asyncio.to_thread(_targets, list(contents))
        return await self._database.write(_assign, targets, release) if targets else []

    async def unassign(self, pairs: Iterable[tuple[str, str]]) -> None:
        await self._database.write(_unassign, list(pairs))

    async def get_assignment(self, cluster: str, application: str) -> Assignment | None:
        one = (_ASSIGNMENTS.c.cluster == cluster) & (_ASSIGNMENTS.c.application == application)
        found = await self._database.read(_assignments, select(_ASSIGNMENTS).where(one))
        return found[0] if found else None

    async def assignments_of_application(self, application: str) -> list[Assignment]:
        query = select(_ASSIGNMENTS).where(_ASSIGNMENTS.c.application == application)
        return await self._database.read(_assignments, query.order_by(_ASSIGNMENTS.c.cluster))

    async def assignments_of_cluster(self, cluster: str) -> list[Assignment]:
        query = select(_ASSIGNMENTS).where(_ASSIGNMENTS.c.cluster == cluster)
        return await self._database.read(_assignments, query.order_by(_ASSIGNMENTS.c.application))

    async def assignments_since(self, sequence: int, clusters: Collection[str] | None = None) -> list[Assignment]:
        return await self._database.read(_assignments_since, sequence, clusters)

    async def assignment_sequence(self) -> int:
        return await self._database.read(newest_sequence)

    async def current_sets(self) -> dict[str, str]:
        return await self._database.read(_current_sets)

    async def assignment_index(self, clusters: Collection[str]) -> Index:
        return await self._database.read(_assignment_index, clusters)

    async def acknowledge(self, acknowledged: Iterable[tuple[str, str, int, str]]) -> None:
        newest: dict[Pair, tuple[int, str]] = {}
        for cluster, application, generation, refusal in acknowledged:
            if generation >= newest.get((cluster, application), (0, ""))[0]:
                newest[cluster, application] = (generation, refusal)
        if newest:
            await self._database.write(_acknowledge, newest)

    async def hold_back(self, cluster: str, application: str, held_generation: int) -> None:
        await self._database.write(_hold_back, cluster, application, held_generation)


@dataclass(frozen=True, slots=True)
class _Target:
    """A content, made ready to be stored."""

    content: AssignmentContent
    digest: str
    id: str
    document: str

    @classmethod
    def of(cls, content: AssignmentContent) -> _Target:
        document = encode(content)
        return cls(content, content.digest(), sha256(document.encode()).hexdigest(), document)

    @property
    def row(self) -> dict[str, str]:
        operation = self.content.operation
        return {
            "id": self.id,
            "manifest_set": self.content.manifest_set.digest,
            "operation_manifest_set": operation.manifest_set.digest if operation else "",
            "sources": self.content.sources,
            "operation_sources": operation.sources if operation else "",
            "document": self.document,
        }


def _targets(contents: list[tuple[str, AssignmentContent]]) -> dict[Pair, _Target]:
    # Most clusters of an application are given one and the same object: it is encoded and hashed once.
    ready: dict[int, _Target] = {}
    targets = {}
    for cluster, content in contents:
        target = ready.get(id(content))
        if target is None:
            target = ready[id(content)] = _Target.of(content)
        targets[cluster, content.application] = target
    return targets


def _assign(connection: Connection, targets: dict[Pair, _Target], release: bool) -> list[Assignment]:
    serialize(connection)
    clusters = {cluster for cluster, _ in targets}
    known = set(connection.scalars(select(_CLUSTERS.c.uid).where(one_of(connection, _CLUSTERS.c.uid, clusters))))
    stored = {(row.cluster, row.application): row for row in connection.execute(_stored(connection, targets))}
    moved = [
        (pair, targets[pair])
        for pair in sorted(targets)
        if pair[0] in known and _moves(stored.get(pair), targets[pair].digest, release)
    ]
    if not moved:
        return []
    contents = {target.id: target.row for _, target in moved}
    connection.execute(insert(connection, _CONTENTS).on_conflict_do_nothing(), list(contents.values()))
    first = take_sequences(connection, len(moved))
    result = [
        _assignment_of(pair, target, stored.get(pair), first + number) for number, (pair, target) in enumerate(moved)
    ]
    rows = [_row(assignment, target) for assignment, (_, target) in zip(result, moved, strict=True)]
    upsert(connection, _ASSIGNMENTS, rows, keep=("acknowledged_generation",))
    return result


def _stored(connection: Connection, pairs: Collection[Pair]) -> Select[Any]:
    columns = _ASSIGNMENTS.c
    chosen = select(columns.cluster, columns.application, columns.generation, columns.digest, columns.held)
    chosen = chosen.add_columns(columns.acknowledged_generation)
    return chosen.where(pairs_among(connection, (columns.cluster, columns.application), pairs))


def _moves(stored: Row[Any] | None, digest: str, release: bool) -> bool:
    if stored is not None and stored.held:
        # It moves even to what it was: the agent may hold anything under that generation.
        return release
    return stored is None or stored.digest != digest


def _assignment_of(pair: Pair, target: _Target, stored: Row[Any] | None, sequence: int) -> Assignment:
    return Assignment(
        cluster=pair[0],
        content=target.content,
        generation=(stored.generation if stored else 0) + 1,
        digest=target.digest,
        sequence=sequence,
        acknowledged_generation=stored.acknowledged_generation if stored else 0,
    )


def _row(assignment: Assignment, target: _Target) -> dict[str, Any]:
    return {
        "cluster": assignment.cluster,
        "application": target.content.application,
        "generation": assignment.generation,
        "digest": assignment.digest,
        "held": False,
        "acknowledged_generation": 0,
        "refusal": "",
        "content": target.id,
        "sequence": assignment.sequence,
    }


def _unassign(connection: Connection, pairs: list[Pair]) -> None:
    serialize(connection)
    for table in (_ASSIGNMENTS, _STATUSES):
        connection.execute(delete(table).where(pairs_among(connection, (table.c.cluster, table.c.application), pairs)))


def _assignments(connection: Connection, query: Select[Any]) -> list[Assignment]:
    rows = connection.execute(query).all()
    wanted = {row.content for row in rows}
    documents = select(_CONTENTS.c.id, _CONTENTS.c.document).where(one_of(connection, _CONTENTS.c.id, wanted))
    contents = {id: decode(AssignmentContent, document) for id, document in connection.execute(documents)}
    return [
        Assignment(
            cluster=row.cluster,
            content=contents[row.content],
            generation=row.generation,
            digest=row.digest,
            sequence=row.sequence,
            acknowledged_generation=row.acknowledged_generation,
            refusal=row.refusal,
            held=row.held,
        )
        for row in rows
    ]


def _assignments_since(connection: Connection, sequence: int, clusters: Collection[str] | None) -> list[Assignment]:
    query = select(_ASSIGNMENTS).where(_ASSIGNMENTS.c.sequence > sequence)
    if clusters is not None:
        query = query.where(one_of(connection, _ASSIGNMENTS.c.cluster, clusters))
    return _assignments(connection, query.order_by(_ASSIGNMENTS.c.sequence))


def _current_sets(connection: Connection) -> dict[str, str]:
    newest = (
        select(_ASSIGNMENTS.c.application, func.max(_ASSIGNMENTS.c.sequence).label("sequence"))
        .group_by(_ASSIGNMENTS.c.application)
        .subquery()
    )
    query = (
        select(_ASSIGNMENTS.c.application, _CONTENTS.c.manifest_set)
        .join(newest, _ASSIGNMENTS.c.sequence == newest.c.sequence)
        .join(_CONTENTS, _CONTENTS.c.id == _ASSIGNMENTS.c.content)
    )
    return {row.application: row.manifest_set for row in connection.execute(query)}


def _assignment_index(connection: Connection, clusters: Collection[str]) -> Index:
    columns = _ASSIGNMENTS.c
    query = select(columns.cluster, columns.application, columns.generation, columns.digest, columns.held)
    query = query.where(one_of(connection, columns.cluster, clusters)).execution_options(yield_per=2000)
    # The same names and digests come again for every cluster; each is kept once.
    once: dict[str, str] = {}
    index: Index = {}
    for cluster, application, generation, digest, held in connection.execute(query):
        application = once.setdefault(application, application)
        index.setdefault(cluster, {})[application] = (generation, once.setdefault(digest, digest), held)
    return index


def _acknowledge(connection: Connection, acknowledged: dict[Pair, tuple[int, str]]) -> None:
    # In the key's order, as in `_assign`: two that write the same rows never wait for each other crosswise.
    rows = [
        {"of_cluster": cluster, "of_application": application, "reached": generation, "refused": refusal}
        for (cluster, application), (generation, refusal) in sorted(acknowledged.items())
    ]
    connection.execute(_ACKNOWLEDGE, rows)


def _hold_back(connection: Connection, cluster: str, application: str, held_generation: int) -> None:
    serialize(connection)
    one = (_ASSIGNMENTS.c.cluster == cluster) & (_ASSIGNMENTS.c.application == application)
    stored = connection.scalar(select(_ASSIGNMENTS.c.generation).where(one))
    if stored is not None and stored >= held_generation:
        return
    values = {"generation": held_generation, "held": True, "sequence": take_sequences(connection, 1)}
    connection.execute(update(_ASSIGNMENTS).where(one).values(values))
    request_refreshes(connection, [application], "hard")


_REACHED = bindparam("reached", type_=_ASSIGNMENTS.c.generation.type)
_REFUSED = bindparam("refused", type_=_ASSIGNMENTS.c.refusal.type)
_ACKNOWLEDGE = (
    update(_ASSIGNMENTS)
    .where(_ASSIGNMENTS.c.cluster == bindparam("of_cluster"))
    .where(_ASSIGNMENTS.c.application == bindparam("of_application"))
    .where(_ASSIGNMENTS.c.acknowledged_generation <= _REACHED)
    .values(
        acknowledged_generation=_REACHED,
        # A refusal of what has been replaced meanwhile says nothing about what is assigned now.
        refusal=case((_ASSIGNMENTS.c.generation > _REACHED, ""), else_=_REFUSED),
    )
)
