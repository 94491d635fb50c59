from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from agent.hubclient.der import key_pin, pem_blocks, public_key_info
from agent.hubclient.trust import TrustBundle
from hub.pki import certificates
from hub.pki.certificates import Validity, build_authority, new_private_key
from tests.search import examples


@cache
def authority() -> tuple[bytes, str]:
    """A certificate in DER, and its pin as the hub prints it."""
    now = datetime.now(UTC)
    certificate = build_authority(new_private_key(), Validity(now, now + timedelta(days=3650)))
    return certificates.to_der(certificate), certificates.key_pin(certificates.certificate_key(certificate))


def test_pin_is_the_one_the_hub_prints() -> None:
    der, pin = authority()
    assert key_pin(der) == pin


def test_pin_of_certificates_of_other_makers() -> None:
    """Long names make lengths of one, two and three bytes."""
    import trustme

    for length in (1, 100, 200):
        made = trustme.CA(organization_name="o" * min(length, 60), organization_unit_name="u" * min(length, 60))
        der = ssl.PEM_cert_to_DER_cert(made.cert_pem.bytes().decode())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        expected = x509.load_der_x509_certificate(der).public_key().public_bytes(serialization.Encoding.DER, form)
        assert public_key_info(der) == expected


@given(st.one_of(st.binary(max_size=300), st.builds(lambda n: authority()[0][:n], st.integers(0, 1000))))
def test_anything_else_is_a_value_error(content: bytes) -> None:
    if content != authority()[0]:
        with pytest.raises(ValueError):
            public_key_info(content)


@given(st.data())
@examples(400)
def test_what_has_the_pin_has_the_key_for_openssl_too(data: st.DataObject) -> None:
    """However a certificate is tampered with: when the walk here finds the pinned key in it, OpenSSL either finds the
    same key there, or takes it for no certificate."""
    der, pin = authority()
    content = bytearray(der)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    tampered = bytes(content)
    try:
        found = key_pin(tampered)
    except ValueError:
        return
    if found != pin:
        return
    try:
        key = x509.load_der_x509_certificate(tampered).public_key()
    except (ValueError, UserWarning, x509.InvalidVersion):
        return
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    assert key.public_bytes(serialization.Encoding.DER, form) == public_key_info(der)


def test_lengths_that_are_not_der_are_refused() -> None:
    der, _ = authority()
    body = der[4:]
    assert der[0:2] == b"\x30\x82"
    length = len(body)
    for start in (
        b"\x30\x80",
        b"\x30\x83\x00" + length.to_bytes(2, "big"),
        b"\x30\x84" + length.to_bytes(4, "big"),
        b"\x30\x82" + (length + 1).to_bytes(2, "big"),
        b"\x30\x82" + (length - 1).to_bytes(2, "big"),
        b"\x31\x82" + length.to_bytes(2, "big"),
    ):
        with pytest.raises(ValueError):
            public_key_info(start + body)
    with pytest.raises(ValueError, match="after the certificate"):
        public_key_info(der + b"\x00")


def test_pem_blocks_of_the_label_and_no_more_than_wanted() -> None:
    pem = ssl.DER_cert_to_PEM_cert(authority()[0])
    other = pem.replace("CERTIFICATE", "PRIVATE KEY")
    assert pem_blocks("text\n" + pem + other + pem, "CERTIFICATE", 2) == [authority()[0]] * 2
    for text, limit in ((pem * 3, 2), (other, 1), ("", 1)):
        with pytest.raises(ValueError, match="blocks of CERTIFICATE"):
            pem_blocks(text, "CERTIFICATE", limit)


@given(st.one_of(st.text(max_size=300), st.from_regex(r"-----BEGIN [A-Z ]{0,9}-----\s[A-Za-z0-9+/=\s]*-----END .*")))
def test_pem_of_anything_is_a_value_error_or_bytes(text: str) -> None:
    try:
        assert all(isinstance(block, bytes) for block in pem_blocks(text, "CERTIFICATE", 3))
    except ValueError:
        return


@given(st.lists(st.binary(max_size=60), max_size=3), st.dictionaries(st.text(max_size=3), st.binary(max_size=33)))
@examples(100)
def test_trust_of_anything_is_a_value_error(authorities: list[bytes], keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError):
        TrustBundle(tuple(authorities), keys).check()


@given(st.binary(max_size=40), st.binary(max_size=70), st.text(max_size=3))
def test_no_signature_of_anything_holds(digest: bytes, signature: bytes, key_id: str) -> None:
    assert not TrustBundle((), {"k": b"\x01" * 32}).vouches(digest, signature, key_id)
