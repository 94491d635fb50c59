"""The HTTPS port itself: TLS, its certificate's renewal, and callers that take their time."""

from __future__ import annotations

import asyncio
import socket
import ssl

import httpx2
import pytest

from hub.api import listener as listening
from hub.api.listener import HttpsListener
from hub.errors import Unavailable
from tests.api.kit import World
from tests.api.serving import SECONDS, Served


async def connected(
    served: Served, context: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=context or served.context(), server_hostname="localhost"
    )


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SECONDS):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, ssl.SSLError):
        return


async def test_it_serves_with_the_hubs_certificate(served: Served) -> None:
    async with served.client() as client:
        reply = await client.get("/api/v1/account")
        assert reply.json()["name"] == "admin"
        assert "server" not in reply.headers


async def test_old_tls_is_refused(served: Served) -> None:
    context = served.context()
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connected(served, context)


async def test_plain_http_is_refused(served: Served) -> None:
    async with httpx2.AsyncClient(timeout=SECONDS) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(f"http://127.0.0.1:{served.port}/healthz")


async def test_the_certificate_is_replaced_while_it_serves(world: World, served: Served) -> None:
    def served_certificate() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS) as plain,
            served.context().wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return secure.getpeercert(True) or b""

    before = await asyncio.to_thread(served_certificate)
    async with served.client() as open_before:
        assert (await open_before.get("/healthz")).status_code == 200
        await world.trust.pki.prepare_rotation()
        assert await world.trust.server.refresh()
        assert await asyncio.to_thread(served_certificate) != before
        assert (await open_before.get("/healthz")).status_code == 200


async def test_a_taken_port(world: World, served: Served) -> None:
    with pytest.raises(Unavailable, match=f"port {served.port}"):
        await HttpsListener(world.trust.server).bind("127.0.0.1", served.port)


async def test_a_listener_that_never_served_lets_go_of_its_port(world: World) -> None:
    first = HttpsListener(world.trust.server)
    port = await first.bind("127.0.0.1", 0)
    await first.stop(1)
    second = HttpsListener(world.trust.server)
    assert await second.bind("127.0.0.1", port) == port
    await second.stop(1)


async def test_headers_that_do_not_come(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEADER_SECONDS", 0.05)
    for beginning in (b"", b"GET /healthz HTTP/1.1\r\nX: "):
        reader, writer = await connected(served)
        writer.write(beginning)
        assert await read_all(reader) == b""
        await close(writer)


async def test_headers_of_a_second_request_that_do_not_come(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEADER_SECONDS", 0.2)
    reader, writer = await connected(served)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(SECONDS):
        assert b"200" in await reader.readuntil(b"ok\n")
    writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
    assert await read_all(reader) == b""
    await close(writer)


async def test_headers_that_do_not_end(served: Served) -> None:
    reader, writer = await connected(served)
    writer.write(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * (listening.HEADER_BYTES + 1000))
    assert b" 400 " in (await read_all(reader)).partition(b"\r\n")[0]
    await close(writer)


async def test_more_connections_than_are_taken(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = await connected(served)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(SECONDS):
        await reader.readuntil(b"ok\n")
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 1)
    try:
        other, second = await connected(served)
    except ConnectionError:
        pass
    else:
        second.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await read_all(other) == b""
        await close(second)
    await close(writer)


async def test_stopping_lets_a_request_finish(world: World, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()

    monkeypatch.setattr(world.store, "ping", slow)
    async with served.client("") as client:
        request = asyncio.create_task(client.get("/readyz"))
        await begun.wait()
        stopping = asyncio.create_task(served.listener.stop(5))
        await world.api.feed._closing.wait()
        go_on.set()
        assert (await request).status_code == 200
    await stopping
