"""The gateway's trust, out of the public key infrastructure it is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from escadre.v1 import agent_pb2 as pb
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.enrolment import Enrolments
from hub.pki.verify import PeerIdentity, PeerVerifier


class Doorkeeper:
    def __init__(
        self,
        pki: PublicKeyInfrastructure,
        verifier: PeerVerifier,
        enrolments: Enrolments,
        clock: Callable[[], datetime],
    ) -> None:
        self._pki = pki
        self._verifier = verifier
        self._enrolments = enrolments
        self._clock = clock

    def identify(self, pem: bytes) -> PeerIdentity:
        """Raises Unauthenticated."""
        return self._verifier.peer_cluster(pem, self._clock())

    async def renew(self, peer: PeerIdentity, csr: bytes) -> bytes:
        """Return a new certificate (DER). Raises HubError."""
        return (await self._enrolments.renew(peer, csr)).der

    def trust(self) -> pb.TrustBundle:
        bundle = self._pki.trust_bundle()
        return pb.TrustBundle(
            authorities=list(bundle.authorities),
            signing_keys=[pb.SigningKey(id=k.id, public_key=k.public_key) for k in bundle.signing_keys],
            digest=bundle.digest(),
        )
