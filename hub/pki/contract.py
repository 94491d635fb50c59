"""What the authority needs from outside: a few of the store's methods, a clock, and settings.

Declared here because the packages of this layer do not import one another; the store fits these protocols by its
shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hub.domain.access import Event
from hub.domain.pki import CERTIFICATE_KEPT, Authority, CertificateRecord, JoinToken
from hub.errors import Invalid

Clock = Callable[[], datetime]
"""Gives the time, aware and in UTC."""


class PkiRecords(Protocol):
    """The part of the store that remembers trust; `hub.store.contract.PkiStore` says what each MUST do."""

    async def put_authority(self, authority: Authority) -> None: ...

    async def list_authorities(self) -> list[Authority]: ...

    async def put_join_token(self, token: JoinToken) -> None: ...

    async def get_join_token(self, hash: str) -> JoinToken | None: ...

    async def use_join_token(self, hash: str, at: datetime, used_by: str = "") -> JoinToken | None: ...

    async def add_certificate(self, record: CertificateRecord) -> None: ...

    async def get_certificate(self, serial: str) -> CertificateRecord | None: ...

    async def list_certificates(self, *, not_after: datetime) -> list[CertificateRecord]: ...

    async def revoke_certificates(self, cluster: str, at: datetime) -> int: ...

    async def revoked_serials(self) -> set[str]: ...


class EventSink(Protocol):
    async def add_events(self, events: Iterable[Event]) -> None: ...


class Sealer(Protocol):
    """Encrypts what is to be stored; `hub.pki.secretbox.SecretBox` is the one that is used."""

    def seal(self, plaintext: bytes, purpose: str) -> bytes: ...

    def unseal(self, sealed: bytes, purpose: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PkiSettings:
    """Raises Invalid when a value cannot work."""

    server_names: tuple[str, ...] = ()
    """Host names and IP addresses under which agents and browsers reach the hub; localhost is always added."""
    agent_validity: timedelta = timedelta(hours=24)
    server_validity: timedelta = timedelta(days=30)
    authority_validity: timedelta = timedelta(days=3652)
    join_token_validity: timedelta = timedelta(hours=24)
    recovery: timedelta = timedelta(days=30)
    """How long after its expiry a certificate is still a way back in."""
    backdating: timedelta = timedelta(minutes=5)
    """How far before its issue a certificate begins, for peers whose clocks are behind."""
    overlap: timedelta = timedelta(minutes=5)
    """How long a new authority is made known at least before it signs: every replica reads it within that time."""

    def __post_init__(self) -> None:
        bounds = {
            "agent_validity": (timedelta(minutes=1), timedelta(days=90)),
            "server_validity": (timedelta(minutes=1), timedelta(days=398)),
            "authority_validity": (timedelta(days=1), timedelta(days=20 * 366)),
            "join_token_validity": (timedelta(minutes=1), timedelta(days=30)),
            "recovery": (timedelta(0), CERTIFICATE_KEPT),
            "backdating": (timedelta(0), timedelta(hours=1)),
            "overlap": (timedelta(0), timedelta(days=30)),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise Invalid(f"{name} must be between {least} and {most}, not {getattr(self, name)}")
