"""The way back after expiry: an agent that was off for days still holds the key the hub once certified.

Its expired certificate is a claim; the proof is a request signed by the same key. What is believed is the hub's own
record of that certificate (which cluster, which key, whether revoked), so that neither a removed cluster nor one whose
record was lost comes back this way, and a leaked old authority key opens nothing.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hub.domain.pki import CertificateRecord
from hub.errors import Unauthenticated
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.certificates import (
    certificate_key,
    cluster_of,
    issued_by,
    key_pin,
    read_certificate,
    read_request,
    serial_hex,
)
from hub.pki.contract import Clock, PkiRecords


class RecoveryRefused(Unauthenticated):
    code = "recovery-refused"

    def __init__(
        self, why: str, cluster: str = "", *, advice: str = "join again with `escadre cluster rotate-token`"
    ) -> None:
        super().__init__(f"{why}: {advice}")
        self.cluster = cluster
        """The uid, when the certificate is known to be of it."""


@dataclass(frozen=True, slots=True)
class Recovered:
    cluster: str
    """The cluster's uid."""
    serial: str
    """Of the certificate it came back with."""
    key: ec.EllipticCurvePublicKey


class Recovery:
    def __init__(self, pki: PublicKeyInfrastructure, records: PkiRecords, clock: Clock) -> None:
        self._pki = pki
        self._records = records
        self._clock = clock

    async def check(self, certificate: bytes, request: bytes) -> Recovered:
        """Return who comes back, with a certificate that is expired or about to.

        Raises Invalid for what cannot be read, RecoveryRefused, StoreUnavailable.
        """
        claimed = read_certificate(certificate)
        key = read_request(request)
        if not self._ours(claimed):
            raise RecoveryRefused("the certificate was not issued by this hub")
        cluster = cluster_of(claimed)
        if key != certificate_key(claimed):
            raise RecoveryRefused("the request is not signed by the certificate's key", cluster)
        self._check_age(claimed, cluster)
        record = await self._records.get_certificate(serial_hex(claimed))
        if record is None or not _matches(record, cluster, key):
            raise RecoveryRefused("the hub has no record of this certificate", cluster)
        if record.revoked_at is not None:
            raise RecoveryRefused("the certificate was revoked", cluster)
        return Recovered(cluster, record.serial, key)

    def _ours(self, certificate: x509.Certificate) -> bool:
        """Retired authorities count too: the record decides, and an agent may have missed the whole rotation."""
        keyring = self._pki.keyring
        authorities = (*(a.certificate for a in keyring.authorities), *keyring.retired)
        return any(issued_by(certificate, authority) for authority in authorities)

    def _check_age(self, certificate: x509.Certificate, cluster: str) -> None:
        now = self._clock()
        if now < certificate.not_valid_before_utc:
            begins, clock = (t.isoformat(timespec="seconds") for t in (certificate.not_valid_before_utc, now))
            why = f"the certificate is not valid yet: it begins at {begins}, and the hub's clock says {clock}"
            raise RecoveryRefused(why, cluster, advice="set the clocks")
        limit = self._pki.settings.recovery
        if now > certificate.not_valid_after_utc + limit:
            raise RecoveryRefused(f"the certificate expired more than {limit.days} days ago", cluster)


def _matches(record: CertificateRecord, cluster: str, key: ec.EllipticCurvePublicKey) -> bool:
    return record.cluster == cluster and hmac.compare_digest(record.key_pin, key_pin(key))
