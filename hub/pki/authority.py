"""The fleet's authority: what issues certificates, vouches for manifest sets, and is replaced without a gap.

Every replica of the hub holds one, loaded from the store and read again now and then; what one replica changes, the
others see at their next `reload`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hub.domain.pki import Authority, AuthorityState, CertificateRecord, TrustBundle
from hub.errors import HubError
from hub.pki.certificates import (
    Validity,
    build_agent,
    build_cross,
    build_server,
    certificate_key,
    key_pin,
    read_request,
    serial_hex,
    to_der,
    to_pem,
)
from hub.pki.contract import Clock, PkiRecords, PkiSettings, Sealer
from hub.pki.keyring import Keyring, load_keyring, new_authority, new_signer
from hub.pki.rotation import check_prepare, plan_activate, plan_retire

log = logging.getLogger(__name__)

SIGNING_CONTEXT = b"escadre/v1/manifest-set\x00"
"""Put before the digest that is signed, so that the signature means nothing anywhere else."""

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_EXPIRY_WARNING = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    record: CertificateRecord
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return to_pem(self.certificate)

    @property
    def der(self) -> bytes:
        return to_der(self.certificate)


@dataclass(frozen=True, slots=True)
class AuthorityInfo:
    """What people are shown of an authority in force."""

    id: str
    kind: str
    state: str
    created_at: datetime
    pin: str = ""
    """For `--ca-pin`; empty for a signing key."""
    not_after: datetime | None = None


class PublicKeyInfrastructure:
    """Call `start` before anything else, under a lease when several replicas may start at once."""

    def __init__(self, records: PkiRecords, sealer: Sealer, clock: Clock, settings: PkiSettings) -> None:
        self._records = records
        self._sealer = sealer
        self._clock = clock
        self._settings = settings
        self._keyring = Keyring()
        self._rotating = asyncio.Lock()

    @property
    def settings(self) -> PkiSettings:
        return self._settings

    @property
    def keyring(self) -> Keyring:
        return self._keyring

    @property
    def pin(self) -> str:
        """What a new agent is given as `--ca-pin`: `sha256:<hex>` of the active authority's public key."""
        return _pin(self._keyring.active.certificate)

    async def start(self) -> None:
        """Load the authorities, making them at the very first start.

        Raises KeyFileError when they were encrypted with another key, StoreUnavailable.
        """
        await self.reload()
        made = self._make_missing()
        for record in made:
            await self._records.put_authority(record)
        if made:
            log.info("made the fleet's authority: %s", ", ".join(f"{r.kind} {r.id}" for r in made))
            await self.reload()
        not_after = self._keyring.active.certificate.not_valid_after_utc
        if not_after - self._clock() < _EXPIRY_WARNING:
            log.warning("the fleet's authority expires at %s: rotate it", not_after.isoformat())

    async def reload(self) -> bool:
        """Read the authorities again and tell whether they changed."""
        keyring = load_keyring(await self._records.list_authorities(), self._sealer)
        changed = keyring.bundle() != self._keyring.bundle() or _states(keyring) != _states(self._keyring)
        if changed:
            self._keyring = keyring
        return changed

    def trust_bundle(self) -> TrustBundle:
        return self._keyring.bundle()

    def sign(self, digest: bytes) -> tuple[bytes, str]:
        """Return the Ed25519 signature over a manifest set's digest (32 bytes), and the id of the key."""
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
        signer = self._keyring.signer
        return signer.private_key.sign(SIGNING_CONTEXT + digest), signer.record.id

    async def issue_from_csr(self, cluster: str, request: bytes) -> IssuedCertificate:
        """Issue and record a certificate for a cluster; of the request only the public key is used.

        Raises Invalid for a bad request, StoreUnavailable.
        """
        return await self.issue(cluster, read_request(request))

    async def issue(self, cluster: str, key: ec.EllipticCurvePublicKey) -> IssuedCertificate:
        """Issue and record a certificate for a cluster and the public key of its agent."""
        authority = self._keyring.active
        validity = self._validity(self._settings.agent_validity)
        certificate = build_agent(key, cluster, authority.issuer, validity)
        record = CertificateRecord(
            serial=serial_hex(certificate),
            cluster=cluster,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            authority=authority.record.id,
            key_pin=key_pin(key),
        )
        await self._records.add_certificate(record)
        return IssuedCertificate(record, certificate)

    def issue_server(self, key: ec.EllipticCurvePublicKey) -> tuple[x509.Certificate, ...]:
        """Issue the hub's own certificate, and with it the active authority as certified by every other one in force:
        a peer that trusts only one of them, old or new, verifies the chain. Not recorded: it is never revoked."""
        keyring = self._keyring
        validity = self._validity(self._settings.server_validity)
        names = tuple(dict.fromkeys((*self._settings.server_names, *_LOCAL_NAMES)))
        leaf = build_server(key, names, keyring.active.issuer, validity)
        others = (a for a in keyring.authorities if a is not keyring.active)
        crosses = (build_cross(keyring.active.certificate, other.issuer, validity) for other in others)
        return (leaf, *crosses)

    async def prepare_rotation(self) -> None:
        """Make the next authority and signing key, and make them known. Raises Conflict during another rotation."""
        async with self._rotating:
            await self.reload()
            check_prepare(self._keyring)
            await self._put(self._new_pair(AuthorityState.NEXT))

    async def activate_rotation(self, *, force: bool = False) -> None:
        """Let the next ones sign; the old ones stay trusted. Raises Conflict when it is too early or nothing is
        prepared; `force` passes over the former."""
        async with self._rotating:
            await self.reload()
            await self._put(plan_activate(self._keyring, self._clock(), self._settings.overlap, force=force))

    async def retire(self, *, force: bool = False) -> None:
        """Trust the old ones no more, and destroy their private keys. Raises Conflict while an agent still needs them,
        unless forced: such an agent then has to join anew."""
        async with self._rotating:
            await self.reload()
            now = self._clock()
            certificates = await self._records.list_certificates(not_after=now - self._settings.recovery)
            await self._put(plan_retire(self._keyring, certificates, now, force=force))

    def describe(self) -> list[AuthorityInfo]:
        """Return the authorities and signing keys in force, newest first."""
        authorities = [
            _info(a.record, _pin(a.certificate), a.certificate.not_valid_after_utc) for a in self._keyring.authorities
        ]
        return authorities + [_info(signer.record) for signer in self._keyring.signers]

    def _validity(self, span: timedelta) -> Validity:
        now = self._clock()
        end = min(now + span, self._keyring.active.certificate.not_valid_after_utc)
        if end <= now:
            raise HubError("the fleet's authority has expired: rotate it", code="authority-expired")
        return Validity(now - self._settings.backdating, end)

    def _make_missing(self) -> list[Authority]:
        kinds = {record.kind for record in self._keyring.records(AuthorityState.ACTIVE)}
        return [record for record in self._new_pair(AuthorityState.ACTIVE) if record.kind not in kinds]

    def _new_pair(self, state: AuthorityState) -> list[Authority]:
        now = self._clock()
        validity = Validity(now - self._settings.backdating, now + self._settings.authority_validity)
        return [new_authority(state, now, validity, self._sealer), new_signer(state, now, self._sealer)]

    async def _put(self, records: list[Authority]) -> None:
        for record in records:
            await self._records.put_authority(record)
            log.info("%s %s is now %s", record.kind, record.id, record.state)
        await self.reload()


def _pin(certificate: x509.Certificate) -> str:
    return f"sha256:{key_pin(certificate_key(certificate))}"


def _states(keyring: Keyring) -> list[tuple[str, str]]:
    records = [authority.record for authority in keyring.authorities] + [signer.record for signer in keyring.signers]
    return [(record.id, record.state) for record in records]


def _info(record: Authority, pin: str = "", not_after: datetime | None = None) -> AuthorityInfo:
    return AuthorityInfo(record.id, record.kind, record.state, record.created_at, pin, not_after)
