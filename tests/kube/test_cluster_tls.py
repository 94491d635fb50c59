"""Certificates: which are refused at once, and that a replaced one is taken up."""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from agent.errors import ConfigError
from agent.kube.cluster import tls
from agent.kube.cluster.credentials import Auth
from agent.kube.cluster.tls import TlsContexts, build_context
from agent.kube.connection import Connection, Pem
from tests.kube.serving import authority

SERVER = "https://127.0.0.1:1"


def pair() -> tuple[Pem, Pem]:
    leaf = authority().issue_cert("agent@example.org", key_type=trustme.KeyType.ECDSA)
    return Pem(data=leaf.cert_chain_pems[0].bytes()), Pem(data=leaf.private_key_pem.bytes())


def in_files(directory: Path, certificate: Pem, key: Pem) -> tuple[Pem, Pem]:
    (directory / "tls.crt").write_bytes(certificate.data)
    (directory / "tls.key").write_bytes(key.data)
    return Pem(directory / "tls.crt"), Pem(directory / "tls.key")


def test_trusts_the_given_authority_and_no_other() -> None:
    context = build_context(Connection(SERVER, ca=Pem(data=authority().cert_pem.bytes())))
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_trusts_the_system_without_one() -> None:
    context = build_context(Connection(SERVER))
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_insecure_is_asked_for_in_words() -> None:
    context = build_context(Connection(SERVER, insecure=True))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_bundle_may_carry_comments_in_any_language() -> None:
    bundle = "# Zertifizierungsstelle für alle\n".encode() + authority().cert_pem.bytes()
    assert build_context(Connection(SERVER, ca=Pem(data=bundle))).get_ca_certs()


@pytest.mark.parametrize(
    "data", [b"", b"text", b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n", b"\xff\x00"]
)
def test_refuses_what_is_no_authority(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match="certificate-authority-data"):
        build_context(Connection(SERVER, ca=Pem(data=data)))
    (tmp_path / "ca").write_bytes(data)
    with pytest.raises(ConfigError, match=str(tmp_path / "ca")):
        build_context(Connection(SERVER, ca=Pem(tmp_path / "ca")))


def test_refuses_an_authority_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        build_context(Connection(SERVER, ca=Pem(tmp_path / "ca")))


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_key_given_in_place_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    certificate, key = pair()
    before = len(os.listdir("/proc/self/fd"))
    build_context(Connection(SERVER, client_cert=certificate, client_key=key))
    assert not list(tmp_path.iterdir())
    assert len(os.listdir("/proc/self/fd")) == before


def test_refuses_a_key_that_is_another_s_or_encrypted() -> None:
    certificate, key = pair()
    with pytest.raises(ConfigError, match="cannot be used with its key"):
        build_context(Connection(SERVER, client_cert=certificate, client_key=pair()[1]))
    loaded = serialization.load_pem_private_key(key.data, None)
    encrypted = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    with pytest.raises(ConfigError, match="cannot be used with its key"):
        build_context(Connection(SERVER, client_cert=certificate, client_key=Pem(data=encrypted)))


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = time.monotonic() + tls.CHECK_SECONDS
    monkeypatch.setattr("time.monotonic", lambda: moment)


def test_a_replaced_certificate_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = in_files(tmp_path, *pair())
    contexts = TlsContexts(Connection(SERVER, client_cert=certificate, client_key=key))
    auth = Auth()
    first = contexts.get(auth)
    replacement = tmp_path / "new"
    replacement.mkdir()
    in_files(replacement, *pair())
    (replacement / "tls.crt").rename(tmp_path / "tls.crt")
    assert contexts.get(auth) is first
    later(monkeypatch)
    assert contexts.get(auth) is first  # the key is not that certificate's yet
    (replacement / "tls.key").rename(tmp_path / "tls.key")
    moment = time.monotonic() + tls.CHECK_SECONDS
    monkeypatch.setattr("time.monotonic", lambda: moment)
    assert contexts.get(auth) is not first


def test_an_unchanged_certificate_keeps_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = in_files(tmp_path, *pair())
    contexts = TlsContexts(Connection(SERVER, client_cert=certificate, client_key=key))
    first = contexts.get(Auth())
    later(monkeypatch)
    assert contexts.get(Auth()) is first


def test_a_plugin_s_certificate_makes_another_context() -> None:
    contexts = TlsContexts(Connection(SERVER))
    first = contexts.get(Auth())
    auth = Auth((), *pair())
    second = contexts.get(auth)
    assert second is not first
    assert contexts.get(auth) is second
    with pytest.raises(ConfigError):
        contexts.get(Auth((), Pem(data=b"x"), Pem(data=b"y")))
