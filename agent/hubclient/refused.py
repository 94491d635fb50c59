"""Whether the gateway refuses this agent's certificate. gRPC says of a connection only that it failed, whatever for; a
certificate that is refused needs another one, and the hub can say why over its other port.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from agent.hubclient import files
from agent.hubclient.exchange import Address, parse_address
from agent.hubclient.identity import Identity
from agent.hubclient.trust import tls_context

_SECONDS = 10.0


async def certificate_refused(identity: Identity) -> bool:
    """Tell whether the gateway, having proved to be this agent's hub, ends the connection once it has seen the agent's
    certificate. False for everything else: nobody answers, somebody else does, or all is well."""
    address, authorities = parse_address(identity.gateway()), identity.trust.authorities
    return await asyncio.to_thread(_refused, address, authorities, identity.directory)


def _refused(address: Address, authorities: Sequence[bytes], directory: Path) -> bool:
    try:
        context = tls_context(authorities)
        # In 1.3 the server is verified before it sees the client's certificate: what comes after is its answer to that.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(directory / files.CERTIFICATE, directory / files.KEY, password=lambda: b"")
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection((address.host, address.port), timeout=_SECONDS)
    except (OSError, ValueError):
        return False
    with raw:
        try:
            tls = context.wrap_socket(raw, server_hostname=address.host)
        except OSError:
            return False
        with tls:
            try:
                # A gateway that takes the certificate speaks first.
                return tls.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True
