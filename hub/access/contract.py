"""What access needs from outside: a few of the store's methods and a clock.

Declared here because the packages of this layer do not import one another; the store fits these protocols by its
shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from hub.domain.access import Account, Event, Session

Clock = Callable[[], datetime]
"""Gives the time, aware and in UTC."""


class AccessRecords(Protocol):
    """The part of the store that remembers people; `hub.store.contract.AccessStore` says what each MUST do."""

    async def put_account(self, account: Account) -> None: ...

    async def get_account(self, name: str) -> Account | None: ...

    async def list_accounts(self) -> list[Account]: ...

    async def put_session(self, session: Session) -> None: ...

    async def get_session(self, hash: str) -> Session | None: ...

    async def remove_sessions(self, account: str, *, keep: str = "") -> None: ...


class Recorder(Protocol):
    async def add_events(self, events: Iterable[Event]) -> None: ...
