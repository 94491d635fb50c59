"""TLS contexts, made anew when a certificate file is replaced or a plugin hands out another certificate."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.errors import ConfigError
from agent.kube.cluster.credentials import Auth
from agent.kube.connection import Connection, Pem

CHECK_SECONDS = 60.0

Stamp = tuple[tuple[int, int], ...]


class TlsContexts:
    """The context to connect with now. A connection that is open keeps the one it was opened with."""

    def __init__(self, connection: Connection) -> None:
        """Raises ConfigError where a certificate or key cannot be used."""
        self._connection = connection
        self._files = [p.file for p in (connection.ca, connection.client_cert, connection.client_key) if p and p.file]
        self._stamp = self._read_stamp()
        self._check_at = time.monotonic() + CHECK_SECONDS
        self._certificate: Pem | None = None
        self._context = build_context(connection)

    def get(self, auth: Auth) -> ssl.SSLContext:
        """Return the context for a credential."""
        if auth.certificate is not self._certificate or (self._files and time.monotonic() >= self._check_at):
            self._renew(auth)
        return self._context

    def _renew(self, auth: Auth) -> None:
        self._check_at = time.monotonic() + CHECK_SECONDS
        stamp = self._read_stamp()
        if stamp == self._stamp and auth.certificate is self._certificate:
            return
        try:
            context = build_context(self._connection, auth.certificate, auth.key)
        except ConfigError:
            if auth.certificate is not self._certificate:
                raise
            return  # caught between the certificate's file and the key's; the next check finds both
        self._context, self._stamp, self._certificate = context, stamp, auth.certificate

    def _read_stamp(self) -> Stamp:
        stamps = []
        for file in self._files:
            with contextlib.suppress(OSError):
                status = file.stat()
                stamps.append((status.st_mtime_ns, status.st_ino))
        return tuple(stamps)


def build_context(connection: Connection, certificate: Pem | None = None, key: Pem | None = None) -> ssl.SSLContext:
    """Return a context that trusts what the connection says. Raises ConfigError."""
    context = _trusting(connection.ca)
    # Python 3.13 demands extensions that the certificates of many clusters, made by older kubeadm, do not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = (certificate, key) if certificate else (connection.client_cert, connection.client_key)
    if certificate and key:
        _load_pair(context, certificate, key)
    return context


def _trusting(ca: Pem | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    name = ca.file or "certificate-authority-data"
    try:
        text = ca.read().decode("ascii", "ignore")  # bundles carry comments in any language
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise ConfigError(f"{name}: holds no PEM certificate")
        return ssl.create_default_context(cadata=text)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"{name}: cannot be used as certificate authority: {_why(error)}") from error


def _load_pair(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    name = certificate.file or "client-certificate-data"
    try:
        with _as_file(certificate) as cert_path, _as_file(key) as key_path:
            # An encrypted key would be asked for on the terminal; an empty password makes it an error instead.
            context.load_cert_chain(cert_path, key_path, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: cannot be used with its key: {_why(error)}") from error


def _why(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__


@contextlib.contextmanager
def _as_file(pem: Pem) -> Iterator[Path]:
    """OpenSSL reads keys from files only; one given in place becomes a file that is in memory, where the system can."""
    if pem.file is not None:
        yield pem.file
        return
    descriptor, path = _memory_file() if hasattr(os, "memfd_create") else _temporary_file()
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(pem.data)
        yield path
    finally:
        os.close(descriptor)
        if path.parent != _DESCRIPTORS:
            path.unlink()


_DESCRIPTORS = Path("/proc/self/fd")


def _memory_file() -> tuple[int, Path]:
    descriptor = os.memfd_create("key")
    return descriptor, _DESCRIPTORS / str(descriptor)


def _temporary_file() -> tuple[int, Path]:
    descriptor, name = tempfile.mkstemp()  # readable by this user only
    return descriptor, Path(name)
