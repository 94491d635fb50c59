"""How the agent comes by its certificate: joining with a token, renewing, and coming back after expiry.

The first contact is with a hub that nothing vouches for yet. Its authorities are fetched unverified, the one whose
public key has the pinned hash is believed and no other, and only over a connection it vouches for is the token sent.
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.errors import ConfigError, EnrolmentError, LinkError, StorageError
from agent.hubclient.der import key_pin, pem_blocks
from agent.hubclient.exchange import Address, exchange, parse_address
from agent.hubclient.identity import Identity, LinkState, local_validity
from agent.hubclient.keys import ChildKeys, KeyTool
from agent.hubclient.trust import MAX_AUTHORITIES, TrustBundle, tls_context, to_pem

TIMEOUT_SECONDS = 30.0
_MAX_TOKEN = 200
_MAX_CHAIN = 8


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Enroller:
    """What joining, renewing and coming back have in common."""

    agent_version: str
    keys: KeyTool = ChildKeys()
    timeout: float = TIMEOUT_SECONDS
    """Seconds for one request."""
    clock: Callable[[], datetime] = _now

    async def enrol(self, directory: Path, *, hub: str, ca_pin: str, token: str) -> Identity:
        """Join with a token, and write the identity to the directory.

        `hub` is host:port of the hub's HTTPS port, `ca_pin` is `sha256:` and 64 hex digits. Raises ConfigError,
        EnrolmentError, StorageError. Repeating it after a retryable EnrolmentError is safe: the hub knows the agent by
        its key.
        """
        address, pin = parse_address(hub), parse_pin(ca_pin)
        if not token.isascii() or not token.isprintable() or not 1 <= len(token) <= _MAX_TOKEN:
            raise ConfigError("the join token is not one: give it as `escadre cluster add` prints it")
        _make_directory(directory)
        trusted = await self._pinned(address, pin)
        request = await self.keys.create(directory)
        body = {"token": token, "csr": request.decode(), "agent_version": self.agent_version}
        reply = await self._post(address, "/agent/v1/enrol", (trusted,), body)
        if pin not in map(key_pin, reply.trust.authorities):
            raise EnrolmentError("the hub's own list of authorities lacks the pinned one; nothing was installed")
        facts = await self.keys.inspect(directory, reply.certificates[0], reply.trust.authorities)
        start, end = local_validity(facts.not_before, facts.not_after, self.clock())
        link = LinkState(
            str(address), reply.gateway, reply.cluster, facts.cluster, start, end, joined_with=token_mark(token)
        )
        return Identity.install(directory, link, to_pem(reply.certificates), reply.trust)

    async def recover(self, identity: Identity) -> None:
        """Come back with a certificate that has expired, or that the gateway no longer takes. Raises EnrolmentError,
        StorageError."""
        request = await self.keys.request(identity.directory)
        body = {
            "certificate": identity.certificate().decode(),
            "csr": request.decode(),
            "agent_version": self.agent_version,
        }
        address, trusted = parse_address(identity.link.hub), identity.trust.authorities
        reply = await self._post(address, "/agent/v1/recover", trusted, body)
        try:
            identity.update_trust(reply.trust.authorities, reply.trust.signing_keys, reply.trust.digest())
        except LinkError as error:
            raise EnrolmentError(str(error)) from error
        await self.install_renewal(identity, reply.certificates[0], reply.certificates[1:])

    async def renewal_request(self, identity: Identity) -> bytes:
        """Return the request (DER) to send with `Renew`. Raises EnrolmentError, StorageError."""
        pem = await self.keys.request(identity.directory)
        return pem_blocks(pem.decode(), "CERTIFICATE REQUEST", 1)[0]

    async def install_renewal(self, identity: Identity, certificate: bytes, chain: Sequence[bytes] = ()) -> None:
        """Check and install what `Renew` gave back, all DER. Take the trust bundle that came with it first, with
        `identity.update_trust`. Raises EnrolmentError, StorageError."""
        facts = await self.keys.inspect(identity.directory, certificate, identity.trust.authorities)
        if facts.cluster != identity.link.cluster_uid:
            raise EnrolmentError("the hub sent a certificate for another cluster; it was not installed")
        identity.replace_certificate(to_pem((certificate, *chain[:_MAX_CHAIN])), facts, self.clock())

    async def _post(self, address: Address, path: str, trusted: Sequence[bytes], body: dict[str, str]) -> _Reply:
        return _read_reply(await exchange(address, "POST", path, tls_context(trusted), body, self.timeout))

    async def _pinned(self, address: Address, pin: str) -> bytes:
        """Return the hub's authority that has the pin, DER."""
        body = await exchange(address, "GET", "/agent/v1/authorities", _unverified(), None, self.timeout)
        try:
            authorities = _certificates(body["authorities"], MAX_AUTHORITIES)
            found = [der for der in authorities if key_pin(der) == pin]
            tls_context(found)
        except (KeyError, TypeError, ValueError, ssl.SSLError) as error:
            raise EnrolmentError(f"{address} did not answer as a hub does: check the address and port") from error
        if not found:
            raise EnrolmentError(
                f"no authority of the hub at {address} has the pin sha256:{pin[:12]}…: this is another hub, something "
                "answers in its place, or its authority was replaced since: ask the hub for the pin in use"
            )
        return found[0]


@dataclass(frozen=True, slots=True)
class _Reply:
    """The answer to enrol and recover."""

    certificates: tuple[bytes, ...]
    """DER: the certificate, and its chain if any."""
    trust: TrustBundle
    cluster: str
    gateway: str


def token_mark(token: str) -> str:
    """Return what tells one token from another and gives none away."""
    return hashlib.sha256(b"escadre/v1/join-token\0" + token.encode()).hexdigest()


def parse_pin(text: str) -> str:
    """Return the 64 hex digits of `sha256:<hex>`. Raises ConfigError."""
    match = re.fullmatch(r"sha256:([0-9a-fA-F]{64})", text.strip(), re.ASCII)
    if match is None:
        raise ConfigError("the pin of the hub's authority is sha256: and 64 hex digits, as `escadre cluster add` says")
    return match[1].lower()


def _read_reply(body: Any) -> _Reply:
    try:
        keys = {key["id"]: base64.b64decode(key["public_key"], validate=True) for key in body["signing_keys"]}
        reply = _Reply(
            certificates=_certificates([body["certificate"], *body["chain"]], 1 + _MAX_CHAIN),
            trust=TrustBundle(_certificates(body["authorities"], MAX_AUTHORITIES), keys),
            cluster=body["cluster"],
            gateway=str(parse_address(body["gateway"])),
        )
        reply.trust.check()
        if not reply.cluster.isprintable() or len(reply.cluster) > 253:
            raise ValueError("a cluster's name")
    except (KeyError, TypeError, AttributeError, ValueError, ConfigError) as error:
        raise EnrolmentError(
            "the hub's answer is not understood: are hub and agent of versions that work together?"
        ) from error
    return reply


def _certificates(pems: Any, limit: int) -> tuple[bytes, ...]:
    if not isinstance(pems, list) or not 1 <= len(pems) <= limit:
        raise ValueError(f"not 1 to {limit} certificates")
    return tuple(pem_blocks(pem, "CERTIFICATE", 1)[0] for pem in pems)


def _unverified() -> ssl.SSLContext:
    """For the one request whose answer is public and is checked against the pin."""
    context = tls_context(())
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"{directory} cannot be made: {error.strerror}") from error
