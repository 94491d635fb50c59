"""Authorities, join tokens and certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.domain.pki import Authority, CertificateRecord, JoinToken
from hub.errors import Conflict
from hub.store.contract import PkiStore
from hub.store.models import AuthorityRow, CertificateRow, JoinTokenRow, table_of
from hub.store.sql.database import insert, serialize, upsert
from hub.store.sql.facet import Facet, values_of

_AUTHORITIES = table_of(AuthorityRow)
_TOKENS = table_of(JoinTokenRow)
_CERTIFICATES = table_of(CertificateRow)


class SqlPki(Facet, PkiStore):
    async def put_authority(self, authority: Authority) -> None:
        row = values_of(authority)
        await self._database.write(lambda connection: upsert(connection, _AUTHORITIES, [row]))

    async def list_authorities(self) -> list[Authority]:
        return await self._database.read(_list_authorities)

    async def put_join_token(self, token: JoinToken) -> None:
        await self._database.write(_put_join_token, values_of(token))

    async def get_join_token(self, hash: str) -> JoinToken | None:
        return await self._database.read(_get_join_token, hash)

    async def use_join_token(self, hash: str, at: datetime, used_by: str = "") -> JoinToken | None:
        return await self._database.write(_use_join_token, hash, at, used_by)

    async def add_certificate(self, record: CertificateRecord) -> None:
        await self._database.write(_add_certificate, record)

    async def get_certificate(self, serial: str) -> CertificateRecord | None:
        return await self._database.read(_get_certificate, serial)

    async def list_certificates(self, *, not_after: datetime) -> list[CertificateRecord]:
        return await self._database.read(_list_certificates, not_after)

    async def revoke_certificates(self, cluster: str, at: datetime) -> int:
        return await self._database.write(_revoke_certificates, cluster, at)

    async def revoked_serials(self) -> set[str]:
        return await self._database.read(_revoked_serials, self._now())


def _list_authorities(connection: Connection) -> list[Authority]:
    query = select(_AUTHORITIES).order_by(_AUTHORITIES.c.created_at, _AUTHORITIES.c.id)
    return [Authority(**row) for row in connection.execute(query).mappings()]


def _put_join_token(connection: Connection, row: dict[str, Any]) -> None:
    # Serialized: of two tokens made at once for one cluster, the later must find the earlier and replace it.
    serialize(connection)
    unused = (_TOKENS.c.cluster == row["cluster"]) & _TOKENS.c.used_at.is_(None)
    connection.execute(delete(_TOKENS).where(unused))
    connection.execute(_TOKENS.insert(), row)


def _get_join_token(connection: Connection, hash: str) -> JoinToken | None:
    row = connection.execute(select(_TOKENS).where(_TOKENS.c.hash == hash)).mappings().one_or_none()
    return JoinToken(**row) if row else None


def _use_join_token(connection: Connection, hash: str, at: datetime, used_by: str) -> JoinToken | None:
    # One statement decides and marks, so the database itself picks the single winner.
    valid = (_TOKENS.c.hash == hash) & _TOKENS.c.used_at.is_(None) & (_TOKENS.c.expires_at > at)
    used = update(_TOKENS).where(valid).values(used_at=at, used_by=used_by).returning(*_TOKENS.c)
    row = connection.execute(used).mappings().one_or_none()
    return JoinToken(**row) if row else None


def _add_certificate(connection: Connection, record: CertificateRecord) -> None:
    added = insert(connection, _CERTIFICATES).on_conflict_do_nothing().returning(_CERTIFICATES.c.serial)
    if connection.execute(added, values_of(record)).one_or_none() is not None:
        return
    stored = _get_certificate(connection, record.serial)
    # Adding the same once more does nothing: the answer to an earlier attempt was lost.
    if stored is None or (stored.cluster, stored.key_pin) != (record.cluster, record.key_pin):
        raise Conflict(f"another certificate with serial {record.serial} exists already")


def _get_certificate(connection: Connection, serial: str) -> CertificateRecord | None:
    row = connection.execute(select(_CERTIFICATES).where(_CERTIFICATES.c.serial == serial)).mappings().one_or_none()
    return CertificateRecord(**row) if row else None


def _list_certificates(connection: Connection, not_after: datetime) -> list[CertificateRecord]:
    later = select(_CERTIFICATES).where(_CERTIFICATES.c.not_after > not_after).order_by(_CERTIFICATES.c.not_after)
    return [CertificateRecord(**row) for row in connection.execute(later).mappings()]


def _revoke_certificates(connection: Connection, cluster: str, at: datetime) -> int:
    valid = (_CERTIFICATES.c.cluster == cluster) & _CERTIFICATES.c.revoked_at.is_(None)
    return connection.execute(update(_CERTIFICATES).where(valid).values(revoked_at=at)).rowcount


def _revoked_serials(connection: Connection, now: datetime) -> set[str]:
    revoked = _CERTIFICATES.c.revoked_at.is_not(None) & (_CERTIFICATES.c.not_after > now)
    return set(connection.scalars(select(_CERTIFICATES.c.serial).where(revoked)))
