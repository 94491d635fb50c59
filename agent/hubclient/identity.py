"""Who this agent is and whom it trusts, as it lies in the data directory.

`key.pem` and `certificate.pem` are what the agent shows; `authorities.pem` and `signing_keys.json` what it believes;
`link.json` where the hub is and how long the certificate lasts. The files are read again whenever a channel is opened,
so a renewed certificate is used from then on, and the private key stays in nobody's memory.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import orjson

from agent.errors import LinkError, StorageError
from agent.hubclient import files
from agent.hubclient.der import pem_blocks
from agent.hubclient.keys import CertificateFacts
from agent.hubclient.trust import MAX_AUTHORITIES, TrustBundle, to_pem

_MAX_BACKDATING = timedelta(hours=1)
"""A hub begins a certificate's validity at most this long before it issues it."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """link.json."""

    hub: str
    """host:port of the hub's HTTPS port, for the way back after expiry."""
    gateway: str
    """host:port of the gRPC link."""
    cluster: str
    """The cluster's name at enrolment."""
    cluster_uid: str
    valid_from: datetime
    valid_until: datetime
    """The certificate's validity, by this machine's clock: see `local_validity`."""
    joined_with: str = ""
    """The token it joined with, as a hash: another one means to join anew. Here, and not in a file of its own, so that
    an agent that is killed never has the identity and not this: it would use up its token a second time."""


class Identity:
    """Satisfies `agent.hubclient.link.Trust`."""

    def __init__(self, directory: Path, link: LinkState, trust: TrustBundle) -> None:
        self._directory = directory
        self._link = link
        self._trust = trust
        self.gateway_override = ""
        """host:port to dial instead of what the hub said, where the network between them differs."""

    @classmethod
    def load(cls, directory: Path) -> Identity | None:
        """Return the identity in the directory, None when it is not enrolled. Raises StorageError when files are
        damaged."""
        contents = {
            name: files.read(directory / name)
            for name in (files.CERTIFICATE, files.AUTHORITIES, files.SIGNING_KEYS, files.LINK)
        }
        if any(content is None for content in contents.values()) or not _settle_key(directory):
            return None
        try:
            trust = TrustBundle(
                tuple(pem_blocks((contents[files.AUTHORITIES] or b"").decode(), "CERTIFICATE", MAX_AUTHORITIES)),
                _keys_from_json(orjson.loads(contents[files.SIGNING_KEYS] or b"")),
            )
            trust.check()
            return cls(directory, _link_from_json(orjson.loads(contents[files.LINK] or b"")), trust)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError(
                f"the identity in {directory} is damaged ({type(error).__name__}): delete {files.LINK} there and join "
                "again with a new token"
            ) from error

    @classmethod
    def install(cls, directory: Path, link: LinkState, certificate: bytes, trust: TrustBundle) -> Identity:
        """Write a first identity, or one in place of another. `certificate` is PEM, with its chain if any; everything
        was checked. Killed before the end, the agent is not enrolled, and gets another certificate for the same key
        with the same token. Raises StorageError."""
        identity = cls(directory, link, trust)
        files.remove(directory / files.LINK)
        identity._write_trust()
        identity._write_certificate(certificate)
        return identity

    @property
    def directory(self) -> Path:
        return self._directory

    @property
    def link(self) -> LinkState:
        return self._link

    @property
    def trust(self) -> TrustBundle:
        return self._trust

    def gateway(self) -> str:
        return self.gateway_override or self._link.gateway

    def certificate(self) -> bytes:
        """Return the certificate and its chain, PEM. Raises StorageError."""
        return self._read(files.CERTIFICATE)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return credentials of what is on disk now. Raises StorageError."""
        return grpc.ssl_channel_credentials(
            to_pem(self._trust.authorities), self._read(files.KEY), self._read(files.CERTIFICATE)
        )

    def trust_digest(self) -> str:
        """Return the hex digest that the hub computes over the same trust bundle."""
        return self._trust.digest()

    def verify(self, digest: str, signature: str, key_id: str) -> bool:
        """Tell whether the hub vouches for a manifest set: its digest and the signature as hex text, the key's id."""
        try:
            return self._trust.vouches(bytes.fromhex(digest), bytes.fromhex(signature), key_id)
        except ValueError:
            return False

    def update_trust(self, authorities: Sequence[bytes], keys: Mapping[str, bytes], digest: str) -> None:
        """Trust these from now on. `digest` is what the hub says theirs is, in hex.

        Raises LinkError, and changes nothing, when they are malformed, or none of the authorities is trusted already:
        a rotation always overlaps. Raises StorageError.
        """
        bundle = TrustBundle(tuple(authorities), dict(keys))
        try:
            bundle.check()
        except ValueError as error:
            raise LinkError(f"the hub sent a trust bundle that was not taken: {error}") from error
        if bundle.digest() != digest:
            raise LinkError("the hub sent a trust bundle that was not taken: it has another digest than it says")
        if not set(bundle.authorities) & set(self._trust.authorities):
            raise LinkError("the hub sent a trust bundle that was not taken: this agent trusts none of its authorities")
        if digest != self.trust_digest():
            self._trust = bundle
            self._write_trust()

    def replace_certificate(self, certificate: bytes, facts: CertificateFacts, received_at: datetime) -> None:
        """Install a renewed certificate (PEM, with its chain if any) that was checked. Raises StorageError."""
        start, end = local_validity(facts.not_before, facts.not_after, received_at)
        self._link = replace(self._link, valid_from=start, valid_until=end)
        self._write_certificate(certificate)

    def renewal_at(self, random: Callable[[], float]) -> datetime:
        """Return when to renew, by this machine's clock. `random` gives numbers from 0 to 1."""
        return renewal_due(self._link.valid_from, self._link.valid_until, random)

    def renewal_needed(self, now: datetime, due: datetime) -> bool:
        """Tell whether to renew, planned for `due`. A clock that says the certificate's time has not come was put back
        since it was received, and what was planned by it counts no more."""
        return now >= due or now < self._link.valid_from

    def _write_trust(self) -> None:
        files.write_private(self._directory / files.AUTHORITIES, to_pem(self._trust.authorities))
        keys = [{"id": id, "public_key": key.hex()} for id, key in self._trust.signing_keys.items()]
        files.write_private(self._directory / files.SIGNING_KEYS, orjson.dumps({"keys": keys}))

    def _write_certificate(self, certificate: bytes) -> None:
        """The validity comes last: should it be missed, the old one ends earlier, and renewal comes too soon, not too
        late."""
        files.write_private(self._directory / files.CERTIFICATE, certificate)
        if not _settle_key(self._directory):
            raise StorageError(f"the certificate written to {self._directory} does not fit the key there")
        files.write_private(self._directory / files.LINK, _link_to_json(self._link))

    def _read(self, name: str) -> bytes:
        content = files.read(self._directory / name)
        if content is None:
            raise StorageError(f"{self._directory / name} is gone: join again with a new token")
        return content


def renewal_due(not_before: datetime, not_after: datetime, random: Callable[[], float]) -> datetime:
    """Return a random time in the last third of a certificate's life; its last quarter is left for tries that fail."""
    return not_before + (not_after - not_before) * (2 / 3 + random() / 4)


def local_validity(not_before: datetime, not_after: datetime, received_at: datetime) -> tuple[datetime, datetime]:
    """Return the validity of a certificate just received, by the clock that says `received_at`.

    It was issued a moment ago. Where the clock here says otherwise, it is the clock that is wrong, and renewal is timed
    from the moment of receipt: judged by the hub's times it would come never, or always.
    """
    if not_before <= received_at <= min(not_before + _MAX_BACKDATING, not_after):
        return not_before, not_after
    return received_at, received_at + (not_after - not_before)


def _settle_key(directory: Path) -> bool:
    """Tell whether there is a key to the certificate, having let a pending one take its place where it is that."""
    if _fits(directory, files.PENDING_KEY):
        files.move(directory / files.PENDING_KEY, directory / files.KEY)
        return True
    return _fits(directory, files.KEY)


def _fits(directory: Path, key: str) -> bool:
    if not (directory / key).exists():
        return False
    try:
        # OpenSSL refuses a key that is not the certificate's.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
            directory / files.CERTIFICATE, directory / key, password=lambda: b""
        )
    except ssl.SSLError:
        return False
    except OSError as error:
        raise StorageError(f"{directory} cannot be read: {error.strerror}") from error
    return True


def _keys_from_json(value: Any) -> dict[str, bytes]:
    return {str(key["id"]): bytes.fromhex(key["public_key"]) for key in value["keys"]}


def _link_to_json(link: LinkState) -> bytes:
    value = {
        "hub": link.hub,
        "gateway": link.gateway,
        "cluster": link.cluster,
        "cluster_uid": link.cluster_uid,
        "valid_from": link.valid_from.isoformat(),
        "valid_until": link.valid_until.isoformat(),
        "joined_with": link.joined_with,
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _link_from_json(value: Any) -> LinkState:
    return LinkState(
        hub=str(value["hub"]),
        gateway=str(value["gateway"]),
        cluster=str(value["cluster"]),
        cluster_uid=str(value["cluster_uid"]),
        valid_from=datetime.fromisoformat(value["valid_from"]),
        valid_until=datetime.fromisoformat(value["valid_until"]),
        joined_with=str(value.get("joined_with", "")),
    )
