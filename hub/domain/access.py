"""People and what they did: accounts, the sessions they opened, and the events worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    password_hash: str
    enabled: bool = True
    role: str = "role:readonly"
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A bearer token of an account; only the token's hash is stored."""

    hash: str
    account: str
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person may want to know later: a refusal, a sync, a removal. Kept 30 days; 100,000 of operations
    and 100,000 others at most."""

    at: datetime
    severity: str
    """info | warning"""
    reason: str
    message: str
    cluster: str = ""
    application: str = ""
    actor: str = ""
