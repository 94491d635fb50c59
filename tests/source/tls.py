"""Certificates for servers on loopback: good ones, expired ones, and some of an authority that nobody knows."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import trustme


@dataclass
class Authority:
    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def pem(self) -> str:
        return str(self.ca.cert_pem.bytes().decode())

    def server(
        self, name: str = "127.0.0.1", *, expired: bool = False, clients: Authority | None = None
    ) -> ssl.SSLContext:
        """Return what a server shows; with `clients`, it wants a certificate of that authority."""
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name, not_after=until).configure_cert(context)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            clients.ca.configure_trust(context)
        return context

    def client(self) -> tuple[str, str]:
        """Return a client's certificate and its key, as PEM."""
        made = self.ca.issue_cert("client")
        return b"".join(blob.bytes() for blob in made.cert_chain_pems).decode(), made.private_key_pem.bytes().decode()
