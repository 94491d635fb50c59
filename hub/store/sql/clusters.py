"""Clusters: their names and labels, where their agents are connected, and what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, select, update

from hub.domain.cluster import Capabilities, Cluster
from hub.domain.cluster import Connection as AgentConnection
from hub.errors import Conflict, NotFound
from hub.store.codec import decode, encode, encode_checked
from hub.store.contract import ClusterStore
from hub.store.models import (
    AssignmentRow,
    CertificateRow,
    ClusterRow,
    DriftRow,
    JoinTokenRow,
    StatusRow,
    table_of,
)
from hub.store.sql.database import bump, newest_sequence, serialize
from hub.store.sql.facet import Facet, values_of

_CLUSTERS = table_of(ClusterRow)
_CERTIFICATES = table_of(CertificateRow)
_BELONGINGS = [table_of(row) for row in (AssignmentRow, StatusRow, DriftRow, JoinTokenRow)]


class SqlClusters(Facet, ClusterStore):
    async def add_cluster(self, cluster: Cluster) -> None:
        row = {
            "uid": cluster.uid,
            "name": cluster.name,
            "labels": encode_checked(dict[str, str], dict(cluster.labels)),
            "server": cluster.server,
            "reported_server": "",
            "created_at": cluster.created_at or self._now(),
            "capabilities": encode(cluster.capabilities),
            **values_of(cluster.connection),
        }
        await self._database.write(_add_cluster, row)

    async def update_cluster(
        self, uid: str, *, labels: Mapping[str, str] | None = None, server: str | None = None
    ) -> Cluster:
        changes: dict[str, str] = {}
        if labels is not None:
            changes["labels"] = encode_checked(dict[str, str], dict(labels))
        if server is not None:
            changes["server"] = server
        return await self._database.write(_update_cluster, uid, changes)

    async def get_cluster(self, uid: str) -> Cluster | None:
        return await self._database.read(_get_cluster, uid)

    async def find_cluster(self, name: str) -> Cluster | None:
        return await self._database.read(_find_cluster, name)

    async def list_clusters(self) -> list[Cluster]:
        return await self._database.read(_list_clusters)

    async def remove_cluster(self, uid: str, at: datetime) -> bool:
        return await self._database.write(_remove_cluster, uid, at)

    async def put_connections(self, connections: Mapping[str, AgentConnection]) -> None:
        # In one order everywhere, so that two replicas never wait for each other's rows crosswise.
        rows = [{"key": uid, **values_of(connections[uid])} for uid in sorted(connections)]
        if rows:
            await self._database.write(_put_connections, rows)

    async def disconnect(self, uid: str, session: str, at: datetime) -> None:
        mine = (_CLUSTERS.c.uid == uid, _CLUSTERS.c.session == session, _CLUSTERS.c.replica != "")
        await self._database.write(_disconnect, mine, at)

    async def disconnect_replica(self, replica: str, at: datetime) -> None:
        if replica:
            await self._database.write(_disconnect, (_CLUSTERS.c.replica == replica,), at)

    async def disconnect_silent(self, seen_before: datetime) -> list[str]:
        return await self._database.write(_disconnect_silent, seen_before)

    async def put_capabilities(self, uid: str, capabilities: Capabilities, server: str) -> None:
        await self._database.write(_put_capabilities, uid, encode(capabilities), server)

    async def clusters_version(self) -> int:
        return await self._database.read(newest_sequence, "clusters")


def _cluster(row: Row[Any], shared: dict[str, Capabilities]) -> Cluster:
    # A fleet has a handful of distinct capabilities, of hundreds of API versions each: one object for each of them.
    capabilities = shared.get(row.capabilities)
    if capabilities is None:
        capabilities = shared[row.capabilities] = decode(Capabilities, row.capabilities)
    return Cluster(
        uid=row.uid,
        name=row.name,
        labels=decode(dict[str, str], row.labels),
        server=row.server or row.reported_server,
        created_at=row.created_at,
        capabilities=capabilities,
        connection=AgentConnection(**{field.name: row._mapping[field.name] for field in fields(AgentConnection)}),
    )


def _get_cluster(connection: Connection, uid: str) -> Cluster | None:
    row = connection.execute(select(_CLUSTERS).where(_CLUSTERS.c.uid == uid)).one_or_none()
    return _cluster(row, {}) if row else None


def _find_cluster(connection: Connection, name: str) -> Cluster | None:
    row = connection.execute(select(_CLUSTERS).where(_CLUSTERS.c.name == name)).one_or_none()
    return _cluster(row, {}) if row else None


def _list_clusters(connection: Connection) -> list[Cluster]:
    shared: dict[str, Capabilities] = {}
    found = [_cluster(row, shared) for row in connection.execute(select(_CLUSTERS))]
    return sorted(found, key=lambda cluster: cluster.name)


def _add_cluster(connection: Connection, row: dict[str, Any]) -> None:
    serialize(connection)
    taken = select(_CLUSTERS.c.uid).where(_CLUSTERS.c.name == row["name"])
    holder = connection.scalar(taken)
    if holder == row["uid"]:
        # The answer to an earlier attempt was lost.
        return
    if holder is not None:
        raise Conflict(
            f'a cluster named "{row["name"]}" exists already: name another one, or make a new join token for it with '
            f"`escadre cluster rotate-token {row['name']}`"
        )
    connection.execute(_CLUSTERS.insert(), row)
    bump(connection, "clusters")


def _update_cluster(connection: Connection, uid: str, changes: dict[str, str]) -> Cluster:
    serialize(connection)
    before = _get_cluster(connection, uid)
    if before is None:
        raise NotFound(f"no cluster has the uid {uid}: it was removed")
    if not changes:
        return before
    connection.execute(update(_CLUSTERS).where(_CLUSTERS.c.uid == uid).values(changes))
    after = _get_cluster(connection, uid) or before
    if after != before:
        bump(connection, "clusters")
    return after


def _remove_cluster(connection: Connection, uid: str, at: datetime) -> bool:
    serialize(connection)
    valid = (_CERTIFICATES.c.cluster == uid) & _CERTIFICATES.c.revoked_at.is_(None)
    connection.execute(update(_CERTIFICATES).where(valid).values(revoked_at=at))
    for table in _BELONGINGS:
        connection.execute(delete(table).where(table.c.cluster == uid))
    if not connection.execute(delete(_CLUSTERS).where(_CLUSTERS.c.uid == uid)).rowcount:
        return False
    bump(connection, "clusters")
    return True


def _put_connections(connection: Connection, rows: list[dict[str, Any]]) -> None:
    names = [name for name in rows[0] if name != "key"]
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    began = bindparam("changed_at", type_=_CLUSTERS.c.changed_at.type)
    stands = (_CLUSTERS.c.replica != "") & (_CLUSTERS.c.session != bindparam("session"))
    replaced = ~stands | _CLUSTERS.c.changed_at.is_(None) | (_CLUSTERS.c.changed_at <= began)
    connection.execute(update(_CLUSTERS).where(_CLUSTERS.c.uid == bindparam("key"), replaced).values(values), rows)


def _disconnect(connection: Connection, which: tuple[ColumnElement[bool], ...], at: datetime) -> None:
    connection.execute(update(_CLUSTERS).where(*which).values(replica="", session="", changed_at=at))


def _disconnect_silent(connection: Connection, seen_before: datetime) -> list[str]:
    silent = (_CLUSTERS.c.replica != "", _CLUSTERS.c.last_seen_at < seen_before)
    values = {"replica": "", "session": "", "changed_at": _CLUSTERS.c.last_seen_at}
    return list(connection.scalars(update(_CLUSTERS).where(*silent).values(values).returning(_CLUSTERS.c.uid)))


def _put_capabilities(connection: Connection, uid: str, capabilities: str, server: str) -> None:
    serialize(connection)
    changed = (_CLUSTERS.c.capabilities != capabilities) | (_CLUSTERS.c.reported_server != server)
    values = {"capabilities": capabilities, "reported_server": server}
    if connection.execute(update(_CLUSTERS).where(_CLUSTERS.c.uid == uid, changed).values(values)).rowcount:
        bump(connection, "clusters")
