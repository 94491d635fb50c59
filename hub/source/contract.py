"""What sources need from outside: a few of the store's methods, and something that encrypts.

Declared here because the packages of this layer do not import one another; what is given fits by its shape.
"""

from __future__ import annotations

from typing import Protocol

from hub.domain.repository import HostTrust, SealedEntry


class EntryRecords(Protocol):
    """The part of the store that remembers what is registered; `hub.store.contract` says what each MUST do."""

    async def list_entries(self) -> list[SealedEntry]: ...

    async def list_host_trust(self) -> list[HostTrust]: ...


class Sealer(Protocol):
    def seal(self, plaintext: bytes, purpose: str) -> bytes: ...

    def unseal(self, sealed: bytes, purpose: str) -> bytes: ...
