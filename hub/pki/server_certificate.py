"""The hub's own certificate: short-lived, made by each replica for itself, and replaced while it serves.

Nothing of it is stored. What serves TLS subscribes, and gets the new certificate together with the authorities that
peers are judged by, whenever either changes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from hub.domain.pki import TrustBundle
from hub.errors import HubError
from hub.pki.authority import PublicKeyInfrastructure
from hub.pki.certificates import new_private_key, to_pem
from hub.pki.contract import Clock

log = logging.getLogger(__name__)

POLL_SECONDS = 60.0
"""How often the authorities are read again; less than `PkiSettings.overlap`."""


@dataclass(frozen=True, slots=True)
class ServerMaterial:
    """Everything one end of a mutual-TLS listener needs, in PEM."""

    certificate_chain: bytes
    private_key: bytes
    client_authorities: bytes
    """What clients' certificates are verified against."""
    not_before: datetime
    not_after: datetime

    def load_into(self, context: ssl.SSLContext) -> None:
        """Give the certificate to a context, which uses it from the next handshake on.

        OpenSSL reads it from files; they are gone, and were readable by this user only, when this returns.
        """
        with tempfile.TemporaryDirectory(prefix="escadre-") as directory:
            chain, key = Path(directory, "chain.pem"), Path(directory, "key.pem")
            chain.write_bytes(self.certificate_chain)
            key.write_bytes(self.private_key)
            context.load_cert_chain(chain, key)


Listener = Callable[[ServerMaterial], None]


class ServerCertificate:
    """Call `refresh` once before `current`; then keep `run` running."""

    def __init__(self, pki: PublicKeyInfrastructure, clock: Clock) -> None:
        self._pki = pki
        self._clock = clock
        self._current: ServerMaterial | None = None
        self._issued_for = TrustBundle((), ())
        self._issued_by = ""
        self._listeners: list[Listener] = []

    @property
    def current(self) -> ServerMaterial:
        if self._current is None:
            raise RuntimeError("refresh was not called")
        return self._current

    def subscribe(self, listener: Listener) -> None:
        """Have `listener` called with every later certificate, on the loop that runs `refresh`; it must not block."""
        self._listeners.append(listener)

    async def refresh(self) -> bool:
        """Read the authorities, and issue anew when they changed or two thirds of the certificate's life are over.
        Returns whether it did."""
        await self._pki.reload()
        if not self._due():
            return False
        self._current = self._issue()
        for listener in self._listeners:
            listener(self._current)
        return True

    async def run(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Refresh for ever. A refresh that fails is tried again at the next poll: the certificate has days left."""
        while True:
            try:
                if await self.refresh():
                    log.info("the hub's certificate is new, until %s", self.current.not_after.isoformat())
            except HubError as error:
                log.warning("could not refresh the hub's certificate: %s", error)
            await asyncio.sleep(poll_seconds)

    def _due(self) -> bool:
        if self._current is None or self._pki.keyring.active.record.id != self._issued_by:
            return True
        if self._pki.trust_bundle() != self._issued_for:
            return True
        life = self._current.not_after - self._current.not_before
        return self._clock() >= self._current.not_before + life * 2 / 3

    def _issue(self) -> ServerMaterial:
        key = new_private_key()
        chain = self._pki.issue_server(key.public_key())
        self._issued_for = self._pki.trust_bundle()
        self._issued_by = self._pki.keyring.active.record.id
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return ServerMaterial(
            certificate_chain=to_pem(*chain),
            private_key=key.private_bytes(encoding, form, serialization.NoEncryption()),
            client_authorities=to_pem(*(a.certificate for a in self._pki.keyring.authorities)),
            not_before=chain[0].not_valid_before_utc,
            not_after=chain[0].not_valid_after_utc,
        )
