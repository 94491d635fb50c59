"""From a peer's certificate to the cluster it speaks for.

TLS has verified the chain by the time this runs. It is verified again all the same: the gateway that ended the TLS
connection is configured elsewhere, knows nothing of revocation, and one mistake there would open every cluster.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from hub.errors import Invalid, Unauthenticated
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.certificates import cluster_of, issued_by, read_certificate, serial_hex

_WAY_OUT = "let the agent recover its certificate, or join again with `escadre cluster rotate-token`"


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    cluster: str
    """The cluster's uid."""
    serial: str
    not_after: datetime


class PeerRefused(Unauthenticated):
    """`cluster` is the uid where the certificate is the fleet's own, and so is known to be of it."""

    def __init__(self, message: str, *, code: str, cluster: str = "") -> None:
        super().__init__(message, code=code)
        self.cluster = cluster


class PeerVerifier:
    def __init__(self, pki: PublicKeyInfrastructure, revoked: Container[str]) -> None:
        self._pki = pki
        self._revoked = revoked

    def peer_cluster(self, pem: bytes, now: datetime) -> PeerIdentity:
        """Return who a certificate speaks for. Raises PeerRefused, whose code is one of bad-certificate,
        unknown-authority, certificate-not-yet-valid, certificate-expired and certificate-revoked."""
        try:
            certificate = read_certificate(pem)
        except Invalid as error:
            raise PeerRefused(error.message, code="bad-certificate") from error
        if not any(issued_by(certificate, a.certificate) for a in self._pki.keyring.authorities):
            raise PeerRefused(
                f"the certificate was issued by nobody this hub trusts: {_WAY_OUT}", code="unknown-authority"
            )
        try:
            cluster = cluster_of(certificate)
        except Invalid as error:
            raise PeerRefused(error.message, code="bad-certificate") from error
        identity = PeerIdentity(cluster, serial_hex(certificate), certificate.not_valid_after_utc)
        self._check_time(cluster, certificate.not_valid_before_utc, identity.not_after, now)
        if identity.serial in self._revoked:
            raise PeerRefused(
                "the certificate was revoked: join again with `escadre cluster rotate-token`",
                code="certificate-revoked",
                cluster=cluster,
            )
        return identity

    @staticmethod
    def _check_time(cluster: str, not_before: datetime, not_after: datetime, now: datetime) -> None:
        if now < not_before:
            raise PeerRefused(
                f"the certificate is not valid before {not_before.isoformat()}, and the hub's clock says "
                f"{now.isoformat()}: set the clocks",
                code="certificate-not-yet-valid",
                cluster=cluster,
            )
        if now >= not_after:
            raise PeerRefused(
                f"the certificate expired at {not_after.isoformat()}: {_WAY_OUT}",
                code="certificate-expired",
                cluster=cluster,
            )
