"""Rendered content by digest, and what was rendered from what.

A blob is protected from `collect` by being named, or by having been put within the hour. So putting one that is there
already still counts: it renews that hour, for whoever is about to name it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from hub.store.codec import decode, encode
from hub.store.contract import BlobStore, RenderRecord
from hub.store.models import BlobRow, RenderRow, table_of
from hub.store.sql.database import insert, one_of, upsert
from hub.store.sql.facet import Facet

_BLOBS = table_of(BlobRow)
_RENDERS = table_of(RenderRow)

RENEWED_AFTER = timedelta(minutes=20)
"""How old a blob's protection may be before a put renews it; less, and every put of the same blobs would write."""
USE_NOTED_AFTER = timedelta(hours=12)
"""How old a render's last use may be before another is noted."""


class SqlBlobs(Facet, BlobStore):
    async def put_blobs(self, blobs: Mapping[str, bytes]) -> int:
        now = self._now()
        fresh = await self._database.read(_fresh, list(blobs), now - RENEWED_AFTER)
        rest = {digest: content for digest, content in sorted(blobs.items()) if digest not in fresh}
        return await self._database.write(_put_blobs, rest, now) if rest else 0

    async def get_blobs(self, digests: Collection[str]) -> dict[str, bytes]:
        return await self._database.read(_get_blobs, digests)

    async def have_blobs(self, digests: Collection[str]) -> set[str]:
        return await self._database.read(_have_blobs, digests)

    async def put_render(self, record: RenderRecord) -> None:
        row = {
            "key": record.key,
            "manifest_set": record.manifest_set.digest if record.manifest_set else "",
            "used_at": self._now(),
            "document": encode(record),
        }
        await self._database.write(lambda connection: upsert(connection, _RENDERS, [row]))

    async def get_renders(self, keys: Collection[str]) -> dict[str, RenderRecord]:
        now = self._now()
        found, unnoted = await self._database.read(_get_renders, keys, now - USE_NOTED_AFTER)
        if unnoted:
            # One that `collect` removed in between is not handed out: its set may be gone next.
            for key in unnoted - await self._database.write(_note_use, unnoted, now):
                del found[key]
        return found

    async def remove_renders(self, keys: Collection[str]) -> None:
        await self._database.write(_remove_renders, list(keys))


def _fresh(connection: Connection, digests: Collection[str], since: datetime) -> set[str]:
    named = one_of(connection, _BLOBS.c.digest, digests)
    return set(connection.scalars(select(_BLOBS.c.digest).where(named, _BLOBS.c.touched_at > since)))


def _put_blobs(connection: Connection, blobs: Mapping[str, bytes], now: datetime) -> int:
    there = update(_BLOBS).where(one_of(connection, _BLOBS.c.digest, blobs)).values(touched_at=now)
    renewed = set(connection.scalars(there.returning(_BLOBS.c.digest)))
    rows = [
        {"digest": digest, "touched_at": now, "content": content}
        for digest, content in blobs.items()
        if digest not in renewed
    ]
    if not rows:
        return 0
    # Another replica may have put the same ones since; whoever comes second renews them.
    statement = insert(connection, _BLOBS)
    renew = statement.on_conflict_do_update(index_elements=["digest"], set_={"touched_at": now})
    connection.execute(renew, rows)
    return len(rows)


def _get_blobs(connection: Connection, digests: Collection[str]) -> dict[str, bytes]:
    query = select(_BLOBS.c.digest, _BLOBS.c.content).where(one_of(connection, _BLOBS.c.digest, digests))
    return {row.digest: row.content for row in connection.execute(query.execution_options(yield_per=100))}


def _have_blobs(connection: Connection, digests: Collection[str]) -> set[str]:
    return set(connection.scalars(select(_BLOBS.c.digest).where(one_of(connection, _BLOBS.c.digest, digests))))


def _get_renders(
    connection: Connection, keys: Collection[str], noted_since: datetime
) -> tuple[dict[str, RenderRecord], set[str]]:
    query = select(_RENDERS.c.key, _RENDERS.c.used_at, _RENDERS.c.document)
    rows = connection.execute(query.where(one_of(connection, _RENDERS.c.key, keys))).all()
    found = {row.key: decode(RenderRecord, row.document) for row in rows}
    return found, {row.key for row in rows if row.used_at < noted_since}


def _note_use(connection: Connection, keys: Collection[str], now: datetime) -> set[str]:
    used = update(_RENDERS).where(one_of(connection, _RENDERS.c.key, keys)).values(used_at=now)
    return set(connection.scalars(used.returning(_RENDERS.c.key)))


def _remove_renders(connection: Connection, keys: Collection[str]) -> None:
    connection.execute(delete(_RENDERS).where(one_of(connection, _RENDERS.c.key, keys)))
