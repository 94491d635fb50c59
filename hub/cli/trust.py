"""Whom to believe, the first time: a hub's authority is checked against its pin before anything secret is sent.

A pin is `sha256:` and the hex SHA-256 over the SubjectPublicKeyInfo of the authority's certificate, the same that
agents are given.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import replace

from hub.cli.client import HubApi
from hub.cli.config import Context
from hub.cli.errors import HubAway, Misuse, NotTrusted

PIN = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_AUTHORITIES = 16
_LARGEST_PEM = 16 * 1024


def check_pin(text: str) -> str:
    """Raises Misuse."""
    if not PIN.fullmatch(text):
        raise Misuse("--ca-pin is sha256: and 64 hexadecimal digits, as the hub prints it at its start")
    return text


def pin_of(pem: str) -> str:
    """Return the pin of a certificate in PEM. Raises ValueError when it is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    return "sha256:" + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def is_trusted_already(server: str, timeout: float) -> bool:
    """Tell whether the authorities of this system vouch for the hub. Raises HubAway."""
    api = HubApi(Context(server, server), timeout=timeout)
    try:
        api.get("/version")
    except NotTrusted:
        return False
    finally:
        api.close()
    return True


def shown_authorities(server: str, timeout: float) -> dict[str, str]:
    """Return what a hub that nobody has vouched for yet says are its authorities, PEM by pin. Nothing secret is sent.

    Raises HubAway, NotTrusted."""
    return _authorities(Context(server, server, insecure=True), timeout)


def pinned_authorities(server: str, pins: Sequence[str], timeout: float) -> str:
    """Return the PEM of all the hub's authorities, as told over a connection that one with a given pin vouches for.

    Raises NotTrusted when the hub has none of them, or cannot prove it."""
    shown = shown_authorities(server, timeout)
    wanted = [pem for pin, pem in shown.items() if pin in pins]
    if not wanted:
        raise NotTrusted(
            f"the authority that {server.removeprefix('https://')} shows has the pin {' and '.join(shown)}, not "
            f"{' or '.join(pins)}: either the pin is an old one, or something stands in between"
        )
    vouched = Context(server, server, ca="".join(wanted))
    return "".join(_authorities(vouched, timeout).values())


def _authorities(context: Context, timeout: float) -> dict[str, str]:
    api = HubApi(context, timeout=timeout)
    try:
        reply = api.call("GET", "/authorities", prefix="/agent/v1")
    finally:
        api.close()
    found = reply.get("authorities")
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST_AUTHORITIES:
        raise HubAway("the hub does not say which authorities it has: is it an Escadre hub?")
    try:
        return {pin_of(pem): _normal(pem) for pem in found if isinstance(pem, str) and len(pem) <= _LARGEST_PEM}
    except ValueError as error:
        raise NotTrusted("an authority that the hub shows is no certificate") from error


def _normal(pem: str) -> str:
    """Return one certificate and nothing else of a PEM text."""
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem.strip()))


def with_authorities(context: Context, ca: str) -> Context:
    return replace(context, ca=ca, insecure=False)
