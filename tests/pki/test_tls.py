"""What the certificates are for: real handshakes, between the hub's listener and agents that hold what it issued."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.pki.certificates import to_pem
from hub.pki.contract import PkiSettings
from hub.pki.server_certificate import ServerMaterial
from tests.pki.memory_store import MemoryStore
from tests.pki.support import AgentKey, Clock, HubTrust
from tests.pki.tls import call, gateway, served_leaf


def trusted(hub: HubTrust) -> bytes:
    return hub.server.current.client_authorities


async def test_agent_and_hub_know_each_other(hub: HubTrust) -> None:
    key = AgentKey()
    issued = await hub.join("c-1", key)
    async with gateway(hub) as port:
        assert await call(port, trusted(hub), key, issued.pem) == "c-1"


async def test_agent_without_a_certificate_or_with_another_hubs_is_refused(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    foreign = await (await HubTrust(MemoryStore(clock), clock).start()).join("c-1", key)
    async with gateway(hub) as port:
        for credentials in ((None, None), (key, foreign.pem)):
            with pytest.raises(ConnectionError, match="UNAVAILABLE"):
                await call(port, trusted(hub), *credentials)


@pytest.mark.parametrize("hours", [-48, 1])
async def test_agent_with_an_expired_or_future_certificate_is_refused(hub: HubTrust, clock: Clock, hours: int) -> None:
    key = AgentKey()
    clock.advance(hours=hours)
    issued = await hub.join("c-1", key)
    clock.advance(hours=-hours)
    async with gateway(hub) as port:
        with pytest.raises(ConnectionError, match="UNAVAILABLE"):
            await call(port, trusted(hub), key, issued.pem)


async def test_agent_whose_hub_is_minutes_ahead_is_served(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    clock.advance(minutes=4)
    issued = await hub.join("c-1", key)
    clock.advance(minutes=-4)
    async with gateway(hub) as port:
        assert await call(port, trusted(hub), key, issued.pem) == "c-1"


async def test_revoked_agent_passes_tls_and_is_refused_by_the_gateway(hub: HubTrust) -> None:
    key = AgentKey()
    issued = await hub.join("c-1", key)
    await hub.revocations.revoke("c-1")
    async with gateway(hub) as port:
        with pytest.raises(ConnectionError, match="UNKNOWN"):
            await call(port, trusted(hub), key, issued.pem)


async def test_agent_trusts_no_other_hub_and_no_agent_that_poses_as_one(hub: HubTrust, clock: Clock) -> None:
    key, rogue = AgentKey(), AgentKey()
    issued, rogues = await hub.join("c-1", key), await hub.join("c-2", rogue)
    foreign = await HubTrust(MemoryStore(clock), clock).start()
    async with gateway(foreign) as port:
        with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await call(port, trusted(hub), key, issued.pem)
    hub.server._current = replace(hub.server.current, certificate_chain=rogues.pem, private_key=rogue.pem)
    async with gateway(hub) as port:
        with pytest.raises(ConnectionError, match="UNAVAILABLE"):
            await call(port, trusted(hub), key, issued.pem)


async def test_rotation_from_end_to_end_under_a_listener_that_never_restarts(hub: HubTrust, tmp_path: Path) -> None:
    key, late = AgentKey(), AgentKey()
    old, only_old = await hub.join("c-1", key), trusted(hub)
    async with gateway(hub) as port:
        await hub.pki.prepare_rotation()
        assert await hub.server.refresh()
        both = trusted(hub)
        for trust in (only_old, both):
            assert await call(port, trust, key, old.pem) == "c-1"

        await hub.pki.activate_rotation(force=True)
        assert await hub.server.refresh()
        only_new = to_pem(hub.pki.keyring.active.certificate)
        new = await hub.join("c-2", late)
        # The agent that was away all along, the one that kept up, and the one that joined with the new pin.
        assert await call(port, only_old, key, old.pem) == "c-1"
        assert await call(port, both, key, old.pem) == "c-1"
        assert await call(port, only_new, late, new.pem) == "c-2"
        for trust in (only_old, both, only_new):
            leaf = await asyncio.to_thread(served_leaf, port, trust, tmp_path, late, new.pem)
            assert leaf.issuer == hub.pki.keyring.active.certificate.subject

        await hub.pki.retire(force=True)
        assert await hub.server.refresh()
        assert await call(port, only_new, late, new.pem) == "c-2"
        with pytest.raises(ConnectionError):
            await call(port, both, key, old.pem)
        with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            await call(port, only_old, late, new.pem)


async def test_hubs_certificate_is_renewed_while_it_serves(hub: HubTrust, clock: Clock, tmp_path: Path) -> None:
    clock.advance(days=-21)
    hub = await HubTrust(MemoryStore(clock), clock).start()
    clock.advance(days=21)
    key, heard = AgentKey(), list[ServerMaterial]()
    issued = await hub.join("c-1", key)
    hub.server.subscribe(heard.append)
    async with gateway(hub) as port:
        first = await asyncio.to_thread(served_leaf, port, trusted(hub), tmp_path, key, issued.pem)
        assert await hub.server.refresh() and not await hub.server.refresh()
        second = await asyncio.to_thread(served_leaf, port, trusted(hub), tmp_path, key, issued.pem)
    assert second.serial_number != first.serial_number
    assert second.not_valid_after_utc - first.not_valid_after_utc > timedelta(days=20)
    assert heard == [hub.server.current]


async def test_hubs_certificate_is_left_alone_for_two_thirds_of_its_life(hub: HubTrust, clock: Clock) -> None:
    clock.advance(days=19)
    assert not await hub.server.refresh()
    clock.advance(days=1)
    assert await hub.server.refresh()


async def test_renewal_goes_on_after_the_store_was_away(hub: HubTrust, store: MemoryStore, clock: Clock) -> None:
    before, renewed = hub.server.current, asyncio.Event()
    hub.server.subscribe(lambda _: renewed.set())
    store.failing = {"list_authorities"}
    clock.advance(days=25)
    running = asyncio.create_task(hub.server.run(poll_seconds=0.001))
    try:
        for _ in range(20):
            await asyncio.sleep(0)
        assert hub.server.current is before
        store.failing = set()
        async with asyncio.timeout(10):
            await renewed.wait()
        assert hub.server.current.not_after > before.not_after
    finally:
        running.cancel()


async def test_https_listener_serves_every_name_it_was_given_and_takes_a_new_certificate_live(
    store: MemoryStore, clock: Clock
) -> None:
    settings = PkiSettings(server_names=("hub.example", "192.0.2.1", "localhost"))
    hub = await HubTrust(store, clock, settings).start()
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    hub.server.current.load_into(listening)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def serial(name: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=trusted(hub).decode())
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        certificate = writer.get_extra_info("peercert")
        writer.close()
        await writer.wait_closed()
        return str(certificate["serialNumber"])

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=listening) as server:
        port = server.sockets[0].getsockname()[1]
        names = ("hub.example", "192.0.2.1", "localhost", "127.0.0.1", "::1")
        first = {await serial(name) for name in names}
        assert len(first) == 1
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await serial("elsewhere.example")
        await hub.pki.prepare_rotation()
        await hub.server.refresh()
        hub.server.current.load_into(listening)
        assert await serial("hub.example") not in first
