"""Which certificates no longer count, known without asking the database for every connection.

The set is read from the store at start, so that a revocation survives a restart, then again whenever the bus says so
and on a timer: a replica that missed the message is late by one interval at most.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.pki.contract import Clock, PkiRecords

Announce = Callable[[str], Awaitable[None]]
"""Tells every replica that certificates of a cluster (its uid) were revoked."""


class Revocations:
    """Call `refresh` before the first peer is judged."""

    def __init__(self, records: PkiRecords, clock: Clock, announce: Announce) -> None:
        self._records = records
        self._clock = clock
        self._announce = announce
        self._serials: frozenset[str] = frozenset()

    def __contains__(self, serial: object) -> bool:
        return serial in self._serials

    async def is_revoked(self, serial: str) -> bool:
        """Ask the store itself."""
        record = await self._records.get_certificate(serial)
        return record is not None and record.revoked_at is not None

    async def revoke_other_keys(self, cluster: str, key_pin: str) -> None:
        """Revoke the cluster's certificates if one of them, still valid, is for another key."""
        current = await self._records.list_certificates(not_after=self._clock())
        if any(r.cluster == cluster and r.key_pin != key_pin and r.revoked_at is None for r in current):
            await self.revoke(cluster)

    async def refresh(self) -> frozenset[str]:
        """Read the revoked serials and return those that are new. Raises StoreUnavailable and keeps the old set."""
        serials = frozenset(await self._records.revoked_serials())
        fresh = serials - self._serials
        self._serials = serials
        return fresh

    async def revoke(self, cluster: str) -> int:
        """Revoke every certificate of a cluster, for this replica at once and for the others by announcement.
        Returns how many."""
        count = await self._records.revoke_certificates(cluster, self._clock())
        if count:
            await self.refresh()
            await self._announce(cluster)
        return count
