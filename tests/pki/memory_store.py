"""The two parts of the store that trust and access need, in memory, for tests of what is built on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from hub.domain.access import Account, Event, Session
from hub.domain.pki import Authority, CertificateRecord, JoinToken
from hub.errors import StoreUnavailable
from hub.store.contract import AccessStore, PkiStore


class MemoryStore(PkiStore, AccessStore):
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.authorities: dict[str, Authority] = {}
        self.tokens: dict[str, JoinToken] = {}
        self.certificates: dict[str, CertificateRecord] = {}
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[str, Session] = {}
        self.events: list[Event] = []
        self.failing: set[str] = set()
        """Names of methods that raise StoreUnavailable."""

    async def _enter(self, method: str) -> None:
        await asyncio.sleep(0)  # as a database would, let others run in between
        if method in self.failing:
            raise StoreUnavailable("the database does not answer")

    async def put_authority(self, authority: Authority) -> None:
        await self._enter("put_authority")
        self.authorities[authority.id] = authority

    async def list_authorities(self) -> list[Authority]:
        await self._enter("list_authorities")
        return list(self.authorities.values())

    async def put_join_token(self, token: JoinToken) -> None:
        await self._enter("put_join_token")
        unused = [h for h, t in self.tokens.items() if t.cluster == token.cluster and t.used_at is None]
        for hash in unused:
            del self.tokens[hash]
        self.tokens[token.hash] = token

    async def get_join_token(self, hash: str) -> JoinToken | None:
        await self._enter("get_join_token")
        return self.tokens.get(hash)

    async def use_join_token(self, hash: str, at: datetime, used_by: str = "") -> JoinToken | None:
        await self._enter("use_join_token")
        token = self.tokens.get(hash)
        if token is None or token.used_at is not None or token.expires_at <= at:
            return None
        self.tokens[hash] = replace(token, used_at=at, used_by=used_by)
        return self.tokens[hash]

    async def add_certificate(self, record: CertificateRecord) -> None:
        await self._enter("add_certificate")
        self.certificates[record.serial] = record

    async def get_certificate(self, serial: str) -> CertificateRecord | None:
        await self._enter("get_certificate")
        return self.certificates.get(serial)

    async def list_certificates(self, *, not_after: datetime) -> list[CertificateRecord]:
        await self._enter("list_certificates")
        return [r for r in self.certificates.values() if r.not_after > not_after]

    async def revoke_certificates(self, cluster: str, at: datetime) -> int:
        await self._enter("revoke_certificates")
        found = [r for r in self.certificates.values() if r.cluster == cluster and r.revoked_at is None]
        for record in found:
            self.certificates[record.serial] = replace(record, revoked_at=at)
        return len(found)

    async def revoked_serials(self) -> set[str]:
        await self._enter("revoked_serials")
        return {s for s, r in self.certificates.items() if r.revoked_at is not None and r.not_after > self._clock()}

    async def put_account(self, account: Account) -> None:
        await self._enter("put_account")
        self.accounts[account.name] = account

    async def get_account(self, name: str) -> Account | None:
        await self._enter("get_account")
        return self.accounts.get(name)

    async def list_accounts(self) -> list[Account]:
        await self._enter("list_accounts")
        return list(self.accounts.values())

    async def put_session(self, session: Session) -> None:
        await self._enter("put_session")
        self.sessions[session.hash] = session

    async def get_session(self, hash: str) -> Session | None:
        await self._enter("get_session")
        session = self.sessions.get(hash)
        return session if session and session.expires_at > self._clock() else None

    async def remove_sessions(self, account: str, *, keep: str = "") -> None:
        await self._enter("remove_sessions")
        gone = [h for h, s in self.sessions.items() if s.account == account and h != keep]
        for hash in gone:
            del self.sessions[hash]

    async def add_events(self, events: Iterable[Event]) -> None:
        await self._enter("add_events")
        self.events.extend(events)

    async def list_events(self, *, application: str = "", cluster: str = "", limit: int = 200) -> Sequence[Event]:
        await self._enter("list_events")
        wanted = [
            e
            for e in reversed(self.events)
            if (not application or e.application == application) and (not cluster or e.cluster == cluster)
        ]
        return wanted[:limit]
