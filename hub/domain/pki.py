"""What the hub remembers about trust: who may join, which certificates are out, and which keys vouch for what.

Plain values, apart from the package that makes and judges them, because the store keeps them and the gateway sends
them on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CERTIFICATE_KEPT = timedelta(days=90)
"""How long after its expiry a certificate's record is kept. An agent may come back with an expired certificate, and
what tells a revoked one from a good one is this record: it must outlive every way back."""


class AuthorityKind(StrEnum):
    CA = "ca"
    MANIFEST_SIGNING = "manifest-signing"


class AuthorityState(StrEnum):
    """An authority's life, in order. Agents are told of all but the last."""

    NEXT = "next"
    """Being made known; signs nothing yet."""
    ACTIVE = "active"
    """Signs."""
    RETIRING = "retiring"
    """Signs nothing any more; what it signed is still good."""
    RETIRED = "retired"
    """Nothing it signed is good."""


def authority_purpose(id: str) -> str:
    """What an authority's private key is encrypted for: its own row."""
    return f"authority/{id}"


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A single-use, expiring token bound to one cluster. Only its hash is ever stored."""

    hash: str
    cluster: str
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str = ""
    """The hex SHA-256 of the public key that joined with it, so that an agent whose answer was lost can ask again,
    and nobody else can."""


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    serial: str
    """Hex."""
    cluster: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None
    authority: str = ""
    """The id of the authority that signed it."""
    key_pin: str = ""
    """The hex SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER)."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority or signing key. `private_key` is encrypted by the caller before it gets here."""

    id: str
    kind: str
    """ca | manifest-signing"""
    certificate: bytes
    """DER certificate, or the raw public key of a signing key."""
    private_key: bytes
    state: str
    """next | active | retiring | retired"""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    id: str
    public_key: bytes
    """Ed25519, 32 bytes."""


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """What an agent is to trust: the authorities of the link, and the keys that vouch for manifest sets."""

    authorities: tuple[bytes, ...]
    """DER certificates; more than one during a rotation."""
    signing_keys: tuple[SigningKey, ...]

    def digest(self) -> bytes:
        """Return the SHA-256 both ends compute over what they hold, whatever the order.

        Over the sorted lines `authority <hex SHA-256 of the DER>` and `signing-key <id> <hex public key>`, each ended
        by a newline.
        """
        lines = [f"authority {hashlib.sha256(der).hexdigest()}\n" for der in self.authorities]
        lines += [f"signing-key {key.id} {key.public_key.hex()}\n" for key in self.signing_keys]
        return hashlib.sha256("".join(sorted(lines)).encode()).digest()
