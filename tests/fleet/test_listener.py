"""The agents' port: its certificate changes while it serves, and a port that is taken is told as such."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from escadre.v1 import agent_pb2 as pb
from hub.errors import Unavailable
from hub.fleet.listener import AgentListener
from hub.server import Hub
from tests.fleet.handmade import Clients, Identity, enrol


def served(hub: Hub, identity: Identity, pair: Path) -> x509.Certificate:
    """The certificate a new connection is shown."""
    context = ssl.create_default_context(cadata=identity.authorities.decode())
    pair.write_bytes(identity.issued.pem + identity.key.pem)
    context.load_cert_chain(pair)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", hub.agent_port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        der = wrapped.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


async def test_a_new_certificate_is_served_at_once_and_open_streams_stay(
    hub: Hub, clients: Clients, tmp_path: Path
) -> None:
    path = tmp_path / "pair.pem"
    identity = await enrol(hub, "paris")
    client = clients.dial(identity)
    await client.hello()
    before = await asyncio.to_thread(served, hub, identity, path)
    await hub.trust.pki.prepare_rotation()
    assert await hub.trust.certificate.refresh()
    after = await asyncio.to_thread(served, hub, identity, path)
    assert after.serial_number != before.serial_number

    await hub.trust.pki.activate_rotation(force=True)
    await hub.trust.certificate.refresh()
    rotated = await asyncio.to_thread(served, hub, identity, path)
    assert rotated.issuer != after.issuer, "signed by the next authority, vouched for by the old"
    await client.say(status=pb.StatusReport(sequence=2))
    assert (await client.until("status_receipt")).sequence == 2


async def test_agents_of_the_next_authority_are_let_in_by_a_gateway_that_runs(hub: Hub, clients: Clients) -> None:
    await clients.join("old")
    await hub.trust.pki.prepare_rotation()
    await hub.trust.pki.activate_rotation(force=True)
    await hub.trust.certificate.refresh()
    new = clients.dial(await enrol(hub, "oslo"))
    assert (await new.hello()).welcome.cluster == "oslo"
    assert len((await new.until("trust")).authorities) == 2


async def test_a_port_that_is_taken_is_told_as_such(hub: Hub) -> None:
    assert hub._gateway is not None
    other = AgentListener(hub._gateway, hub._server_identity)
    with pytest.raises(Unavailable, match=f"port {hub.agent_port} for agents cannot be opened on 127.0.0.1"):
        await other.start("127.0.0.1", hub.agent_port)
