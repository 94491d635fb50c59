"""The authorities in force, loaded from the store and decrypted, as one value that is replaced whole.

A rotation changes several records; a reader holds one keyring and never sees half a change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from hub.domain.pki import Authority, AuthorityKind, AuthorityState, SigningKey, TrustBundle, authority_purpose
from hub.errors import HubError
from hub.pki.certificates import Issuer, Validity, build_authority, certificate_key, key_pin, new_private_key, to_der
from hub.pki.contract import Sealer

_ID_DIGITS = 16


class AuthorityDamaged(HubError):
    """A stored authority cannot be read although it was decrypted."""

    code = "authority-damaged"


@dataclass(frozen=True, slots=True)
class LoadedAuthority:
    record: Authority
    issuer: Issuer

    @property
    def certificate(self) -> x509.Certificate:
        return self.issuer.certificate


@dataclass(frozen=True, slots=True)
class LoadedSigner:
    record: Authority
    private_key: ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Keyring:
    """Newest first. `retired` are the certificates that nothing is trusted by any more."""

    authorities: tuple[LoadedAuthority, ...] = ()
    signers: tuple[LoadedSigner, ...] = ()
    retired: tuple[x509.Certificate, ...] = ()

    @property
    def active(self) -> LoadedAuthority:
        return next(a for a in self.authorities if a.record.state == AuthorityState.ACTIVE)

    @property
    def signer(self) -> LoadedSigner:
        return next(s for s in self.signers if s.record.state == AuthorityState.ACTIVE)

    def records(self, state: AuthorityState) -> list[Authority]:
        """Return the records of one state, of both kinds."""
        loaded = [a.record for a in self.authorities] + [s.record for s in self.signers]
        return [record for record in loaded if record.state == state]

    def bundle(self) -> TrustBundle:
        return TrustBundle(
            authorities=tuple(a.record.certificate for a in self.authorities),
            signing_keys=tuple(SigningKey(s.record.id, s.record.certificate) for s in self.signers),
        )


def load_keyring(records: Iterable[Authority], sealer: Sealer) -> Keyring:
    """Decrypt what is stored. Raises KeyFileError with the wrong key file, AuthorityDamaged for unreadable records."""
    ordered = sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)
    in_force = [record for record in ordered if record.state != AuthorityState.RETIRED]
    gone = [r for r in ordered if r.state == AuthorityState.RETIRED and r.kind == AuthorityKind.CA]
    return Keyring(
        authorities=tuple(_load_authority(r, sealer) for r in _one_active(in_force, AuthorityKind.CA)),
        signers=tuple(_load_signer(r, sealer) for r in _one_active(in_force, AuthorityKind.MANIFEST_SIGNING)),
        retired=tuple(_read_certificate(record) for record in gone),
    )


def new_authority(state: AuthorityState, at: datetime, validity: Validity, sealer: Sealer) -> Authority:
    key = new_private_key()
    id = key_pin(key.public_key())[:_ID_DIGITS]
    certificate = to_der(build_authority(key, validity))
    return Authority(id, AuthorityKind.CA.value, certificate, _seal_key(key, id, sealer), state.value, at)


def new_signer(state: AuthorityState, at: datetime, sealer: Sealer) -> Authority:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    id = hashlib.sha256(public).hexdigest()[:_ID_DIGITS]
    return Authority(id, AuthorityKind.MANIFEST_SIGNING.value, public, _seal_key(key, id, sealer), state.value, at)


def _seal_key(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, id: str, sealer: Sealer) -> bytes:
    encoding, form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    return sealer.seal(key.private_bytes(encoding, form, serialization.NoEncryption()), authority_purpose(id))


def _one_active(records: list[Authority], kind: AuthorityKind) -> list[Authority]:
    """Return the records of a kind, with the newest active one as the only active one.

    Two are found when two replicas made the first one at the same time, or a rotation was cut short: every replica
    then chooses the same, and goes on trusting the other.
    """
    found = False
    result = []
    for record in records:
        if record.kind != kind:
            continue
        if record.state == AuthorityState.ACTIVE:
            result.append(replace(record, state=AuthorityState.RETIRING.value) if found else record)
            found = True
        else:
            result.append(record)
    return result


def _load_authority(record: Authority, sealer: Sealer) -> LoadedAuthority:
    certificate = _read_certificate(record)
    key = _read_private_key(record, sealer)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate_key(certificate):
        raise AuthorityDamaged(f"the stored authority {record.id} has another one's private key")
    return LoadedAuthority(record, Issuer(certificate, key))


def _load_signer(record: Authority, sealer: Sealer) -> LoadedSigner:
    key = _read_private_key(record, sealer)
    if not isinstance(key, ed25519.Ed25519PrivateKey) or key.public_key().public_bytes_raw() != record.certificate:
        raise AuthorityDamaged(f"the stored signing key {record.id} has another one's private key")
    return LoadedSigner(record, key)


def _read_certificate(record: Authority) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(record.certificate)
    except ValueError as error:
        raise AuthorityDamaged(f"the stored certificate of authority {record.id} cannot be read") from error


def _read_private_key(record: Authority, sealer: Sealer) -> object:
    try:
        return serialization.load_der_private_key(sealer.unseal(record.private_key, authority_purpose(record.id)), None)
    except ValueError as error:
        raise AuthorityDamaged(f"the stored private key of authority {record.id} cannot be read") from error
