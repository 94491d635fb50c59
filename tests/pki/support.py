"""A hub's trust, put together as the composition root does, over a store in memory and a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.domain.access import Event
from hub.pki.authority import IssuedCertificate, PublicKeyInfrastructure
from hub.pki.contract import EventSink, PkiRecords, PkiSettings
from hub.pki.enrolment import Enrolments
from hub.pki.join import JoinTokens
from hub.pki.recover import Recovery
from hub.pki.refusals import Caller, DoorLog
from hub.pki.revocation import Revocations
from hub.pki.secretbox import SecretBox
from hub.pki.server_certificate import ServerCertificate
from hub.pki.verify import PeerIdentity, PeerVerifier

CALLER = Caller("192.0.2.7", "0.1.0")
KEY = b"k" * 32


class Clock:
    """The real time, moved by as much as a test says."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, **by: float) -> None:
        self.offset += timedelta(**by)


@dataclass
class AgentKey:
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def request(self, name: str = "whatever") -> bytes:
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        built = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self.private, hashes.SHA256())
        return built.public_bytes(serialization.Encoding.PEM)


class TrustStore(PkiRecords, EventSink, Protocol):
    """What trust needs of a store."""


class HubTrust:
    """One replica."""

    def __init__(self, store: TrustStore, clock: Clock, settings: PkiSettings | None = None) -> None:
        self.store = store
        self.events: list[Event] = []
        self.clock = clock
        self.announced: list[str] = []
        settings = settings or PkiSettings()
        self.box = SecretBox(KEY)
        self.pki = PublicKeyInfrastructure(store, self.box, clock, settings)
        self.door = DoorLog(self, clock)
        self.tokens = JoinTokens(store, self.door, clock, settings)
        self.revocations = Revocations(store, clock, self._announce)
        self.recovery = Recovery(self.pki, store, clock)
        self.enrolments = Enrolments(self.pki, self.tokens, self.recovery, self.revocations, self.door, clock)
        self.verifier = PeerVerifier(self.pki, self.revocations)
        self.server = ServerCertificate(self.pki, clock)

    async def start(self) -> HubTrust:
        await self.pki.start()
        await self.revocations.refresh()
        await self.server.refresh()
        return self

    async def join(self, cluster: str, key: AgentKey) -> IssuedCertificate:
        return await self.enrolments.enrol(await self.tokens.issue(cluster), key.request(), CALLER)

    def peer(self, pem: bytes) -> PeerIdentity:
        return self.verifier.peer_cluster(pem, self.clock())

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    async def add_events(self, events: Iterable[Event]) -> None:
        events = list(events)
        await self.store.add_events(events)
        self.events.extend(events)

    async def _announce(self, cluster: str) -> None:
        self.announced.append(cluster)
