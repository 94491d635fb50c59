"""Whom an agent believes: the authorities of the link, and the keys that vouch for manifest sets, as one value."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from agent.hubclient.der import MAX_CERTIFICATE

MAX_AUTHORITIES = 8
MAX_SIGNING_KEYS = 16
SIGNING_CONTEXT = b"escadre/v1/manifest-set\x00"
"""Stands before the digest in what the hub signs."""


@dataclass(frozen=True, slots=True)
class TrustBundle:
    authorities: tuple[bytes, ...]
    """DER certificates; more than one during a rotation."""
    signing_keys: Mapping[str, bytes]
    """Ed25519 public keys, 32 bytes, by id."""

    def check(self) -> None:
        """Raises ValueError, which says what is wrong, unless these are certificates and keys, not none, and not too
        many."""
        authorities, keys = self.authorities, self.signing_keys
        if not 1 <= len(authorities) <= MAX_AUTHORITIES or not 1 <= len(keys) <= MAX_SIGNING_KEYS:
            raise ValueError(f"{len(authorities)} authorities and {len(keys)} signing keys")
        if any(len(key) != 32 or not 1 <= len(id) <= 64 or not id.isprintable() for id, key in keys.items()):
            raise ValueError("a signing key that is none")
        if any(len(der) > MAX_CERTIFICATE for der in authorities) or not _are_authorities(authorities):
            raise ValueError("an authority that is none")

    def digest(self) -> str:
        """Return the hex SHA-256 that the hub computes over the same bundle, whatever the order: over the sorted lines
        `authority <hex SHA-256 of the DER>` and `signing-key <id> <hex public key>`, each ended by a newline."""
        lines = [f"authority {hashlib.sha256(der).hexdigest()}\n" for der in self.authorities]
        lines += [f"signing-key {id} {key.hex()}\n" for id, key in self.signing_keys.items()]
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    def vouches(self, digest: bytes, signature: bytes, key_id: str) -> bool:
        """Tell whether the key of that id signed the digest, in the context of manifest sets."""
        key = self.signing_keys.get(key_id)
        if key is None or len(signature) != 64:
            return False
        try:
            VerifyKey(key).verify(SIGNING_CONTEXT + digest, signature)
        except CryptoError:
            return False
        return True


def to_pem(certificates: Iterable[bytes]) -> bytes:
    """Return DER certificates in PEM, one after the other."""
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates).encode()


def tls_context(authorities: Iterable[bytes]) -> ssl.SSLContext:
    """Return a client's context that believes these (DER) and nobody else. Raises ssl.SSLError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    together = b"".join(authorities)
    if together:
        context.load_verify_locations(cadata=together)
    return context


def _are_authorities(certificates: tuple[bytes, ...]) -> bool:
    try:
        read = tls_context(certificates).get_ca_certs(binary_form=True)
    except (ssl.SSLError, ValueError):
        return False
    return set(read) == set(certificates)
