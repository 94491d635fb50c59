"""Sessions: the bearer token that stands for an account after its password was checked once.

The token is 32 random bytes and is shown once; the store has its hash. A session ends by time, by logging out, when
the password changes, or when the account is disabled.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from hub.access.contract import AccessRecords, Clock
from hub.domain.access import Account, Session
from hub.errors import Invalid, Unauthenticated

_PREFIX = "esc_"
_TOKEN = re.compile(r"esc_[A-Za-z0-9_-]{43}", re.ASCII)
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignedIn:
    account: Account
    session: Session


class Sessions:
    def __init__(self, records: AccessRecords, clock: Clock, lifetime: timedelta = timedelta(hours=24)) -> None:
        """Raises Invalid for a lifetime under a minute or over 30 days."""
        if not _SHORTEST <= lifetime <= _LONGEST:
            raise Invalid(f"a session lives {_SHORTEST} to {_LONGEST}, not {lifetime}")
        self._records = records
        self._clock = clock
        self._lifetime = lifetime

    async def open(self, account: Account) -> tuple[str, Session]:
        """Return a new token of an account whose password was just checked, and what is stored of it."""
        token = _PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(_hash(token), account.name, expires_at=now + self._lifetime, created_at=now)
        await self._records.put_session(session)
        return token, session

    async def resolve(self, token: str) -> SignedIn:
        """Return whose token it is. Raises Unauthenticated, whatever is the matter with it; StoreUnavailable."""
        session = await self._records.get_session(_hash(token)) if _TOKEN.fullmatch(token) else None
        if session is None or session.expires_at <= self._clock():
            raise _signed_out()
        account = await self._records.get_account(session.account)
        if account is None or not account.enabled:
            raise _signed_out()
        return SignedIn(account, session)

    async def close(self, session: Session) -> None:
        """Log out: the token is worth nothing from now on."""
        await self._records.put_session(replace(session, expires_at=min(session.expires_at, self._clock())))


def _signed_out() -> Unauthenticated:
    return Unauthenticated("the session has ended: log in again with `escadre login`", code="session-ended")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
