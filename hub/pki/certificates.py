"""X.509 as the link needs it: the three kinds of certificate, requests read with suspicion, and pins.

Pure functions over keys, names and times. What comes from outside is bounded before it is parsed, and whatever the
parser makes of it, the caller meets `Invalid` and nothing else.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.errors import Invalid

MAX_REQUEST = 8 * 1024
"""Bytes of a certificate signing request, PEM or DER."""
MAX_CERTIFICATE = 16 * 1024
"""Bytes of a peer's certificate, PEM or DER."""

_CLUSTER_URI = "escadre://cluster/"
_UID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_PEM = b"-----BEGIN "
# What the parser of cryptography is known to raise on bytes that are not what they should be; the last one where
# warnings are made errors.
_PARSE_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UserWarning,
)


@dataclass(frozen=True, slots=True)
class Validity:
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority that can sign."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


def new_private_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def new_serial() -> int:
    """Return 128 random bits; never 0, which RFC 5280 forbids."""
    return secrets.randbits(128) or 1


def serial_hex(certificate: x509.Certificate) -> str:
    """Return the serial as records have it: 32 hex digits, or more when the issuer was not ours."""
    return f"{certificate.serial_number:032x}"


def key_pin(key: ec.EllipticCurvePublicKey) -> str:
    """Return the hex SHA-256 over the key's SubjectPublicKeyInfo in DER."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(encoding, form)).hexdigest()


def certificate_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """Return the certificate's public key. Raises Invalid when it is not a P-256 key."""
    return _allowed_key(certificate)


def to_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def to_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def check_uid(uid: str) -> str:
    """Return the uid of a cluster if a certificate can carry it. Raises Invalid."""
    if not _UID.fullmatch(uid):
        raise Invalid("a cluster's uid is 1 to 63 letters, digits, dots, dashes and underscores", code="bad-uid")
    return uid


def read_request(data: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key of a certificate signing request, PEM or DER; its names and extensions are not looked at.

    Raises Invalid when it is too large, malformed, not signed by its own key, or the key is not P-256.
    """
    if len(data) > MAX_REQUEST:
        raise Invalid(f"the certificate signing request is larger than {MAX_REQUEST} bytes", code="bad-csr")
    try:
        request = x509.load_pem_x509_csr(data) if _PEM in data else x509.load_der_x509_csr(data)
        key = _allowed_key(request)
        signed = request.is_signature_valid
    except _PARSE_ERRORS as error:
        raise Invalid(
            "the certificate signing request cannot be read: send PKCS #10, PEM or DER", code="bad-csr"
        ) from error
    if not signed:
        raise Invalid("the certificate signing request is not signed by its own key", code="bad-csr")
    return key


def read_certificate(data: bytes) -> x509.Certificate:
    """Return the first certificate of PEM or DER bytes. Raises Invalid when there is none, or they are too many."""
    if len(data) > MAX_CERTIFICATE:
        raise Invalid(f"the certificate is larger than {MAX_CERTIFICATE} bytes", code="bad-certificate")
    try:
        return x509.load_pem_x509_certificate(data) if _PEM in data else x509.load_der_x509_certificate(data)
    except _PARSE_ERRORS as error:
        raise Invalid("the certificate cannot be read: send X.509, PEM or DER", code="bad-certificate") from error


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether the authority's key signed the certificate, whose issuer it also names."""
    try:
        # Names are parsed only now, and may be damaged.
        if certificate.issuer != authority.subject:
            return False
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, *_PARSE_ERRORS):
        return False
    return True


def cluster_of(certificate: x509.Certificate) -> str:
    """Return the uid of the cluster an agent's certificate names.

    Raises Invalid unless it is an end-entity certificate for client authentication whose one name is that of a
    cluster, and whose common name says the same.
    """
    try:
        extensions = certificate.extensions
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        common = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (*_PARSE_ERRORS, x509.ExtensionNotFound) as error:
        raise Invalid("the certificate is not an agent's: extensions are missing", code="bad-certificate") from error
    if is_authority or list(usages) != [ExtendedKeyUsageOID.CLIENT_AUTH]:
        raise Invalid("the certificate is not an agent's: it is made for something else", code="bad-certificate")
    uri = names[0].value if len(names) == 1 and isinstance(names[0], x509.UniformResourceIdentifier) else ""
    uid = uri.removeprefix(_CLUSTER_URI)
    if uri == uid or not _UID.fullmatch(uid) or common != [uid]:
        raise Invalid("the certificate is not an agent's: it does not name one cluster", code="bad-certificate")
    return uid


def build_authority(key: ec.EllipticCurvePrivateKey, validity: Validity) -> x509.Certificate:
    """Return a self-signed authority.

    Its path length is 1, not 0, so that during a rotation it can vouch for its successor (`build_cross`). Names are
    not constrained: nobody but the hub and its agents trusts it, and host names change without a new authority.
    """
    name = _authority_name(key.public_key())
    builder = _builder(name, name, key.public_key(), key.public_key(), validity)
    return _sign(_as_authority(builder, path_length=1), key)


def build_cross(subject: x509.Certificate, by: Issuer, validity: Validity) -> x509.Certificate:
    """Return the other authority's name and key, certified by this one: who trusts only this one trusts both."""
    key = certificate_key(subject)
    builder = _builder(subject.subject, by.certificate.subject, key, by.private_key.public_key(), validity)
    return _sign(_as_authority(builder, path_length=0), by.private_key)


def build_server(
    key: ec.EllipticCurvePublicKey, names: tuple[str, ...], by: Issuer, validity: Validity
) -> x509.Certificate:
    """Return a server's certificate for host names and IP addresses. Raises Invalid for a name that is neither."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Escadre hub")])
    builder = _builder(subject, by.certificate.subject, key, by.private_key.public_key(), validity)
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    builder = builder.add_extension(alternatives, critical=False)
    return _sign(_as_leaf(builder, ExtendedKeyUsageOID.SERVER_AUTH), by.private_key)


def build_agent(key: ec.EllipticCurvePublicKey, cluster: str, by: Issuer, validity: Validity) -> x509.Certificate:
    """Return an agent's certificate, which names its cluster and nothing else. Raises Invalid for an unusable uid."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, check_uid(cluster))])
    builder = _builder(subject, by.certificate.subject, key, by.private_key.public_key(), validity)
    uri = x509.UniformResourceIdentifier(_CLUSTER_URI + cluster)
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    return _sign(_as_leaf(builder, ExtendedKeyUsageOID.CLIENT_AUTH), by.private_key)


def _allowed_key(holder: x509.Certificate | x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    try:
        key = holder.public_key()
    except _PARSE_ERRORS as error:
        raise Invalid("the public key cannot be read: use ECDSA P-256", code="bad-key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid("this kind of key is not accepted: use ECDSA P-256", code="bad-key")
    return key


def _authority_name(key: ec.EllipticCurvePublicKey) -> x509.Name:
    # Successors differ in name too, so that a chain is found by name alone.
    common = f"Escadre authority {key_pin(key)[:12]}"
    attributes = [(NameOID.ORGANIZATION_NAME, "Escadre"), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if len(text) > 253 or not re.fullmatch(rf"(?:\*\.)?{label}(?:\.{label})*", text):
        raise Invalid(f"{text!r} is neither a host name nor an IP address", code="bad-server-name")
    return x509.DNSName(text)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(new_serial())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _as_leaf(builder: x509.CertificateBuilder, usage: x509.ObjectIdentifier) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())
