"""Keys and certificates of one control plane: a certificate authority, and the service accounts' signing key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class Pki:
    """Files, all in one directory."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def certificate(self) -> Path:
        """For every server of the plane: they all answer on loopback."""
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        return self.directory / "server-key.pem"

    @property
    def service_account_key(self) -> Path:
        return self.directory / "service-accounts-key.pem"


def make_pki(directory: Path) -> Pki:
    directory.mkdir(parents=True, exist_ok=True)
    pki = Pki(directory)
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost", "kubernetes.default.svc")
    authority.cert_pem.write_to_path(str(pki.ca))
    server.private_key_pem.write_to_path(str(pki.key))
    for position, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(str(pki.certificate), append=position > 0)
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pki.service_account_key.write_bytes(
        signing.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pki
