"""Forgetting: removes what nothing needs any more, a little at a time so that no writer waits long.

A blob goes when no assignment, history entry or render leads to it. History entries over their limit are removed after
the blobs, so theirs stay until the next run: somebody may be rolling back to one of them at this moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select, union

from hub.domain.application import Application
from hub.domain.chronicle import OPERATION
from hub.domain.manifest import ManifestSet
from hub.domain.pki import CERTIFICATE_KEPT
from hub.store import models
from hub.store.codec import decode
from hub.store.contract import Store
from hub.store.models import table_of
from hub.store.sql.database import one_of, serialize
from hub.store.sql.facet import Facet
from hub.store.sql.statuses import KEPT_REQUESTS

_log = logging.getLogger(__name__)

BATCH = 500
"""Rows a transaction removes at most."""
SETS_AT_ONCE = 50
"""Manifest sets read at once: one of a large application is a megabyte."""

BLOB_KEPT = timedelta(hours=1)
RENDER_KEPT = timedelta(days=7)
EVENT_KEPT = timedelta(days=30)
KEPT_EVENTS = 100_000
KEPT_DRIFTS = 50
REMOVAL_KEPT = timedelta(days=7)
"""Removed applications: a follower that was away longer starts anew."""
REMOVED_CLUSTER_KEPT = timedelta(days=30)
"""The history of a cluster that is gone."""

_APPLICATIONS = table_of(models.ApplicationRow)
_REMOVED = table_of(models.RemovedApplicationRow)
_CLUSTERS = table_of(models.ClusterRow)
_ASSIGNMENTS = table_of(models.AssignmentRow)
_CONTENTS = table_of(models.AssignmentContentRow)
_DRIFTS = table_of(models.DriftRow)
_HISTORY = table_of(models.HistoryRow)
_REQUESTS = table_of(models.OperationRequestRow)
_BLOBS = table_of(models.BlobRow)
_RENDERS = table_of(models.RenderRow)
_TOKENS = table_of(models.JoinTokenRow)
_CERTIFICATES = table_of(models.CertificateRow)
_SESSIONS = table_of(models.SessionRow)
_LEASES = table_of(models.LeaseRow)
_EVENTS = table_of(models.EventRow)

_IS_ASSIGNED = exists().where(_CONTENTS.c.manifest_set == _RENDERS.c.manifest_set, _RENDERS.c.manifest_set != "")
"""A render that is on clusters is not forgotten, however long nobody asks for it: what a chart made up would come out
differently the next time."""

T = TypeVar("T")


class SqlCollect(Facet, Store):
    async def collect(self, now: datetime) -> Mapping[str, int]:
        ended = {
            "removed applications": (_REMOVED, _REMOVED.c.removed_at < now - REMOVAL_KEPT),
            "sessions": (_SESSIONS, _SESSIONS.c.expires_at <= now),
            "join tokens": (_TOKENS, _TOKENS.c.expires_at <= now),
            "certificates": (_CERTIFICATES, _CERTIFICATES.c.not_after < now - CERTIFICATE_KEPT),
            "leases": (_LEASES, _LEASES.c.expires_at < now - timedelta(days=1)),
            "renders": (_RENDERS, (_RENDERS.c.used_at < now - RENDER_KEPT) & ~_IS_ASSIGNED),
            "events": (_EVENTS, _EVENTS.c.at < now - EVENT_KEPT),
        }
        removed = {name: await self._remove_where(table, which) for name, (table, which) in ended.items()}
        of_operations = _EVENTS.c.reason.startswith(OPERATION, autoescape=True)
        for which in (of_operations, ~of_operations):
            # Apart: a fleet's operations push no refused login out.
            removed["events"] += await self._remove_oldest_events(which)
        removed["drifts"] = await self._trim(_DRIFTS, _DRIFTS.c.seen_at, KEPT_DRIFTS, by_cluster=True)
        removed["operation requests"] = await self._trim(_REQUESTS, _REQUESTS.c.requested_at, KEPT_REQUESTS)
        removed["operation requests"] += await self._remove_where(_REQUESTS, _of_nobody(now))
        removed["assignment contents"] = await self._remove_contents()
        removed["blobs"] = await self._remove_blobs(now)
        removed["history"] = await self._trim_history(now)
        return {name: count for name, count in removed.items() if count}

    async def _remove_where(self, table: Table, which: ColumnElement[bool]) -> int:
        total = 0
        while count := await self._database.write(_remove_some, table, which):
            total += count
        return total

    async def _remove_oldest_events(self, which: ColumnElement[bool]) -> int:
        newest = select(_EVENTS.c.id).where(which).order_by(_EVENTS.c.at.desc(), _EVENTS.c.id.desc())
        return await self._remove_where(_EVENTS, which & _EVENTS.c.id.in_(newest.offset(KEPT_EVENTS)))

    async def _trim(self, table: Table, age: ColumnElement[datetime], kept: int, *, by_cluster: bool = False) -> int:
        """Keep the newest of each application, or of each application and cluster."""
        group = [table.c.application, *([table.c.cluster] if by_cluster else [])]
        crowded = await self._database.read(_crowded, group, kept)
        total = 0
        for values in crowded:
            mine = and_(*(column == value for column, value in zip(group, values, strict=True)))
            oldest = select(table.c.id).where(mine).order_by(age.desc(), table.c.id).offset(kept)
            total += await self._remove_where(table, mine & table.c.id.in_(oldest))
        return total

    async def _remove_contents(self) -> int:
        total = 0
        while count := await self._database.write(_remove_unassigned_contents):
            total += count
        return total

    async def _remove_blobs(self, now: datetime) -> int:
        """Mark what is led to and sweep the rest. A set that cannot be read may lead to anything: then nothing goes."""
        named = await self._database.read(_named_sets)
        described = await self._database.read(_named_sources)
        led_to = {bytes.fromhex(digest) for digest in (*named, *described) if _is_digest(digest)}
        for some in _batches(sorted(named), SETS_AT_ONCE):
            try:
                led_to |= await self._database.read(_members, some)
            except ValueError as error:
                _log.error("no blob is removed: a stored manifest set cannot be read: %s", error)
                return 0
        before = now - BLOB_KEPT
        lost = await self._database.read(_not_led_to, led_to, before)
        total = 0
        for some in _batches(lost, BATCH):
            total += await self._database.write(_remove_blobs, some, before)
            # Each batch is a write of megabytes; others get their turn in between.
            await asyncio.sleep(0)
        return total

    async def _trim_history(self, now: datetime) -> int:
        over = await self._database.read(_history_over_limit)
        total = 0
        for some in _batches(over, BATCH):
            total += await self._database.write(_remove_history, some)
        gone = ~exists().where(_CLUSTERS.c.uid == _HISTORY.c.cluster)
        return total + await self._remove_where(_HISTORY, gone & (_HISTORY.c.deployed_at < now - REMOVED_CLUSTER_KEPT))


def _of_nobody(now: datetime) -> ColumnElement[bool]:
    """Requests for applications that are gone: one may have been recorded while its application was being removed."""
    gone = ~exists().where(_APPLICATIONS.c.id == _REQUESTS.c.application)
    return gone & (_REQUESTS.c.requested_at < now - timedelta(days=1))


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdef" for character in text)


def _remove_some(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    keys = list(table.primary_key)
    some = connection.execute(select(*keys).where(which).limit(BATCH)).all()
    if not some:
        return 0
    # Asked again in the delete: another replica may have renewed one meanwhile.
    same = [keys[i].in_([row[i] for row in some]) for i in range(len(keys))]
    return connection.execute(delete(table).where(which, *same)).rowcount


def _crowded(connection: Connection, group: Sequence[ColumnElement[str]], kept: int) -> list[tuple[str, ...]]:
    rows = connection.execute(select(*group).group_by(*group).having(func.count() > kept))
    return [tuple(row) for row in rows]


def _remove_unassigned_contents(connection: Connection) -> int:
    # Serialized against `assign`, which relies on a content it finds.
    serialize(connection)
    unassigned = ~exists().where(_ASSIGNMENTS.c.content == _CONTENTS.c.id)
    some = select(_CONTENTS.c.id).where(unassigned).limit(BATCH)
    return connection.execute(delete(_CONTENTS).where(_CONTENTS.c.id.in_(some))).rowcount


def _named_sets(connection: Connection) -> set[str]:
    named = union(
        select(_CONTENTS.c.manifest_set),
        select(_CONTENTS.c.operation_manifest_set),
        select(_HISTORY.c.manifest_set),
        select(_RENDERS.c.manifest_set),
    )
    return set(connection.scalars(named)) - {""}


def _named_sources(connection: Connection) -> set[str]:
    named = union(select(_CONTENTS.c.sources), select(_CONTENTS.c.operation_sources), select(_HISTORY.c.sources))
    return set(connection.scalars(named)) - {""}


def _members(connection: Connection, sets: Collection[str]) -> set[bytes]:
    """Return the digests of the blobs the sets list. Raises ValueError for one that is not a manifest set."""
    query = select(_BLOBS.c.content).where(one_of(connection, _BLOBS.c.digest, sets))
    return {
        bytes.fromhex(entry.digest)
        for content in connection.scalars(query)
        for entry in ManifestSet.decode(content).entries
    }


def _not_led_to(connection: Connection, led_to: set[bytes], before: datetime) -> list[str]:
    query = select(_BLOBS.c.digest).where(_BLOBS.c.touched_at < before).execution_options(yield_per=5000)
    return [
        digest for digest in connection.scalars(query) if not _is_digest(digest) or bytes.fromhex(digest) not in led_to
    ]


def _remove_blobs(connection: Connection, digests: Collection[str], before: datetime) -> int:
    # Asked again: one may have been put, and so renewed, since the list was made.
    same = one_of(connection, _BLOBS.c.digest, digests)
    return connection.execute(delete(_BLOBS).where(same, _BLOBS.c.touched_at < before)).rowcount


def _history_over_limit(connection: Connection) -> list[tuple[str, str, int]]:
    """Return (application, cluster, id up to which entries go)."""
    documents = connection.execute(select(_APPLICATIONS.c.id, _APPLICATIONS.c.document))
    limits = {id: decode(Application, document).spec.revision_history_limit for id, document in documents}
    pair = (_HISTORY.c.application, _HISTORY.c.cluster)
    groups = connection.execute(select(*pair, func.count(), func.max(_HISTORY.c.id)).group_by(*pair))
    return [
        # The ids of a pair's entries follow one another.
        (application, cluster, newest - max(limits[application], 0))
        for application, cluster, count, newest in groups
        if application in limits and count > limits[application]
    ]


def _remove_history(connection: Connection, over: Sequence[tuple[str, str, int]]) -> int:
    total = 0
    for application, cluster, last in over:
        which = (_HISTORY.c.application == application) & (_HISTORY.c.cluster == cluster) & (_HISTORY.c.id <= last)
        total += connection.execute(delete(_HISTORY).where(which)).rowcount
    return total
