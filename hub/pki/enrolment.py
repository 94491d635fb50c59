"""How an agent comes by a certificate: with a join token, with the certificate it has, or with one that expired.

Plain functions over bytes: the HTTP router and the gRPC servicer only carry them.
"""

from __future__ import annotations

import asyncio
import base64
import math
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hub.errors import Invalid, TooManyRequests, Unauthenticated
from hub.pki.authority import IssuedCertificate, PublicKeyInfrastructure
from hub.pki.certificates import MAX_CERTIFICATE, MAX_REQUEST, key_pin, read_request, to_pem
from hub.pki.contract import Clock
from hub.pki.join import JoinTokens
from hub.pki.limits import Allowance
from hub.pki.recover import Recovery, RecoveryRefused
from hub.pki.refusals import Caller, DoorLog
from hub.pki.revocation import Revocations
from hub.pki.verify import PeerIdentity

_PER_HOUR = 60
_STRIPES = 64


class Enrolments:
    """Every certificate an agent gets, it gets here."""

    def __init__(
        self,
        pki: PublicKeyInfrastructure,
        tokens: JoinTokens,
        recovery: Recovery,
        revocations: Revocations,
        door: DoorLog,
        clock: Clock,
    ) -> None:
        self._pki = pki
        self._tokens = tokens
        self._recovery = recovery
        self._revocations = revocations
        self._door = door
        self._clock = clock
        renewals = math.ceil(timedelta(hours=4) / pki.settings.agent_validity)
        self._issues = Allowance(max(_PER_HOUR, renewals), timedelta(hours=1))
        self._stripes = [asyncio.Lock() for _ in range(_STRIPES)]

    def authorities(self) -> dict[str, list[str]]:
        """The body of `GET /agent/v1/authorities`, which anybody may read: an agent takes the one that fits its pin."""
        return {"authorities": [to_pem(a.certificate).decode() for a in self._pki.keyring.authorities]}

    async def enrol(self, token: str, request: bytes, caller: Caller) -> IssuedCertificate:
        """Exchange a join token and a request for the cluster's first certificate; earlier ones are revoked.

        Raises Invalid for a bad request, without using up the token; JoinRefused; TooManyRequests; StoreUnavailable.
        """
        key = read_request(request)
        pin = key_pin(key)
        # An agent that gave up waiting asks again while its first request still runs: without the lock, the first
        # could revoke what the second handed out.
        async with self._stripes[int(pin[:8], 16) % _STRIPES]:
            redeemed = await self._tokens.redeem(token, pin, caller)
            self._take(redeemed.cluster)
            if redeemed.again:
                # The first request may have failed before it came to this.
                await self._revocations.revoke_other_keys(redeemed.cluster, pin)
            else:
                await self._revocations.revoke(redeemed.cluster)
            issued = await self._pki.issue(redeemed.cluster, key)
        await self._door.admitted("AgentJoined", f"the agent joined from {caller}", redeemed.cluster)
        return issued

    async def renew(self, peer: PeerIdentity, request: bytes) -> IssuedCertificate:
        """Issue the next certificate to a peer that `PeerVerifier` has just judged. Raises Invalid, Unauthenticated
        when it was revoked meanwhile, TooManyRequests, StoreUnavailable."""
        return await self._issue_on(peer.serial, peer.cluster, read_request(request))

    async def recover(self, certificate: bytes, request: bytes, caller: Caller) -> IssuedCertificate:
        """Issue a certificate to an agent whose last one has expired. Raises Invalid, Unauthenticated,
        TooManyRequests, StoreUnavailable."""
        try:
            recovered = await self._recovery.check(certificate, request)
        except RecoveryRefused as refusal:
            await self._door.refused("RecoveryRefused", f"{refusal.message} ({caller})", refusal.cluster)
            raise
        issued = await self._issue_on(recovered.serial, recovered.cluster, recovered.key)
        message = f"the agent recovered its certificate from {caller}"
        await self._door.admitted("AgentRecovered", message, recovered.cluster)
        return issued

    async def _issue_on(self, serial: str, cluster: str, key: ec.EllipticCurvePublicKey) -> IssuedCertificate:
        """Issue on the strength of an earlier certificate.

        A revocation that runs at the same time revokes what it finds: either the new certificate too, or it has
        marked the earlier one by the time the new one is recorded, and is then carried out again here.
        """
        self._take(cluster)
        issued = await self._pki.issue(cluster, key)
        if await self._revocations.is_revoked(serial):
            await self._revocations.revoke(cluster)
            raise Unauthenticated(
                "the certificate was revoked: join again with `escadre cluster rotate-token`",
                code="certificate-revoked",
            )
        return issued

    def _take(self, cluster: str) -> None:
        if not self._issues.take(cluster, self._clock()):
            raise TooManyRequests(
                f"cluster {cluster} was issued too many certificates within the hour: look why its agent keeps asking",
                code="too-many-certificates",
                retry_after=600.0,
            )


def enrolment_reply(
    issued: IssuedCertificate, pki: PublicKeyInfrastructure, *, cluster: str, gateway: str
) -> dict[str, Any]:
    """The body of the answer to enrol and recover.

    `cluster` is the cluster's name, `gateway` the "host:port" where the agent finds the gRPC link.
    """
    trust = pki.trust_bundle()
    return {
        "certificate": issued.pem.decode(),
        "chain": [],
        "authorities": [to_pem(a.certificate).decode() for a in pki.keyring.authorities],
        "signing_keys": [
            {"id": key.id, "public_key": base64.b64encode(key.public_key).decode()} for key in trust.signing_keys
        ],
        "cluster": cluster,
        "cluster_uid": issued.record.cluster,
        "gateway": gateway,
        "not_before": issued.record.not_before.isoformat(),
        "not_after": issued.record.not_after.isoformat(),
    }


def read_enrol_body(body: Any) -> tuple[str, bytes, str]:
    """Return (token, request, agent version) of `POST /agent/v1/enrol`. Raises Invalid."""
    return (
        _text(body, "token", 200),
        _text(body, "csr", MAX_REQUEST).encode(),
        _text(body, "agent_version", 64, default=""),
    )


def read_recover_body(body: Any) -> tuple[bytes, bytes, str]:
    """Return (certificate, request, agent version) of `POST /agent/v1/recover`. Raises Invalid."""
    request = _text(body, "csr", MAX_REQUEST).encode()
    return _text(body, "certificate", MAX_CERTIFICATE).encode(), request, _text(body, "agent_version", 64, default="")


def _text(body: Any, name: str, limit: int, default: str | None = None) -> str:
    value = body.get(name, default) if isinstance(body, dict) else None
    if not isinstance(value, str):
        raise Invalid(f"the body must be a JSON object with the text {name!r}", code="bad-body")
    if len(value) > limit or not value.isascii():
        raise Invalid(f"{name!r} must be at most {limit} ASCII characters", code="bad-body")
    return value
